"""`robomem bench policy`: how long one chunk of actions takes, by torch and by ONNX Runtime, in one run."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from robomem.errors import ConfigError, MissingExtraError, ProviderError
from robomem.eval.bench import OnStep, Options, Outcome, Table, markdown_table
from robomem.eval.machine import Machine, this_machine, versions_of, where
from robomem.eval.measure import Steps, cpu_ms, one_core
from robomem.policy.contenders import CONTENDERS, EAGER, Chunk, Contender, export_sized

DENOISING_STEPS = (2, 4, 10)
TARGET_STEPS, TARGET_MS = 4, 8.0  # of a chunk of 16 steps, on one thread
WARM_UPS = 3
PACKAGES = ("torch", "onnxruntime", "onnxruntime-gpu", "numpy")


@dataclass(frozen=True, slots=True)
class ChunkCost:
    """How long a chunk takes with so many steps of the denoiser; `ratio` is of torch eager's median to this one."""

    contender: str
    steps: int
    median_ms: float
    least_ms: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory that a process of its own takes, which makes chunks with `TARGET_STEPS` steps."""

    contender: str
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found. Times are CPU milliseconds of one core; on a GPU they are wall milliseconds."""

    machine: Machine
    versions: dict[str, str | None]
    parameters: int
    rounds: int
    costs: tuple[ChunkCost, ...]
    peaks: tuple[Peak, ...]
    absent: dict[str, str]
    target_ms: float
    is_target_met: bool
    wall_s: float


def bench_policy(options: Options, *, on_step: OnStep | None = None) -> Outcome:
    """Measure every way to make a chunk, in turn, and each alone for its memory."""
    if options.data is not None or options.pictures is not None or options.frames is not None:
        raise ConfigError("bench policy takes no data, no frames and draws no pictures")
    report = measure_policy(rounds=10 if options.is_quick else 60, on_step=on_step)
    table = _cost_table(report), _peak_table(report)
    notes = tuple(_notes(report))
    text = "\n\n".join(map(markdown_table, table))
    return Outcome(report, table, notes, "\n".join([text, "", *(f"- {note}" for note in notes)]))


def measure_policy(*, rounds: int, on_step: OnStep | None = None) -> Report:
    """Measure it.

    Args:
        rounds: So many chunks by each, one after the other.
        on_step: Is told the steps done and all steps.

    Raises:
        MissingExtraError: torch or ONNX Runtime is not installed.
    """
    begin_s = time.perf_counter()
    steps = Steps(1 + len(DENOISING_STEPS) * (1 + rounds) + len(CONTENDERS), on_step)
    with tempfile.TemporaryDirectory() as parent, one_core():
        folder = Path(parent) / "policy"
        try:
            parameters = export_sized(folder, width=128, depth=4)
        except ImportError as err:
            raise MissingExtraError(f"{err}: pip install 'robomem[train,serve]'") from err
        steps.advance()
        absent: dict[str, str] = {}
        costs = tuple(
            cost
            for count in DENOISING_STEPS
            for cost in _costs(folder, count, rounds, steps, absent)
        )
        peaks = tuple(_peaks(folder, absent, steps))
    best = [cost.median_ms for cost in costs if cost.steps == TARGET_STEPS]
    return Report(
        machine=this_machine(),
        versions=versions_of(PACKAGES),
        parameters=parameters,
        rounds=rounds,
        costs=costs,
        peaks=peaks,
        absent=absent,
        target_ms=TARGET_MS,
        is_target_met=min(best) <= TARGET_MS,
        wall_s=time.perf_counter() - begin_s,
    )


def _costs(
    folder: Path, count: int, rounds: int, steps: Steps, absent: dict[str, str]
) -> Iterator[ChunkCost]:
    """Yield how long each takes; they take turns, so that what disturbs one disturbs all."""
    chunks = _loaded(folder, count, absent)
    times_ms: dict[str, list[float]] = {contender.name: [] for contender in chunks}
    steps.advance()
    for _ in range(rounds):
        for contender, chunk in chunks.items():
            times_ms[contender.name].append(_time_ms(contender, chunk))
        steps.advance()
    eager_ms = median(times_ms[EAGER.name])
    for name, found_ms in times_ms.items():
        yield ChunkCost(name, count, median(found_ms), min(found_ms), eager_ms / median(found_ms))


def _loaded(folder: Path, count: int, absent: dict[str, str]) -> dict[Contender, Chunk]:
    """Return what can be run here, warm; what cannot is said to be absent."""
    chunks: dict[Contender, Chunk] = {}
    for contender in CONTENDERS:
        if contender.name in absent:
            continue
        try:
            chunk = contender.load(folder, steps=count)
            for _ in range(WARM_UPS):
                chunk()
        except ProviderError as err:
            absent[contender.name] = str(err)
        else:
            chunks[contender] = chunk
    return chunks


def _time_ms(contender: Contender, chunk: Chunk) -> float:
    """Return the CPU time of a chunk, or the wall time where a GPU makes it."""
    if contender.options is None or contender.options.provider == "cpu":
        return cpu_ms(chunk)
    begin_ns = time.perf_counter_ns()
    chunk()
    return (time.perf_counter_ns() - begin_ns) / 1e6


def _peaks(folder: Path, absent: dict[str, str], steps: Steps) -> Iterator[Peak]:
    """Yield the peak memory of each, in a process of its own: a high-water mark is never lowered again."""
    for contender in CONTENDERS:
        if contender.name not in absent:
            command = [
                sys.executable,
                "-m",
                "robomem.eval.policy_peak",
                str(folder),
                contender.name,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (ours)
            yield Peak(contender.name, int(done.stdout.split()[-1]))
        steps.advance()


def _cost_table(report: Report) -> Table:
    by_name: dict[str, list[ChunkCost]] = {}
    for cost in report.costs:
        by_name.setdefault(cost.contender, []).append(cost)
    header = (f"{report.parameters / 1e6:.2f} M parameters", *(f"N={n}" for n in DENOISING_STEPS))
    ratios = tuple(f"times faster, N={n}" for n in DENOISING_STEPS)
    rows = tuple(
        (
            name,
            *(f"{cost.median_ms:.2f}" for cost in costs),
            *(f"{cost.ratio:.1f}" for cost in costs),
        )
        for name, costs in by_name.items()
    )
    title = "One chunk of 16 actions, N denoising steps: CPU ms on one thread, median"
    return Table(title, (*header, *ratios), rows)


def _peak_table(report: Report) -> Table:
    rows = tuple((peak.contender, f"{peak.peak_bytes / 1e6:.0f}") for peak in report.peaks)
    return Table("Peak memory of a process of its own", ("", "MB"), rows)


def _notes(report: Report) -> Iterator[str]:
    yield where(report.machine, report.versions)
    verdict = "met" if report.is_target_met else "missed"
    yield (
        f"{report.rounds} chunks each, in turn, on one core, senses and memory included; "
        f"the target of {TARGET_MS:g} ms at N={TARGET_STEPS} is {verdict}; {report.wall_s:.0f} s in all"
    )
    for name, why in report.absent.items():
        yield f"not measured: {name}: {why}"
