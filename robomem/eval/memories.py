"""`robomem bench memories`: what the memories of policies cost, and how much a reversible token holds."""

from dataclasses import dataclass

from robomem.errors import ConfigError, MissingExtraError
from robomem.eval.bench import OnStep, Options, Outcome, Table, markdown_table
from robomem.eval.machine import Machine, this_machine

try:
    from robomem.policy.memories.capacity import Capacity, measure_capacity
    from robomem.policy.memories.registry import MEMORIES
    from robomem.policy.memories.speed import Cost, Load, measure_cost
except ImportError as err:
    raise MissingExtraError(
        f"memories of policies need torch ({err}): pip install 'robomem[train]'"
    ) from err

OBSERVATION = 32
SIZES = (64, 128, 256, 512)
WRITES = (1, 2, 4, 8, 16, 32)
QUICK_SIZES, QUICK_WRITES = (64,), (1, 2, 4)
QUICK_LOAD = Load(sequences=2, moments=64, reads=4)


@dataclass(frozen=True, slots=True)
class MemoriesReport:
    """What was measured.

    Attributes:
        machine: Where.
        load: What the memories ran over.
        costs: Of each memory.
        capacities: Of a reversible token.
    """

    machine: Machine
    load: Load
    costs: tuple[Cost, ...]
    capacities: tuple[Capacity, ...]


def bench_memories(options: Options, *, on_step: OnStep | None = None) -> Outcome:
    """Measure every memory, then the token for every size and number of writes."""
    if options.data is not None or options.pictures is not None or options.frames is not None:
        raise ConfigError("bench memories takes no data, no frames and draws no pictures")
    load = QUICK_LOAD if options.is_quick else Load()
    sizes, writes = (QUICK_SIZES, QUICK_WRITES) if options.is_quick else (SIZES, WRITES)
    cells = [(size, count) for size in sizes for count in writes]
    done, count = 0, len(MEMORIES) + len(cells)
    costs, capacities = [], []
    for name in MEMORIES:
        costs.append(measure_cost(name, load, seed=options.seed))
        done += 1
        _tell(on_step, done, count)
    for size, written in cells:
        capacities.append(
            measure_capacity(size=size, observation=OBSERVATION, writes=written, seed=options.seed)
        )
        done += 1
        _tell(on_step, done, count)
    report = MemoriesReport(this_machine(), load, tuple(costs), tuple(capacities))
    tables = (_costs(report), _capacities(report))
    notes = (
        "times are of the process's CPU, the least of three; torch's threads as they are set",
        "missed: share of the mean square of all that was written; least: by counting floats",
    )
    return Outcome(report, tables, notes, "\n\n".join(map(markdown_table, tables)))


def _tell(on_step: OnStep | None, done: int, count: int) -> None:
    if on_step is not None:
        on_step(done, count)


def _costs(report: MemoriesReport) -> Table:
    load = report.load
    rows = tuple(
        (
            cost.memory,
            f"{cost.train_ms:.0f}",
            f"{cost.forward_ms:.1f}",
            f"{cost.step_ms:.2f}",
            f"{cost.state_bytes / 1024:.1f}",
            f"{cost.parameters:,}",
        )
        for cost in report.costs
    )
    title = f"{load.sequences} sequences of {load.moments} moments, {load.reads} reads each, CPU ms"
    header = ("memory", "training", "forward", "a step of one", "state, KiB", "parameters")
    return Table(title, header, rows)


def _capacities(report: MemoriesReport) -> Table:
    writes = sorted({found.writes for found in report.capacities})
    rows = []
    for size in sorted({found.size for found in report.capacities}):
        of_size = {found.writes: found for found in report.capacities if found.size == size}
        cells = (f"{of_size[n].missed:.3f} ({of_size[n].least_missed:.3f})" for n in writes)
        rows.append((str(size), *cells))
    title = f"missed (least) of N observations of {OBSERVATION} numbers in a token of 2 d floats"
    return Table(title, ("d", *(f"N = {n}" for n in writes)), tuple(rows))
