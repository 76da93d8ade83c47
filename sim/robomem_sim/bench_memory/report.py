"""How much is measured, all that was found, and how it is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from robomem.errors import ConfigError
from robomem.eval.bench import Table
from robomem.eval.columns import seconds_table
from robomem.eval.machine import Machine, where


class Findings(Protocol):
    """What a part found: a dataclass of plain numbers."""

    def tables(self) -> tuple[Table, ...]:
        """Return it as tables."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the bench.

    Attributes:
        name: What it is called in the report.
        measure: Measures it, from seeds, much or quickly.
        seconds: How long that takes, about,
        quick_seconds: and quickly.
    """

    name: str
    measure: Callable[[Sequence[int], bool], Findings]
    seconds: int
    quick_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much is measured.

    Attributes:
        seed: Of the first life; the others follow.
        lives: How many each part lives through.
        is_quick: Less of everything.
        pictures: A folder to draw into.
    """

    seed: int = 0
    lives: int = 3
    is_quick: bool = False
    pictures: str | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"a seed is 0 or more, got {self.seed}")

    @property
    def seeds(self) -> range:
        """The seeds of the lives."""
        return range(self.seed, self.seed + self.lives)


QUICK = Settings(lives=1, is_quick=True)


@dataclass(frozen=True, slots=True)
class Report:
    """All of it: what each part found, by its name, and the seconds that it took; `left_out` says what was not measured, and why."""

    machine: Machine
    versions: dict[str, str | None]
    settings: Settings
    seconds: dict[str, float]
    found: dict[str, Any]
    left_out: dict[str, str]


def tables_of(report: Report) -> tuple[Table, ...]:
    """Return the tables of all parts, and what each took."""
    tables = [table for findings in report.found.values() for table in findings.tables()]
    return (*tables, seconds_table(report.seconds))


def notes_of(report: Report) -> tuple[str, ...]:
    """Return how the figures were made, and what was not measured."""
    settings = report.settings
    seeds = ", ".join(map(str, settings.seeds))
    return (
        where(report.machine, report.versions),
        f"generated lives of seeds {seeds}{', quickly' if settings.is_quick else ''}",
        f"{sum(report.seconds.values()):.0f} s in all",
        *(f"not measured: {name}: {why}" for name, why in report.left_out.items()),
    )
