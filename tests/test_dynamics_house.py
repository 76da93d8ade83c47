"""The figures of structure and motion in a simulated house with people, small: some turns on one spot."""

from dataclasses import dataclass

import numpy as np
import pytest
from robomem_sim.house import NOTHING
from robomem_sim.people import PeopleSettings
from robomem_sim.run import Simulation, SimulationSettings

from robomem.geometry import back_project
from robomem.spatial.dynamics import MotionFilter, NewsKind
from robomem.spatial.octree import Octree

VOXEL_M, RANGE_M = 0.05, 5.0
SEED, TURNS = 2, 4


@dataclass
class Life:
    """The frames of a robot, the map it made of them, what it held for moving, and the news."""

    frames: list
    octree: Octree
    masks: np.ndarray
    news: list
    tracks: list


def _live(people, *, jitter_m=0.0):
    rng = np.random.default_rng(0)
    simulation = Simulation(SEED, SimulationSettings(people=people))
    octree, motion_filter = Octree(VOXEL_M), MotionFilter(VOXEL_M)
    life = Life([], octree, [], [], [])
    for frame in (frame for _ in range(TURNS) for frame in simulation.look_round()):
        T_map_cam = frame.T_map_cam
        T_map_cam[:3, 3] += rng.normal(0.0, jitter_m, 3)
        view = {"K": frame.K, "T_map_cam": T_map_cam, "max_range_m": RANGE_M}
        split = motion_filter.split_depth(frame.depth_m, **view)
        still, moving = (
            np.where(split.is_moving == m, frame.depth_m, np.nan) for m in (False, True)
        )
        delta = octree.scanner.trace_depth(still, **view)
        if split.is_moving.any():
            delta = delta.with_passes_of(octree.scanner.trace_depth(moving, **view))
        octree.add(delta)
        motion = motion_filter.learn(split, delta, stamp_ns=frame.stamp_ns)
        life.frames.append(frame)
        life.masks.append(split.is_moving)
        life.news += motion.news
        life.tracks.append(motion.tracks)
    return life


@pytest.fixture(scope="module")
def crowded():
    return _live(PeopleSettings(count=3))


@pytest.fixture(scope="module")
def empty():
    return _live(None)


def _voxels(octree):
    return set(map(tuple, np.floor(octree.occupied() / VOXEL_M).astype(int)))


def test_moving_points_are_found_where_space_was_seen_before(crowded):
    right = wrong = missed = 0
    first = len(crowded.frames) // TURNS  # on the first turn nothing is known to be free
    for frame, mask in list(zip(crowded.frames, crowded.masks, strict=True))[first:]:
        crowd = frame.truth.crowd
        ranges_m = np.linalg.norm(back_project(frame.depth_m, frame.K), axis=1)
        is_near = (ranges_m <= RANGE_M).reshape(mask.shape)
        walking = [p.person_id for p in crowd.people if p.still_s == 0]
        is_walking = np.isin(crowd.person_ids, walking) & is_near
        right += (mask & is_walking).sum()
        missed += (~mask & is_walking).sum()
        wrong += (mask & (crowd.person_ids == NOTHING)).sum()

    assert right > 20_000
    assert 2 * right / (2 * right + wrong + missed) >= 0.9


def test_people_leave_no_ghosts_in_the_map(crowded, empty):
    with_people, without = _voxels(crowded.octree), _voxels(empty.octree)

    ghosts = with_people - without

    assert len(ghosts) <= 0.01 * len(without)
    assert len(with_people & without) >= 0.95 * len(with_people | without)


def test_nothing_moves_in_a_house_without_people(empty):
    assert np.mean(empty.masks) < 0.002
    assert empty.news == []


def test_a_pose_that_jitters_moves_nothing():
    life = _live(None, jitter_m=0.01)

    assert np.mean(life.masks) < 0.002
    assert life.news == []


def test_tracks_follow_people(crowded):
    errors_m, errors_m_s = [], []
    for frame, tracks in zip(crowded.frames, crowded.tracks, strict=True):
        people = frame.truth.crowd.people
        for track in (track for track in tracks if track.looks >= 3):
            away_m = [np.linalg.norm((p.p_map - track.p_map)[:2]) for p in people]
            nearest = people[int(np.argmin(away_m))]
            errors_m.append(min(away_m))
            errors_m_s.append(np.linalg.norm((nearest.velocity_map - track.velocity_map)[:2]))

    assert len(errors_m) >= 20
    assert np.median(errors_m) < 0.25
    assert np.median(errors_m_s) < 0.5
    assert any(news.kind is NewsKind.APPEARED for news in crowded.news)
    assert any(news.kind is NewsKind.PASSED for news in crowded.news)
