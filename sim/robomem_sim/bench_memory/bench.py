"""What is measured, and in which order."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from robomem.errors import ConfigError, MissingExtraError
from robomem.eval.bench import INSTALL, OnStep, Options, Outcome
from robomem.eval.columns import markdown
from robomem.eval.machine import this_machine, versions_of
from robomem.eval.measure import Steps
from robomem.viz import check_matplotlib
from robomem_sim.bench_memory.episodes import measure_episodes
from robomem_sim.bench_memory.facts import measure_facts
from robomem_sim.bench_memory.life import measure_life
from robomem_sim.bench_memory.pictures import Pictures, draw_pictures
from robomem_sim.bench_memory.poison import measure_poison
from robomem_sim.bench_memory.questions import measure_questions
from robomem_sim.bench_memory.report import (
    QUICK,
    Findings,
    Part,
    Report,
    Settings,
    notes_of,
    tables_of,
)
from robomem_sim.bench_memory.retention import RetentionFindings, measure_retention
from robomem_sim.bench_memory.scale import measure_scale
from robomem_sim.bench_memory.utility_picture import draw_utility


def _measure_things(seeds: Sequence[int], is_quick: bool) -> Findings:
    """Measure things in houses that are rendered; only this part needs the extra `sim`."""
    try:
        from robomem_sim.bench_memory.things import measure_things
    except ImportError as err:
        raise MissingExtraError(f"patrols need a renderer ({err}): {INSTALL}") from err
    return measure_things(seeds, is_quick)


PARTS = (
    Part("life", measure_life, 240, 20),
    Part("things", _measure_things, 200, 30),
    Part("questions", measure_questions, 15, 8),
    Part("facts", measure_facts, 30, 8),
    Part("episodes", measure_episodes, 60, 25),
    Part("poison", measure_poison, 90, 25),
    Part("retention", measure_retention, 120, 8),
    Part("scale", measure_scale, 400, 10),
)
PACKAGES = ("numpy", "faiss-cpu", "onnxruntime")
DRAWING_S = 20


def bench_memory(options: Options, *, on_step: OnStep | None = None) -> Outcome:
    """Measure what a memory makes of generated lives; see `robomem.eval.bench`."""
    if options.frames is not None or options.data is not None:
        raise ConfigError("bench memory lives its own lives: --frames and --data are of the others")
    pictures = None if options.pictures is None else str(options.pictures)
    settings = replace(
        QUICK if options.is_quick else Settings(), seed=options.seed, pictures=pictures
    )
    report = measure_memory(settings, PARTS, on_step=on_step)
    tables, notes = tables_of(report), notes_of(report)
    return Outcome(report, tables, notes, markdown(tables, notes))


def measure_memory(
    settings: Settings, parts: Sequence[Part], *, on_step: OnStep | None = None
) -> Report:
    """Measure all parts, one after the other; Ctrl-C ends it with those that are done.

    Args:
        settings: How much of it.
        parts: Which.
        on_step: Is told the steps done and all steps; a step is a second, about.

    Raises:
        MissingExtraError: Pictures are wanted, and the extra `viz` is not installed.
    """
    run = _Run(settings)
    if settings.pictures is not None:
        check_matplotlib()  # better now than in minutes
        parts = (*parts, _drawing(Path(settings.pictures), run.found))
    run.measure(parts, on_step)
    return Report(
        machine=this_machine(),
        versions=versions_of(PACKAGES),
        settings=settings,
        seconds=run.seconds,
        found=run.found,
        left_out=run.left_out,
    )


class _Run:
    """What was found so far, what it took, and why the rest was not measured."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.seconds: dict[str, float] = {}
        self.found: dict[str, Findings] = {}
        self.left_out: dict[str, str] = {}

    def measure(self, parts: Sequence[Part], on_step: OnStep | None) -> None:
        """Measure parts, until Ctrl-C where something was found by then."""
        is_quick = self._settings.is_quick
        lengths = [part.quick_seconds if is_quick else part.seconds for part in parts]
        steps = Steps(sum(lengths), on_step)
        self.left_out.update((part.name, "stopped before") for part in parts)
        try:
            for part, length in zip(parts, lengths, strict=True):
                self._measure(part)
                steps.advance(length)
        except KeyboardInterrupt:
            if not self.found:
                raise

    def _measure(self, part: Part) -> None:
        begin_s = time.perf_counter()
        try:
            self.found[part.name] = part.measure(self._settings.seeds, self._settings.is_quick)
        except MissingExtraError as err:
            self.left_out[part.name] = str(err)
            return
        del self.left_out[part.name]
        self.seconds[part.name] = time.perf_counter() - begin_s


def _drawing(folder: Path, found: Mapping[str, Findings]) -> Part:
    """Return the part that draws, and what was found before it."""

    def draw(seeds: Sequence[int], is_quick: bool) -> Pictures:
        del is_quick
        drawn, retention = draw_pictures(folder, seed=seeds[0]), found.get("retention")
        if isinstance(retention, RetentionFindings):
            draw_utility(retention, folder / "retention.png")
            drawn = Pictures((*drawn.files, "retention.png"))
        return drawn

    return Part("pictures", draw, DRAWING_S, DRAWING_S)
