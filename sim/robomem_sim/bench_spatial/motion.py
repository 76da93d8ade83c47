"""People walk through a house: how well are they told from its structure?

The same robot on the same way maps a house without people, one with people where all it sees is taken for structure,
and that one again with what moves apart.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.eval.voxels import Codes
from robomem.geometry import Depth, back_project
from robomem.spatial.dynamics import MotionFilter, Track
from robomem.spatial.octree import MapDelta, Octree
from robomem_sim.bench_spatial.houses import (
    Stopwatch,
    Times,
    iou,
    median_of,
    occupied_voxels,
    patrol_frames,
)
from robomem_sim.house import NOTHING
from robomem_sim.people import PeopleSettings
from robomem_sim.run import Frame, SimulationSettings

VOXEL_M, RANGE_M = 0.05, 5.0
SURE_LOOKS = 3  # a track that was seen less often is not counted

Pixels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ghosts:
    """What people leave in a map, against the map made without them.

    Attributes:
        ghosts: Voxels that are occupied in this map only, as a part of those occupied in that.
        occupied_iou: Of the two maps.
    """

    ghosts: float
    occupied_iou: float


@dataclass(frozen=True, slots=True)
class Motion:
    """How well people are told from structure in a house.

    Attributes:
        seed: Of the house and of the people.
        people: Who walk about.
        frames: Of the robot.
        as_structure: The map where all is taken for structure.
        apart: The map where what moves is apart.
        precision: Part of the pixels held for moving that show somebody; who stands still counts for nothing.
        recall: Part of the pixels of people who walk that are held for moving.
        f1: The harmonic mean of the two.
        false_alarms: Part of the pixels of the house without people that are held for moving.
        track_m: How far the track of a person is from it in the floor plane, median.
        frame: Times of frames into the map where what moves is apart,
        frame_as_structure: and into the other.
    """

    seed: int
    people: int
    frames: int
    as_structure: Ghosts
    apart: Ghosts
    precision: float
    recall: float
    f1: float
    false_alarms: float
    track_m: float | None
    frame: Times
    frame_as_structure: Times


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """A map, what in each frame was held for moving, and the times of frames."""

    octree: Octree
    masks: list[Pixels]
    tracks: list[tuple[Track, ...]]
    times: Times


def measure_motion(seed: int, *, people: int, frames: int | None) -> Motion:
    """Walk people through a house.

    Args:
        seed: Of the house, the drive and the people.
        people: How many.
        frames: The drive ends after so many.
    """
    crowded = list(crowded_frames(seed, people=people, frames=frames))
    without = list(patrol_frames(seed, frames=frames))
    apart, plain, alone = map_apart(crowded), map_plainly(crowded), map_apart(without)
    expected = occupied_voxels(map_plainly(without).octree)
    scores = [_score(f, mask) for f, mask in zip(crowded, apart.masks, strict=True)]
    right, wrong, missed = np.sum(scores, axis=0).tolist()
    return Motion(
        seed=seed,
        people=people,
        frames=len(crowded),
        as_structure=_ghosts(plain.octree, expected),
        apart=_ghosts(apart.octree, expected),
        precision=right / max(right + wrong, 1),
        recall=right / max(right + missed, 1),
        f1=2 * right / max(2 * right + wrong + missed, 1),
        false_alarms=float(np.mean([mask.mean() for mask in alone.masks])),
        track_m=_track_m(crowded, apart.tracks),
        frame=apart.times,
        frame_as_structure=plain.times,
    )


def crowded_frames(seed: int, *, people: int, frames: int | None) -> Iterator[Frame]:
    """Yield the frames of a patrol among people, without those where somebody hides all that is to see."""
    settings = SimulationSettings(people=PeopleSettings(count=people))
    for frame in patrol_frames(seed, frames=frames, settings=settings):
        if (frame.depth_m > 0).any():
            yield frame


def map_plainly(frames: Iterable[Frame]) -> Mapped:
    """Take all that is seen for structure."""
    octree, watch = Octree(VOXEL_M), Stopwatch()
    for frame in frames:
        with watch.timing():
            octree.add(_traced(octree, frame, frame.depth_m), stamp_ns=frame.stamp_ns)
    return Mapped(octree, [], [], watch.times())


def map_apart(frames: Iterable[Frame]) -> Mapped:
    """Take what stands for structure, and what moves apart."""
    octree, motion_filter, watch = Octree(VOXEL_M), MotionFilter(VOXEL_M), Stopwatch()
    masks, tracks = [], []
    for frame in frames:
        with watch.timing():
            split = motion_filter.split_depth(
                frame.depth_m, K=frame.K, T_map_cam=frame.T_map_cam, max_range_m=RANGE_M
            )
            delta = _delta(octree, frame, split.is_moving)
            motion = motion_filter.learn(split, delta, stamp_ns=frame.stamp_ns)
            octree.add(delta, stamp_ns=frame.stamp_ns)
        masks.append(split.is_moving)
        tracks.append(motion.tracks)
    return Mapped(octree, masks, tracks, watch.times())


def _delta(octree: Octree, frame: Frame, is_moving: Pixels) -> MapDelta:
    """Return what a frame says of the map: what moves clears the space before it, and hits nothing."""
    still, moving = (
        _traced(octree, frame, np.where(part, frame.depth_m, np.float32(np.nan)))
        for part in (~is_moving, is_moving)
    )
    return still.with_passes_of(moving)


def _traced(octree: Octree, frame: Frame, depth_m: Depth) -> MapDelta:
    if not (depth_m > 0).any():
        return MapDelta(np.empty(0, np.int64), *np.empty((2, 0, 8), np.uint64))
    return octree.scanner.trace_depth(
        depth_m, K=frame.K, T_map_cam=frame.T_map_cam, max_range_m=RANGE_M
    )


def _ghosts(octree: Octree, expected: Codes) -> Ghosts:
    found = occupied_voxels(octree)
    ghosts = len(np.setdiff1d(found, expected, assume_unique=True))
    return Ghosts(ghosts / max(len(expected), 1), iou(found, expected))


def _score(frame: Frame, mask: Pixels) -> tuple[int, int, int]:
    """Return how many pixels in range are rightly, wrongly, and wrongly not held for moving."""
    crowd = frame.truth.crowd
    ranges_m = np.linalg.norm(back_project(frame.depth_m, frame.K), axis=1).reshape(mask.shape)
    is_near = ranges_m <= RANGE_M  # NaN is not
    walking = [person.person_id for person in crowd.people if person.still_s == 0]
    is_walking = np.isin(crowd.person_ids, walking) & is_near
    is_nobody = (crowd.person_ids == NOTHING) & is_near
    return (
        int((mask & is_walking).sum()),
        int((mask & is_nobody).sum()),
        int((~mask & is_walking).sum()),
    )


def _track_m(frames: Iterable[Frame], tracks: Iterable[tuple[Track, ...]]) -> float | None:
    """Return how far tracks are from the nearest person in the floor plane, median."""
    offs_m = [
        min(float(np.linalg.norm((p.p_map - track.p_map)[:2])) for p in frame.truth.crowd.people)
        for frame, of_frame in zip(frames, tracks, strict=True)
        for track in of_frame
        if track.looks >= SURE_LOOKS
    ]
    return median_of(offs_m)
