"""What a bench is: told how much to measure, it hands back a report, and what to print of it.

Other packages add theirs as entry points of the group `robomem.benches`, by their names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, cast

from robomem.errors import MissingExtraError

GROUP = "robomem.benches"
INSTALL = "pip install 'robomem[sim,slam]'"

OnStep = Callable[[int, int], None]  # is told the steps done and all steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for; None where a bench decides by itself.

    Attributes:
        seed: Names the scenes, the noise and the queries.
        is_quick: Measure less of everything.
        frames: How many scans go into a map.
        data: Recorded data that stands in for what is simulated, or is measured besides.
        pictures: A folder to draw pictures into.
        cells: A folder for what is trained, so that none of it is trained twice.
        only: Measure only what has one of these texts in its name.
        minutes: CPU time that each training may take.
    """

    seed: int = 0
    is_quick: bool = False
    frames: int | None = None
    data: Path | None = None
    pictures: Path | None = None
    cells: Path | None = None
    only: tuple[str, ...] = ()
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A question with its answers; all columns but the first hold numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bench found.

    Attributes:
        report: All of it: a dataclass that JSON can hold.
        tables: The same to be read.
        notes: How the figures were made, and what was not measured.
        markdown: What of it goes into a document.
    """

    report: Any
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    markdown: str


class Bench(Protocol):
    """Measures something."""

    def __call__(self, options: Options, *, on_step: OnStep | None = None) -> Outcome:
        """Measure it; raises ConfigError where an option cannot be followed."""


def find_bench(name: str) -> Bench:
    """Return a bench of another package.

    Raises:
        MissingExtraError: It is not installed, or something that it needs is not.
    """
    points = list(metadata.entry_points(group=GROUP, name=name))
    if not points:
        raise MissingExtraError(f"bench {name} is not there: {INSTALL}")
    try:
        return cast(Bench, points[0].load())
    except ImportError as err:
        raise MissingExtraError(f"bench {name} cannot be loaded ({err}): {INSTALL}") from err


def markdown_table(table: Table) -> str:
    """Return a table without its title, as Markdown."""
    rule = "---", *("---:" for _ in table.header[1:])
    lines = (table.header, rule, *table.rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
