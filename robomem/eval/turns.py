"""Scans into several maps in turn, and what each of them cost."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from statistics import median

import numpy as np

from robomem.eval.measure import Steps, cpu_ms
from robomem.eval.peers import FAST, Mapper
from robomem.eval.results import FrameCost, Growth
from robomem.eval.scans import Scan

Costs = dict[str, list[float]]  # by map: CPU ms, scan by scan

STAGES = ((1, 10), (11, 100), (101, 1000))  # of a long walk, frames counted from 1


def take_turns(
    maps: Mapping[str, Mapper], scans: Iterable[Scan], *, rng: np.random.Generator, steps: Steps
) -> Costs:
    """Fuse every scan into every map, each time in another order.

    So what the machine does meanwhile, and what the map before left in the caches, hits all alike.
    """
    costs: Costs = {name: [] for name in maps}
    for scan in scans:
        for name in rng.permutation(list(maps)).tolist():
            costs[name].append(_cost_ms(maps[name], scan))
            steps.advance()
    return costs


def take_all(mapper: Mapper, scans: Iterable[Scan], *, steps: Steps) -> list[float]:
    """Fuse one scan after the other; return what each cost."""
    costs = []
    for scan in scans:
        costs.append(_cost_ms(mapper, scan))
        steps.advance()
    return costs


def frame_costs(in_turn: Costs, alone: Costs, *, warm_up: int) -> tuple[FrameCost, ...]:
    """Return the medians without the first scans, as far as there are others."""

    def timed(costs: list[float]) -> list[float]:
        return costs[min(warm_up, len(costs) - 1) :]

    fast_ms = median(timed(in_turn[FAST]))
    return tuple(
        FrameCost(
            map=name,
            frames=len(timed(costs)),
            cpu_ms=median(timed(costs)),
            ratio=median(timed(costs)) / fast_ms,
            alone_ms=median(timed(alone[name])),
        )
        for name, costs in in_turn.items()
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
