"""What is measured, and in which order."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from robomem.errors import ConfigError
from robomem.eval.bench import OnStep, Options, Outcome
from robomem.eval.columns import markdown
from robomem.eval.machine import this_machine, versions_of
from robomem.policy.training.sharing import one_thread
from robomem_sim.bench_recall.cells import CellFound, measure_cell
from robomem_sim.bench_recall.report import QUICK, Report, Settings, notes_of, tables_of

PACKAGES = ("numpy", "torch", "gymnasium")
STEPS_A_CELL = 100  # that are told to the progress line


def bench_recall(options: Options, *, on_step: OnStep | None = None) -> Outcome:
    """Measure what policies make of their memories; see `robomem.eval.bench`."""
    if any(given is not None for given in (options.frames, options.data, options.pictures)):
        raise ConfigError("bench recall-tasks has no frames, data or pictures")
    settings = replace(
        QUICK if options.is_quick else Settings(), seed=options.seed, only=options.only
    )
    if options.minutes is not None:
        settings = replace(settings, minutes=options.minutes)
    with _folder(options.cells) as folder, one_thread():
        report = measure_recall(settings, folder, on_step=on_step)
    tables, notes = tables_of(report), notes_of(report)
    return Outcome(report, tables, notes, markdown(tables, notes))


def measure_recall(settings: Settings, folder: Path, *, on_step: OnStep | None = None) -> Report:
    """Measure all cells, one after the other; Ctrl-C ends it with those that are done.

    Args:
        settings: Which.
        folder: Keeps what is done, and what a cell that was interrupted goes on from.
        on_step: Is told the steps done and all steps.
    """
    cells = settings.cells
    found: list[CellFound] = []

    def on_fraction(fraction: float) -> None:
        if on_step is not None:
            on_step(int(STEPS_A_CELL * (len(found) + fraction)), STEPS_A_CELL * len(cells))

    try:
        for cell in cells:
            found.append(measure_cell(cell, folder, on_fraction=on_fraction))
    except KeyboardInterrupt:
        if not found:
            raise
    return Report(
        machine=this_machine(),
        versions=versions_of(PACKAGES),
        settings=settings,
        found=found,
        left_out=[cell.name for cell in cells[len(found) :]],
    )


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Return the folder that was given, or one that is deleted afterwards."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
