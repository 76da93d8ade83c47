"""Scans into several maps in turn, and what each of them cost."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from statistics import median

from robomem.eval.measure import Steps, cpu_ms
from robomem.eval.peers import FAST, Mapper
from robomem.eval.results import FrameCost, Growth
from robomem.eval.scans import Scan

Costs = dict[str, list[float]]  # by map: CPU ms, scan by scan

STAGES = ((1, 10), (11, 100), (101, 1000))  # of a long walk, frames counted from 1


def take_turns(maps: Mapping[str, Mapper], scans: Iterable[Scan], *, steps: Steps) -> Costs:
    """Fuse every scan into every map; another one begins each time.

    So what the machine does meanwhile, and what the scan before left in the caches, hits all alike.
    """
    costs: Costs = {name: [] for name in maps}
    for i, scan in enumerate(scans):
        first = i % len(maps)
        names = list(maps)
        for name in (*names[first:], *names[:first]):
            costs[name].append(_cost_ms(maps[name], scan))
            steps.advance()
    return costs


def frame_costs(costs: Costs, *, warm_up: int) -> tuple[FrameCost, ...]:
    """Return the medians without the first scans, as far as there are others."""
    timed = {name: all_ms[min(warm_up, len(all_ms) - 1) :] for name, all_ms in costs.items()}
    medians = {name: median(timed_ms) for name, timed_ms in timed.items()}
    return tuple(
        FrameCost(name, len(timed[name]), cpu_ms, cpu_ms / medians[FAST])
        for name, cpu_ms in medians.items()
    )


def walk(
    name: str, mapper: Mapper, scans: Sequence[Scan], *, limit_ms: float, steps: Steps
) -> Iterator[Growth]:
    """Fuse one scan after the other, until they end or took that much time; yield what each stage cost."""
    spent_ms, coming = 0.0, iter(scans)
    for first, last in STAGES:
        stage = []
        for scan in islice(coming, last - first + 1):
            if spent_ms < limit_ms:
                stage.append(_cost_ms(mapper, scan))
                spent_ms += stage[-1]
            steps.advance()
        if stage:
            end = first + len(stage) - 1
            yield Growth(name, first, end, median(stage), mapper.memory_bytes)


def _cost_ms(mapper: Mapper, scan: Scan) -> float:
    prepared = mapper.prepare(scan)
    return cpu_ms(lambda: mapper.integrate(prepared))
