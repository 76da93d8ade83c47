"""Keyframes move to where they truly were: does all that hangs on them end up where it should?

A memory is told poses that drift, then the true poses of its keyframes, while the robot drives on. Another memory is
told from the start where the first one's frames end up: each where its keyframe takes it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from robomem.eval.trial import Stopwatch, Times, median_of, new_memory
from robomem.geometry import Pose, inverse
from robomem.memory import Memory
from robomem.types import Entity, EventKind
from robomem_sim.bench_spatial.houses import free_voxels, iou, occupied_voxels
from robomem_sim.drift import Drift, drifted
from robomem_sim.house import Thing
from robomem_sim.run import Frame, Simulation

Place = TypeVar("Place", Entity, Thing)

PAUSE_S = 0.05  # between a frame and the next, while the map follows
DRIVES_ON = 0.2  # of the frames come after the correction
QUESTION = "where did I last see the mug?"


@dataclass(frozen=True, slots=True)
class Things:
    """The things of a corrected memory, against those of one that was told corrected poses from the start.

    Attributes:
        count: That the other memory believes in.
        missing: Those of them that this one does not have under that label.
        twice: How many this one has more, for by drifting poses they were elsewhere when seen again,
        moved: and how many it believes to have moved; none did.
        off_median_m: How far things are from where they should be,
        off_max_m: at most.
        same: Those that rest on the same sightings in both: as many, and not believed to have moved,
        same_off_max_m: and how far these are off at most.
        truth_before_m: How far things are from where they truly are, median, before the correction
        truth_after_m: and after it.
    """

    count: int
    missing: int
    twice: int
    moved: int
    off_median_m: float | None
    off_max_m: float | None
    same: int
    same_off_max_m: float | None
    truth_before_m: float | None
    truth_after_m: float | None


@dataclass(frozen=True, slots=True)
class Correction:
    """What a correction did to the memory of one house.

    Attributes:
        seed: Of the house and the drift.
        frames: That the memory was told.
        keyframes: That moved.
        drift_m: How far off the last of them was.
        occupied_iou_before: Of the map, with the one of corrected poses from the start, before the correction.
        occupied_iou: The same after it,
        free_iou: and of free space.
        things: Where they are, after it.
        correct_s: Until things and events are at their new places.
        map_s: Until the map has followed, too, while the robot drives on and asks.
        observe: Times of observations before it,
        observe_meanwhile: and while the map follows.
        ask_meanwhile: Times of questions, while it follows.
    """

    seed: int
    frames: int
    keyframes: int
    drift_m: float
    occupied_iou_before: float
    occupied_iou: float
    free_iou: float
    things: Things
    correct_s: float
    map_s: float
    observe: Times
    observe_meanwhile: Times
    ask_meanwhile: Times


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """What a robot saw before it was corrected, where it believed to be then, and what it saw after."""

    before: list[Frame]
    T_map_cams: list[Pose]
    after: list[Frame]

    def true_poses(self, memory: Memory) -> dict[int, Pose]:
        """Return where the keyframes of a memory of it truly are."""
        truth = {f.stamp_ns: f.T_map_cam for f in self.before}
        return {k.keyframe_id: truth[k.stamp_ns] for k in memory.keyframes()}


@dataclass(frozen=True, slots=True)
class _Following:
    """The times of a correction, and of what went on meanwhile."""

    keyframes: int
    correct_s: float
    map_s: float
    observe: Times
    ask: Times


def measure_correction(seed: int, *, frames: int | None) -> Correction:
    """Correct a drive through a house.

    Args:
        seed: Of the house, the drive and the drift.
        frames: The drive ends after so many.
    """
    simulation = Simulation(seed)
    drive = drive_through(islice(simulation.patrol(), frames), np.random.default_rng(seed))
    observing = Stopwatch()
    with new_memory() as memory, new_memory() as expected:
        anchors = observe(memory, drive.before, drive.T_map_cams, watch=observing)
        observe(expected, drive.before, _moved_along(drive, anchors))
        occupied_iou_before = iou(occupied_voxels(memory.map), occupied_voxels(expected.map))
        things_before = memory.entities()
        following = _correct(memory, drive)
        observe(expected, drive.after, [f.T_map_cam for f in drive.after])
        return Correction(
            seed=seed,
            frames=len(drive.before) + len(drive.after),
            keyframes=following.keyframes,
            drift_m=_drift_m(drive),
            occupied_iou_before=occupied_iou_before,
            occupied_iou=iou(occupied_voxels(memory.map), occupied_voxels(expected.map)),
            free_iou=iou(free_voxels(memory.map), free_voxels(expected.map)),
            things=_judge_things(memory, expected, things_before, simulation.house.things),
            correct_s=following.correct_s,
            map_s=following.map_s,
            observe=observing.times(),
            observe_meanwhile=following.observe,
            ask_meanwhile=following.ask,
        )


def drive_through(
    frames: Iterable[Frame], rng: Generator, *, drives_on: float = DRIVES_ON
) -> Drive:
    """Drive along with odometry that drifts; a part of the frames is kept for after its correction."""
    all_frames = list(frames)
    count = round(len(all_frames) * (1 - drives_on))
    before = all_frames[:count]
    odometry = drifted((f.T_map_base for f in before), Drift(), rng)
    T_map_cams = [T @ f.T_base_cam for T, f in zip(odometry, before, strict=True)]
    return Drive(before, T_map_cams, all_frames[count:])


def observe(
    memory: Memory,
    frames: Iterable[Frame],
    T_map_cams: Iterable[Pose],
    *,
    watch: Stopwatch | None = None,
) -> list[int]:
    """Observe frames from where they are believed to be; returns the keyframe that each hangs on."""
    watch = watch or Stopwatch()
    anchors = []
    for frame, T_map_cam in zip(frames, T_map_cams, strict=True):
        observation = replace(frame.observation(), T_map_cam=T_map_cam)
        with watch.timing():
            receipt = memory.observe(observation)
        assert receipt.keyframe_id is not None, "the simulator's frames are sound"
        anchors.append(receipt.keyframe_id)
    return anchors


def _drift_m(drive: Drive) -> float:
    return float(np.linalg.norm(drive.T_map_cams[-1][:3, 3] - drive.before[-1].T_map_cam[:3, 3]))


def _moved_along(drive: Drive, anchors: Iterable[int]) -> Iterator[Pose]:
    """Yield where frames end up when the first one on each keyframe goes to where it truly was."""
    moves: dict[int, Pose] = {}
    for frame, T_map_cam, anchor in zip(drive.before, drive.T_map_cams, anchors, strict=True):
        move = moves.setdefault(anchor, frame.T_map_cam @ inverse(T_map_cam))
        yield move @ T_map_cam


def _correct(memory: Memory, drive: Drive) -> _Following:
    """Correct a memory, drive on and ask until its map has followed, then drive on to the end."""
    truth = drive.true_poses(memory)
    correcting, waiting, observing, asking = (Stopwatch() for _ in range(4))
    frames = iter(drive.after)
    with waiting.timing():
        with correcting.timing():
            moved = memory.correct(truth)
        while not memory.wait_for_map(PAUSE_S):
            for frame in islice(frames, 1):
                observe(memory, [frame], [frame.T_map_cam], watch=observing)
            with asking.timing():
                memory.ask(QUESTION)
    rest = list(frames)
    observe(memory, rest, [f.T_map_cam for f in rest])
    memory.wait_for_map()
    return _Following(
        len(moved), correcting.total_s, waiting.total_s, observing.times(), asking.times()
    )


def _judge_things(
    memory: Memory, expected: Memory, before: Sequence[Entity], truth: Sequence[Thing]
) -> Things:
    should, found, moved = expected.entities(), memory.entities(), _moved(memory)
    pairs = _pairs(should, found)
    same = [
        (thing, other)
        for thing, other in pairs
        if thing.sightings == other.sightings and other.entity_id not in moved
    ]
    return Things(
        count=len(should),
        missing=len(should) - len(pairs),
        twice=(_labels(found) - _labels(should)).total(),
        moved=len(moved),
        off_median_m=median_of(map(_off_m, pairs)),
        off_max_m=max(map(_off_m, pairs), default=None),
        same=len(same),
        same_off_max_m=max(map(_off_m, same), default=None),
        truth_before_m=median_of(map(_off_m, _pairs(truth, before))),
        truth_after_m=median_of(map(_off_m, _pairs(truth, found))),
    )


def _pairs(places: Iterable[Place], things: Sequence[Entity]) -> list[tuple[Place, Entity]]:
    """Return each with the nearest thing of its label, without those that have none."""
    pairs = []
    for place in places:
        alike = [thing for thing in things if thing.label == place.label]
        if alike:
            pairs.append((place, min(alike, key=lambda thing: _off_m((place, thing)))))
    return pairs


def _off_m(pair: tuple[Entity | Thing, Entity]) -> float:
    return float(np.linalg.norm(pair[0].p_map - pair[1].p_map))


def _moved(memory: Memory) -> set[int]:
    """Return the things that a memory believes to have moved."""
    return {
        event.entity_id
        for event in memory.events()
        if event.kind is EventKind.MOVED and event.entity_id is not None
    }


def _labels(things: Iterable[Entity]) -> Counter[str]:
    return Counter(thing.label for thing in things)
