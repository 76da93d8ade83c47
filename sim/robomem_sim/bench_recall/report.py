"""All that was found, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from robomem.errors import ConfigError
from robomem.eval.bench import Table
from robomem.eval.columns import NONE
from robomem.eval.machine import Machine, where
from robomem_sim.bench_recall.cells import Cell, CellFound
from robomem_sim.bench_recall.trials import QUICK_TRIALS, QUICK_VARIANTS, TRIALS, VARIANTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much is measured.

    Attributes:
        seed: The first; the others follow.
        seeds: How many each cell of the table is the mean of.
        minutes: Of CPU time that each training may take.
        episodes: To score each.
        only: Texts of which a cell's name has one; all cells where there are none.
        is_quick: Less of everything.
    """

    seed: int = 0
    seeds: int = 3
    minutes: float = 5.0
    episodes: int = 128
    only: tuple[str, ...] = ()
    is_quick: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError where there would be nothing to measure."""
        if not self.cells:
            raise ConfigError(f"no cell has any of {', '.join(self.only)} in its name")

    @property
    def cells(self) -> list[Cell]:
        """All cells, those of the first seed before those of the next."""
        trials = QUICK_TRIALS if self.is_quick else TRIALS
        variants = QUICK_VARIANTS if self.is_quick else VARIANTS
        cells = [
            Cell(trial, variant, seed, self.minutes, self.episodes)
            for seed in range(self.seed, self.seed + self.seeds)
            for trial in trials
            for variant in variants
        ]
        return [cell for cell in cells if not self.only or any(t in cell.name for t in self.only)]


QUICK = Settings(seeds=1, minutes=1.0, episodes=8, is_quick=True)


@dataclass(frozen=True, slots=True)
class Report:
    """All of it; `left_out` names the cells that were not measured."""

    machine: Machine
    versions: dict[str, str | None]
    settings: Settings
    found: list[CellFound]
    left_out: list[str]


def tables_of(report: Report) -> tuple[Table, ...]:
    """Return all scores in one table, and a table of each trial."""
    trials = dict.fromkeys(found.trial for found in report.found)
    parts = [[f for f in report.found if f.trial == trial] for trial in trials]
    return (_overview(parts), *(_table(t, part) for t, part in zip(trials, parts, strict=True)))


def notes_of(report: Report) -> tuple[str, ...]:
    """Return how the figures were made, and what was not measured."""
    settings = report.settings
    left_out = f"not run: {', '.join(report.left_out)}" if report.left_out else "all cells were run"
    return (
        f"mean score of {settings.episodes} new episodes, acting alone; ± is the standard deviation over seeds",
        f"each trained alone within {settings.minutes:g} CPU minutes; state is of one robot",
        left_out,
        where(report.machine, report.versions),
    )


def _overview(parts: Sequence[Sequence[CellFound]]) -> Table:
    """Return a row for each memory, a column for each test of each trial, holes where nothing was run."""
    tests = [(part, test) for part in parts for test in part[0].scores]
    memories = dict.fromkeys(found.memory for part in parts for found in part)
    rows = [
        (memory, *(_scored([f for f in part if f.memory == memory], test) for part, test in tests))
        for memory in memories
    ]
    titles = (f"{part[0].trial}, {test}" for part, test in tests)
    return Table("scores", ("memory", *titles), tuple(rows))


def _table(trial: str, found: Sequence[CellFound]) -> Table:
    """Return a row for each memory, and two for the bounds."""
    tests = tuple(found[0].scores)
    header = ("memory", *tests, "seeds", "parameters", "state bytes", "ms a step", "CPU minutes")
    memories = dict.fromkeys(cell.memory for cell in found)
    rows = [_row(memory, [f for f in found if f.memory == memory]) for memory in memories]
    blank = (NONE,) * (len(header) - 1 - len(tests))
    bounds = [found[0].scores[test] for test in tests]
    rows += [
        ("(one who knows all)", *(f"{score.oracle:.3f}" for score in bounds), *blank),
        ("(chance)", *(f"{score.chance:.3f}" for score in bounds), *blank),
    ]
    return Table(trial, header, tuple(rows))


def _row(memory: str, cells: Sequence[CellFound]) -> tuple[str, ...]:
    return (
        memory,
        *(_scored(cells, test) for test in cells[0].scores),
        str(len(cells)),
        f"{cells[0].parameters:,}",
        f"{cells[0].state_bytes:,}",
        f"{min(cell.step_ms for cell in cells):.2f}",
        f"{fmean(cell.cpu_minutes for cell in cells):.1f}",
    )


def _scored(cells: Sequence[CellFound], test: str) -> str:
    """Return the mean over seeds and the standard deviation."""
    scores = [cell.scores[test].mean for cell in cells]
    if not scores:
        return NONE
    return f"{fmean(scores):.3f}" + (f" ± {stdev(scores):.3f}" if len(scores) > 1 else "")
