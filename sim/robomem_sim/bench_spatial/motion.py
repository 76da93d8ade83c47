"""People walk through a house: how well are they told from its structure?

The same robot on the same way maps a house without people, one with people where all it sees is taken for structure,
and that one again with what moves apart.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.config import Config, MotionConfig, SpatialConfig
from robomem.eval.trial import Stopwatch, Times, median_of
from robomem.eval.voxels import Codes
from robomem.geometry import back_project
from robomem.spatial import scan_log
from robomem.spatial.dynamics import Track
from robomem.spatial.octree import Octree
from robomem.spatial.scan_splitter import ScanSplitter
from robomem_sim.bench_spatial.houses import iou, occupied_voxels, patrol_frames
from robomem_sim.house import NOTHING
from robomem_sim.people import PeopleSettings
from robomem_sim.run import Frame, SimulationSettings

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
    apart, plain = map_frames(crowded, is_split=True), map_frames(crowded, is_split=False)
    alone = map_frames(without, is_split=True)
    expected = occupied_voxels(map_frames(without, is_split=False).octree)
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


def map_frames(frames: Iterable[Frame], *, is_split: bool) -> Mapped:
    """Map frames as a memory does, with what moves apart or with all that is seen taken for structure."""
    config = Config(motion=MotionConfig(is_split=is_split))
    octree, splitter = Octree(config.spatial.voxel_size_m), ScanSplitter(config)
    watch, masks, tracks = Stopwatch(), [], []
    for frame in frames:
        scan, T_map_cam = scan_log.measured(frame.observation()), frame.T_map_cam
        with watch.timing():
            scan, splits = splitter.split(scan, T_map_cam, stamp_ns=frame.stamp_ns)
            deltas = list(scan_log.trace(octree.scanner, scan, T_map_cam, config.spatial))
            splitter.learn(splits, deltas[: len(splits)], stamp_ns=frame.stamp_ns)
            for delta in deltas:
                octree.add(delta, stamp_ns=frame.stamp_ns)
        moving = scan.moving_depth_m
        masks.append(np.zeros(frame.depth_m.shape, np.bool_) if moving is None else moving > 0)
        tracks.append(tuple(t for t in splitter.tracks() if t.last_seen_ns == frame.stamp_ns))
    return Mapped(octree, masks, tracks, watch.times())


def _ghosts(octree: Octree, expected: Codes) -> Ghosts:
    found = occupied_voxels(octree)
    ghosts = len(np.setdiff1d(found, expected, assume_unique=True))
    return Ghosts(ghosts / max(len(expected), 1), iou(found, expected))


def _score(frame: Frame, mask: Pixels) -> tuple[int, int, int]:
    """Return how many pixels in range are rightly, wrongly, and wrongly not held for moving."""
    crowd = frame.truth.crowd
    ranges_m = np.linalg.norm(back_project(frame.depth_m, frame.K), axis=1).reshape(mask.shape)
    is_near = ranges_m <= SpatialConfig().max_range_m  # NaN is not
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
