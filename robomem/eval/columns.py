"""Tables out of what was found: a row for each finding, a column for each figure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, Protocol, TypeVar

from robomem.eval.bench import Table, markdown_table

NONE = "-"
Row = TypeVar("Row")


class Seeded(Protocol):
    """What was found in one scene."""

    @property
    def seed(self) -> int:
        """Which scene."""


SeededRow = TypeVar("SeededRow", bound=Seeded)


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """What a table says of each row: how it is called, found, written, and which of the values is the worst."""

    title: str
    value: Callable[[Row], float | None]
    form: str
    worst: Callable[[list[float]], float] = max


def table_of(
    title: str,
    rows: Sequence[tuple[str, Row]],
    columns: Sequence[Column[Row]],
    *,
    first: str = "",
) -> Table:
    """Return a table of findings, each with its name in the first column, which is called `first`."""
    lines = [(name, *(_written(c.value(row), c.form) for c in columns)) for name, row in rows]
    return Table(title, (first, *(c.title for c in columns)), tuple(lines))


def table_by_seed(
    title: str, rows: Sequence[SeededRow], columns: Sequence[Column[SeededRow]], *, first: str
) -> Table:
    """Return a table of findings with their seeds, the medians and what is worst below them."""
    table = table_of(title, [(str(row.seed), row) for row in rows], columns, first=first)
    if len(rows) < 2:
        return table
    medians = (_summed(rows, column, median) for column in columns)
    worsts = (_summed(rows, column, column.worst) for column in columns)
    below = (("median", *medians), ("worst", *worsts))
    return Table(title, table.header, (*table.rows, *below))


def seconds_table(seconds: Mapping[str, float]) -> Table:
    """Return how long each part of a run took."""
    rows = tuple((name, f"{value:.0f}") for name, value in seconds.items())
    return Table("What it took", ("part", "s"), rows)


def markdown(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """Return tables and notes for a document."""
    parts = [f"**{table.title}**\n\n{markdown_table(table)}\n" for table in tables]
    return "\n".join([*parts, *(f"- {note}" for note in notes)])


def _summed(rows: Sequence[Row], column: Column[Row], over: Callable[[list[float]], float]) -> str:
    values = [value for row in rows if (value := column.value(row)) is not None]
    return _written(over(values) if values else None, column.form)


def _written(value: float | None, form: str) -> str:
    return NONE if value is None else f"{value:{form}}"
