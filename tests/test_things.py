"""Things believed in: which is which, whether each is there, what two become one and one two."""

import math
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.checks import checked_embedding
from robomem.config import SemanticConfig
from robomem.geometry import inverse, pose, project, rotation_from_yaw, transform
from robomem.query import Relation
from robomem.semantic.absence import (
    NO_EVIDENCE,
    SEEN_THROUGH,
    UNDETECTED,
    Look,
    absence_evidence,
)
from robomem.semantic.association import MISNAMED, Candidate, associate
from robomem.semantic.entities import EntityTracker, Glance, NewsKind
from robomem.semantic.gazes import Gazes
from robomem.semantic.lifting import Sighting, distinct
from robomem.semantic.standings import Standing, are_standing, standings
from robomem.store.records import Records
from robomem.store.rows import KeyframeRow
from robomem.types import Entity, EntityState, Keyframe
from tests.worlds import NS, K, camera

CONFIG = SemanticConfig()
SMALL = np.full(3, 0.1)
DAY_S = 86400
UNSEEN_M = 1.5  # depth of a board before everything


def sighting(label, p_map, *, looks=None, size_m=SMALL, score=0.9):
    embedding = None if looks is None else checked_embedding(looks)
    return Sighting(label, score, np.array(p_map, float), 2.0, size_m, embedding)


def keyframe_row(number, T_map_kf, *, stamp_ns=None):
    stamp_ns = number if stamp_ns is None else stamp_ns
    nothing = dict.fromkeys(("T_base_kf", "T_odom_kf", "depth_digest", "color_digest"))
    return KeyframeRow(
        keyframe_id=number, stamp_ns=stamp_ns, until_ns=stamp_ns, T_map_kf=T_map_kf.reshape(16),
        source="robot", K=K.reshape(9), **nothing,
    )  # fmt: skip


class Robot:
    """Stands at the origin and looks along x; `sees` tells its tracker what, and how far the rest is."""

    def __init__(self, folder, config=CONFIG):
        self.records = Records(folder / "records.sqlite", is_writer=True)
        self.config = config
        self.keyframes = {}
        self.stamp_ns = 0
        self.ids = count(1)
        self.drive()
        self.reopen()

    def drive(self):
        """Make another keyframe, where the robot is."""
        number = next(self.ids)
        self.keyframe = Keyframe(number, self.stamp_ns, self.stamp_ns, camera(), "robot")
        self.keyframes[number] = self.keyframe

    def look_from_keyframe(self):
        """Keep the keyframe with its camera, so that it is known what was in its image."""
        self.stamp_ns += NS
        with self.records.transaction():
            row = keyframe_row(self.keyframe.keyframe_id, camera(), stamp_ns=self.stamp_ns)
            self.records.keyframes.save(row)

    def reopen(self):
        self.tracker = EntityTracker(
            self.records,
            self.config,
            keyframe_of=self.keyframes.__getitem__,
            is_known_free=lambda p_map: True,
        )

    def sees(self, *sightings, times=1, beyond_m=None, seconds=1.0):
        look = None
        if beyond_m is not None:
            look = Look(np.full((60, 80), beyond_m, np.float32), K, camera(), has_detector=True)
        news = []
        for _ in range(times):
            self.stamp_ns += int(seconds * NS)
            glance = Glance(self.stamp_ns, self.keyframe, list(sightings), look)
            with self.records.transaction():
                news += self.tracker.update(glance)
        return [n.kind for n in news]

    @property
    def things(self):
        return [row for row in self.records.entities.select() if row.is_confirmed]

    def place(self, row):
        T = self.keyframes[row.keyframe_id].T_map_kf
        return T[:3, :3] @ row.p_kf + T[:3, 3]


@pytest.fixture
def robot(tmp_path):
    return Robot(tmp_path)


# ---- which is which -----------------------------------------------------------------------------


def candidate(entity_id, label, p_map, *, looks=None, **fields):
    fields = {
        "misnamed": 0,
        "reach_m": 0.5,
        "size_m": SMALL,
        "is_confirmed": True,
        "is_here": True,
    } | fields
    seen = sighting(label, p_map, looks=looks)
    return Candidate(
        entity_id=entity_id, votes={label: 10}, p_map=seen.p_map, embedding=seen.embedding, **fields
    )


def test_the_least_distance_in_all_beats_the_nearest_first():
    near, far = candidate(1, "mug", (2.0, 0, 1)), candidate(2, "mug", (2.0, 0.45, 1))
    seen = [sighting("mug", (2.0, -0.2, 1)), sighting("mug", (2.0, 0.1, 1))]

    matches = associate(seen, [near, far], CONFIG)

    assert matches == {0: 1, 1: 2}


def test_looks_tell_two_things_of_one_name_apart():
    red, blue = (
        candidate(1, "mug", (2, 0, 1), looks=(1, 0)),
        candidate(2, "mug", (2, 0.2, 1), looks=(0, 1)),
    )

    matches = associate([sighting("mug", (2, 0.1, 1), looks=(0.1, 1))], [red, blue], CONFIG)

    assert matches == {0: 2}


@pytest.mark.parametrize("wrong", [
    {"p_map": (2, 0.3, 1)}, {"size_m": np.full(3, 0.3)}, {"looks": (0, 1)},
], ids=["place", "size", "looks"])  # fmt: skip
def test_another_name_is_a_mistake_only_where_place_size_and_looks_are_right(wrong):
    mug = candidate(1, "mug", (2, 0, 1), looks=(1, 0))
    right = {"p_map": (2, 0.02, 1), "looks": (1, 0)}

    assert associate([sighting("vase", **right)], [mug], CONFIG) == {0: 1}
    assert associate([sighting("vase", **right | wrong)], [mug], CONFIG) == {}


@given(st.permutations(range(6)))
def test_the_order_of_detections_does_not_matter(order):
    rng = np.random.default_rng(3)
    candidates = [candidate(i, "mug", rng.uniform(0, 0.6, 3)) for i in range(5)]
    seen = [sighting("mug", rng.uniform(0, 0.6, 3)) for _ in range(6)]

    matches = associate([seen[i] for i in order], candidates, CONFIG)

    expected = associate(seen, candidates, CONFIG)
    assert {order[index]: entity_id for index, entity_id in matches.items()} == expected


def test_a_thing_that_is_called_two_names_at_once_is_one():
    seen = [sighting("cup", (2, 0, 1), score=0.5), sighting("mug", (2, 0.02, 1))]

    assert [s.label for s in distinct([*seen, sighting("mug", (2, 0.3, 1))])] == ["mug", "mug"]


def test_a_confused_name_makes_no_second_thing(robot):
    for step in range(20):
        robot.sees(sighting("cup" if step % 5 == 3 else "mug", (2, 0, 1)))

    (mug,) = robot.things
    assert mug.label == "mug"
    assert mug.votes() == {"mug": 16, "cup": 4}


def test_the_name_is_the_one_it_is_called_most(robot):
    robot.sees(sighting("cup", (2, 0, 1)), times=3)

    for _ in range(4):
        robot.sees(sighting("cup", (2, 0, 1)), sighting("mug", (2, 0.3, 1)))
        robot.sees(sighting("mug", (2, 0, 1)), times=2)

    assert [row.label for row in robot.things] == ["mug", "mug"]


# ---- is it there --------------------------------------------------------------------------------


def test_existence_rises_with_sightings_and_falls_with_looks(robot):
    odds = []
    for beyond_m in (None, None, None, None, 4.0, 4.0, 4.0):
        robot.sees(*([sighting("mug", (2, 0, 1))] if beyond_m is None else []), beyond_m=beyond_m)
        odds += [row.existence for row in robot.records.entities.select()]

    assert odds == [2.0, 4.0, 6.0, 6.0, 4.0, 2.0, 0.0]
    (mug,) = robot.things
    assert mug.state is EntityState.MISSING
    assert mug.absent_ns == mug.missed_ns == robot.stamp_ns


def test_an_occluded_thing_keeps_its_existence(robot):
    robot.sees(sighting("mug", (2, 0, 1)), times=4)

    robot.sees(times=20, beyond_m=UNSEEN_M)

    assert [row.existence for row in robot.things] == [6.0]


def test_a_missing_thing_that_is_seen_again_is_there(robot):
    robot.sees(sighting("mug", (2, 0, 1)), times=4)
    robot.sees(times=3, beyond_m=4.0)

    robot.sees(sighting("mug", (2, 0, 1)))

    (mug,) = robot.things
    assert mug.state is EntityState.PRESENT
    assert mug.missed_ns is None
    assert mug.absent_ns == robot.stamp_ns - NS


def test_what_is_still_missing_a_day_later_is_gone(robot):
    robot.sees(sighting("mug", (2, 0, 1)), times=4)
    robot.sees(times=5, beyond_m=4.0)
    (missing,) = robot.things

    robot.sees(beyond_m=4.0, seconds=DAY_S)

    (gone,) = robot.things
    assert (missing.state, gone.state) == (EntityState.MISSING, EntityState.GONE)
    np.testing.assert_allclose(robot.place(gone), [2, 0, 1], atol=1e-9)
    robot.reopen()
    assert robot.sees(sighting("mug", (2, 0, 1)), times=3) == [NewsKind.FOUND]  # another mug


def test_what_is_gone_comes_back_by_its_looks(robot):
    robot.sees(sighting("mug", (2, 0, 1), looks=(1, 0)), times=4)
    robot.sees(times=5, beyond_m=4.0)
    robot.sees(beyond_m=4.0, seconds=DAY_S)
    robot.reopen()

    news = robot.sees(sighting("mug", (2, 0.6, 1), looks=(1, 0.1)))

    assert news == [NewsKind.MOVED]
    assert [(row.entity_id, row.state) for row in robot.things] == [(1, EntityState.PRESENT)]


def evidence(depth_m, *, p_map=(2, 0, 1), size_m=(0.2, 0.2, 0.1), seen_range_m=4.0, z=1.0):
    look = Look(depth_m.astype(np.float32), K, camera(z=z), has_detector=True)
    return absence_evidence(
        look,
        np.array([p_map], float),
        sizes_m=np.array([size_m]),
        seen_ranges_m=np.array([seen_range_m]),
        see_through_m=CONFIG.see_through_m,
        see_through_per_m2=CONFIG.see_through_per_m2,
    )[0]


def floor_depth(height_m):
    """Depth of a level plane so far below the camera, a wall at 6 m above it."""
    slopes = (np.arange(60) - K[1, 2]) / K[1, 1]
    with np.errstate(divide="ignore"):
        along_m = np.where(slopes > 0, height_m / slopes, np.inf)
    return np.repeat(np.minimum(along_m, 6.0)[:, None], 80, axis=1)


def test_a_ray_that_goes_on_says_that_nothing_is_there():
    assert evidence(np.full((60, 80), 3.0)) == SEEN_THROUGH


def test_a_low_thing_is_missed_although_rays_end_on_what_it_stood_on():
    table = floor_depth(0.45)  # its top is at 0.55 m, seen from 1 m

    assert evidence(table, p_map=(1.2, 0, 0.55 + 0.05)) == SEEN_THROUGH


def test_a_thing_that_stands_there_undetected_is_not_seen_through():
    table = floor_depth(0.45)
    table[38:56, 36:44] = np.minimum(table[38:56, 36:44], 1.1)  # what stands on it

    assert evidence(table, p_map=(1.2, 0, 0.55 + 0.05)) == UNDETECTED


@pytest.mark.parametrize(
    ("depth_m", "fields"),
    [(1.0, {}), (np.nan, {}), (2.0, {"seen_range_m": 1.0}), (3.0, {"p_map": (2, 3, 1)})],
    ids=["hidden", "unmeasured", "too far", "out of the image"],
)
def test_no_evidence_is_no_absence(depth_m, fields):
    assert evidence(np.full((60, 80), depth_m), **fields) == NO_EVIDENCE


@pytest.mark.parametrize("y", np.linspace(0, 0.05, 6))
def test_a_frame_is_not_seen_through_between_its_posts(y):
    posts = np.full((60, 80), 9.0)
    columns = np.rint(K[0, 2] - K[0, 0] * (y + np.array([-0.35, 0.35])) / 2.7).astype(int)
    posts[:, columns.min() - 1 : columns.min() + 2] = 2.6
    posts[:, columns.max() - 1 : columns.max() + 2] = 2.6

    assert evidence(posts, p_map=(2.7, y, 1), size_m=(0.2, 1.0, 0.4)) != SEEN_THROUGH


def test_a_ray_that_may_pass_beside_a_thing_does_not_see_through_it():
    beyond = np.full((60, 80), 9.0)

    assert evidence(beyond, p_map=(2, 0, 1), size_m=SMALL) == SEEN_THROUGH
    assert evidence(beyond, p_map=(8, 0.1, 1), size_m=SMALL / 4, seen_range_m=1.0) == NO_EVIDENCE


def test_far_away_a_ray_must_go_on_farther():
    box = {"size_m": (0.3, 0.3, 0.3), "seen_range_m": 1.0}

    assert evidence(np.full((60, 80), 2.2), **box) == SEEN_THROUGH
    assert evidence(np.full((60, 80), 8.2), p_map=(8, 0, 1), **box) == NO_EVIDENCE


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_a_gaze_is_what_projects_into_the_image(seed):
    rng = np.random.default_rng(seed)
    poses = [pose(rotation_from_yaw(yaw) @ camera()[:3, :3], (x, 0, 1))
             for yaw, x in rng.uniform(-2, 2, (8, 2))]  # fmt: skip
    p_map = rng.uniform(-4, 4, 3)

    with TemporaryDirectory() as folder:
        records = Records(Path(folder) / "records.sqlite", is_writer=True)
        with records.transaction():
            for number, T_map_kf in enumerate(poses, start=1):
                records.keyframes.save(keyframe_row(number, T_map_kf))
        stamps = Gazes(records).stamps(p_map, within_m=3.0, after_ns=1, until_ns=6)
        records.close()

    expected = []
    for number, T_map_kf in enumerate(poses, start=1):
        p_kf = transform(inverse(T_map_kf), p_map)
        u, v = project(p_kf[None], K)[0]
        is_inside = 0 <= u <= 2 * K[0, 2] and 0 <= v <= 2 * K[1, 2]
        if is_inside and np.linalg.norm(p_kf) <= 3.0 and 1 < number <= 6:
            expected.append(number)
    assert stamps.tolist() == expected


def test_gazes_follow_keyframes_of_which_some_have_no_camera(robot):
    gazes = Gazes(robot.records)
    for numbers in (range(1, 50), range(50, 300)):
        with robot.records.transaction():
            for number in numbers:
                row = keyframe_row(number, camera())
                robot.records.keyframes.save(replace(row, K=None) if number % 7 == 0 else row)

        stamps = gazes.stamps(np.array([2.0, 0, 1]), within_m=3.0, until_ns=300)

        assert stamps.tolist() == [n for n in range(1, numbers.stop) if n % 7]


# ---- moved or new -------------------------------------------------------------------------------


def test_one_sighting_of_what_is_known_by_its_looks_is_enough(robot):
    robot.sees(sighting("mug", (2, 0, 1), looks=(1, 0)), times=4)
    robot.sees(times=3, beyond_m=4.0)

    assert robot.sees(sighting("mug", (2, 2, 1), looks=(0, 1))) == []
    assert robot.sees(sighting("mug", (2, -2, 1), looks=(1, 0.1))) == [NewsKind.MOVED]


def test_what_looks_known_has_come_though_its_old_place_was_not_looked_at(robot):
    robot.sees(sighting("mug", (-2, 0, 1), looks=(1, 0)), times=4)

    news = robot.sees(sighting("mug", (2, 0, 1), looks=(1, 0)), beyond_m=4.0)

    assert news == [NewsKind.MOVED]
    (mug,) = robot.things
    np.testing.assert_allclose(robot.place(mug), [2, 0, 1], atol=1e-9)


@pytest.mark.parametrize("old", [(1.8, -0.7, 1), (1.8, 0.7, 1)], ids=["seen", "in view"])
def test_what_looks_known_is_another_one_while_that_should_be_seen(robot, old):
    robot.sees(sighting("mug", old, looks=(1, 0)), times=4)
    new = sighting("mug", (2, 0, 1), looks=(1, 0))
    seen = [sighting("mug", old, looks=(1, 0)), new] if old[1] < 0 else [new]

    news = robot.sees(*seen, beyond_m=1.5)

    assert NewsKind.MOVED not in news
    assert NewsKind.FOUND not in news


def test_two_that_look_alike_do_not_change_places_for_ever(robot):
    chair = {"looks": (1, 0)}
    robot.sees(sighting("chair", (-2, 0, 1), **chair), times=4)
    robot.drive()
    robot.sees(sighting("chair", (-2, 2, 1), **chair), beyond_m=4.0)  # seems to have moved
    robot.drive()

    news = robot.sees(sighting("chair", (-2, 0, 1), **chair), beyond_m=4.0)
    news += robot.sees(sighting("chair", (-2, 0, 1), **chair), times=3)

    assert NewsKind.MOVED not in news
    assert len(robot.things) == 2


def test_a_mistake_of_a_day_ago_and_a_sighting_now_are_not_one_thing(robot):
    robot.sees(sighting("mug", (2, 0, 1)))
    for _ in range(2):
        robot.drive()
        robot.look_from_keyframe()
    robot.stamp_ns += 3600 * NS

    robot.sees(sighting("mug", (2, 0, 1)), times=3)

    (mug,) = robot.things
    assert mug.first_seen_ns > 3600 * NS


def test_without_looks_the_one_that_was_there_until_then_moved(robot):
    robot.sees(sighting("mug", (2, 0, 1)), sighting("mug", (2, 0.7, 1)), times=4)
    robot.sees(sighting("mug", (2, 0.7, 1)), times=4, beyond_m=4.0)  # the first is gone,
    for _ in range(2):
        robot.drive()  # and nothing stands there yet
        robot.look_from_keyframe()
    robot.sees(times=4, beyond_m=4.0)  # before the second is, too

    news = robot.sees(sighting("mug", (1.8, -0.7, 1)), times=3)

    assert news == [NewsKind.MOVED]
    assert [r.entity_id for r in robot.things if r.state is EntityState.PRESENT] == [2]


@pytest.mark.parametrize(("looks", "moved_id"), [((1, 0), 1), ((0, 1), 2), (None, None)])
def test_of_two_missing_mugs_the_one_that_looks_so_moved(robot, looks, moved_id):
    seen = [sighting("mug", (2, y, 1), looks=None if looks is None else look) for y, look in
            ((0, (1, 0)), (0.7, (0, 1)))]  # fmt: skip
    robot.sees(*seen, times=4)
    robot.sees(times=3, beyond_m=4.0)

    news = robot.sees(sighting("mug", (2, -0.7, 1), looks=looks), times=3)

    assert news[0] is (NewsKind.FOUND if moved_id is None else NewsKind.MOVED)
    here = [row.entity_id for row in robot.things if row.state is EntityState.PRESENT]
    assert here == [moved_id or 3]


def test_what_moved_is_not_sighted_at_its_old_place_in_the_same_image(robot):
    robot.sees(sighting("mug", (2, 0, 1), looks=(1, 0)), times=4)
    robot.sees(times=3, beyond_m=4.0)

    new = sighting("mug", (2, 0.7, 1), looks=(1, 0), score=1.0)
    robot.sees(new, times=2)
    robot.sees(new, sighting("mug", (2, 0, 1), looks=(1, 0)))

    (mug,) = robot.things
    np.testing.assert_allclose(robot.place(mug), [2, 0.7, 1], atol=1e-9)
    assert mug.astray == 0


def test_another_mug_is_new_though_one_is_missing(robot):
    robot.sees(sighting("mug", (2, 0, 1), looks=(1, 0)), times=4)
    robot.sees(times=3, beyond_m=4.0)

    news = robot.sees(sighting("mug", (2, 0.7, 1), looks=(0, 1)), times=3)

    assert news == [NewsKind.FOUND]


def test_a_mug_where_another_one_was_missed_is_new_by_its_looks(robot):
    robot.sees(sighting("mug", (2, 0, 1), looks=(1, 0)), times=4)
    robot.sees(times=3, beyond_m=4.0)

    news = robot.sees(sighting("mug", (2, 0, 1), looks=(0, 1)), times=3)

    assert news == [NewsKind.FOUND]


def test_a_thing_that_stands_where_another_stood_displaces_it(robot):
    robot.sees(sighting("red book", (2, 0, 1), looks=(1, 0)), times=4)

    news = robot.sees(sighting("green book", (2, 0, 1), looks=(0, 1)), times=3)

    assert news == [NewsKind.FOUND, NewsKind.MISSING]
    assert {row.label: row.state for row in robot.things} == {
        "red book": EntityState.MISSING,
        "green book": EntityState.PRESENT,
    }


def test_a_thing_may_displace_two_that_are_one(robot):
    wide = {"size_m": np.full(3, 0.22)}
    robot.sees(sighting("cup", (2, -0.06, 1), looks=(1, 0), **wide), times=4)
    robot.sees(sighting("bowl", (2, 0.06, 1), looks=(1, 0), **wide), times=4)
    with robot.records.transaction():  # called so once, too
        bowl = robot.things[1]
        robot.records.entities.save(replace(bowl, labels='{"bowl": 4, "cup": 1}'))
    robot.reopen()

    news = robot.sees(sighting("plant", (2, 0, 1), looks=(0, 1), **wide), times=4)

    assert NewsKind.MOVED in news
    states = {row.label: row.state for row in robot.things}
    assert states["plant"] is EntityState.PRESENT
    assert len(states) == 2


def test_without_looks_a_name_is_a_mistake_only_so_often_in_a_row(robot):
    robot.sees(sighting("red book", (2, 0, 1)), times=60)

    robot.sees(sighting("green book", (2, 0, 1)), times=MISNAMED)
    assert [row.label for row in robot.things] == ["red book"]
    news = robot.sees(sighting("green book", (2, 0, 1)), times=3)

    assert news == [NewsKind.FOUND, NewsKind.MISSING]


def test_a_thing_shifted_within_the_gate_is_followed_at_once(robot):
    robot.sees(sighting("mug", (2, 0, 1)), times=40)

    robot.sees(sighting("mug", (2, 0.4, 1)), times=3)

    (mug,) = robot.things
    np.testing.assert_allclose(robot.place(mug), [2, 0.4, 1], atol=1e-9)


# ---- two that are one, one that is two ----------------------------------------------------------


def test_a_thing_that_moved_leaves_a_tombstone_of_its_other_name(robot):
    robot.sees(sighting("mug", (2, 0, 1), looks=(1, 0)), times=4)
    robot.sees(sighting("mug", (2, 0.7, 1), looks=(1, 0)), times=4)  # its old place out of sight
    assert len(robot.things) == 2

    news = robot.sees(sighting("mug", (2, 0.7, 1), looks=(1, 0)), times=3, beyond_m=4.0)

    assert news[-1] is NewsKind.MOVED
    (mug,) = robot.things
    (tombstone,) = robot.records.tombstones.select()
    assert (mug.entity_id, robot.records.entity_now(2)) == (1, 1)
    assert (tombstone.label, tombstone.into_id) == ("mug", 1)
    assert mug.sightings == 11


def test_two_that_drift_together_are_one(robot):
    robot.sees(sighting("mug", (2, 0, 1)), sighting("mug", (2, 0.2, 1)), times=4)
    robot.drive()

    for step in range(40):
        robot.drive()
        robot.sees(sighting("mug", (2, 0.2 - min(0.19, step * 0.01), 1)))

    assert len(robot.things) <= 2
    robot.drive()
    near = [row for row in robot.things if abs(robot.place(row)[1]) < 0.05]
    assert len(near) == 1


def test_one_that_is_two_is_split_with_its_history(robot):
    for step in range(12):  # one at a time: it seems to be one
        robot.drive()
        robot.sees(sighting("chair", (2, 0.15 if step % 2 else -0.15, 1)))
    (before,) = robot.things
    first_ns = before.first_seen_ns

    robot.sees(sighting("chair", (2, 0.15, 1)), sighting("chair", (2, -0.15, 1)), times=6)

    whole, part = robot.things
    assert part.split_from == whole.entity_id
    assert whole.sightings + part.sightings == 12 + 2 * 6
    assert abs(part.first_seen_ns - first_ns) <= 2 * NS
    ys = sorted(robot.place(row)[1] for row in (whole, part))
    np.testing.assert_allclose(ys, [-0.15, 0.15], atol=0.05)


def test_what_is_believed_does_not_depend_on_when_it_was_reopened(tmp_path):
    rng = np.random.default_rng(5)
    glances = [
        [
            sighting(
                rng.choice(["mug", "cup"]),
                rng.normal((2, y, 1), 0.03),
                looks=rng.normal((1, y), 0.1),
            )
            for y in (-0.5, 0.0, 0.5)
            if rng.random() < 0.7
        ]
        for _ in range(30)
    ]
    told = []
    for name in ("once", "often"):
        (tmp_path / name).mkdir()
        robot = Robot(tmp_path / name)
        for number, seen in enumerate(glances):
            robot.sees(*seen, beyond_m=4.0)
            if number % 7 == 6:
                robot.drive()
            if name == "often":
                robot.reopen()
        told.append([repr(row) for table in (robot.records.entities, robot.records.appearances)
                     for row in table.select()])  # fmt: skip

    assert told[0] == told[1]


# ---- what stands on what ------------------------------------------------------------------------


def thing(entity_id, p_map, size_m):
    return Entity(
        entity_id, "thing", EntityState.PRESENT, 1, np.zeros(3), np.array(p_map, float),
        None if size_m is None else np.array(size_m, float), 0, 0, 3, 0.9,
    )  # fmt: skip


def test_a_mug_on_a_table_a_book_in_a_shelf_and_a_chair_beside_it():
    table = thing(1, (0, 0, 0.37), (1.2, 0.8, 0.74))
    mug = thing(2, (0.2, 0.1, 0.8), (0.1, 0.1, 0.1))
    shelf = thing(3, (5, 0, 1.0), (0.3, 1.0, 2.0))
    book = thing(4, (5.02, 0.2, 1.1), (0.2, 0.05, 0.25))
    chair = thing(5, (0, 0.8, 0.45), (0.4, 0.4, 0.9))

    found = standings(
        [table, mug, shelf, book, chair, thing(6, (0, 0, 1), None)], touch_m=0.1, beside_m=0.5
    )

    said = {(s.entity_id, s.relation, s.other_id) for s in found}
    assert said == {
        (2, Relation.ON, 1),
        (4, Relation.IN, 3),
        (2, Relation.NEAR, 5),
        (5, Relation.NEAR, 2),
        (1, Relation.NEAR, 5),
        (5, Relation.NEAR, 1),
    }


@given(st.integers(0, 2**32), st.integers(0, 8))
def test_standings_are_those_of_each_pair_alone(seed, number):
    rng = np.random.default_rng(seed)
    things = [thing(i, rng.uniform(0, 1.5, 3), rng.uniform(0.05, 1.0, 3)) for i in range(number)]

    found = standings(things, touch_m=0.1, beside_m=0.5)

    alone: list[Standing] = []
    for i, a in enumerate(things):
        for b in things[i + 1 :]:
            alone += standings([a, b], touch_m=0.1, beside_m=0.5)
    assert sorted(found, key=str) == sorted(alone, key=str)
    assert all(math.isfinite(s.gap_m) for s in found)


@given(st.integers(0, 2**32), st.integers(2, 8))
def test_a_question_finds_on_and_in_a_thing_what_stands_there(seed, number):
    rng = np.random.default_rng(seed)
    p_map, sizes_m = rng.uniform(0, 0.6, (number, 3)), rng.uniform(0.02, 1.0, (number, 3))
    things = [thing(i, p_map[i], sizes_m[i]) for i in range(number)]

    found = {
        (int(i), relation, j)
        for j, other in enumerate(things)
        for relation in (Relation.ON, Relation.IN)
        for i in np.flatnonzero(
            are_standing(p_map, sizes_m, relation=relation, other=other, touch_m=0.1)
        )
        if i != j
    }

    stood = standings(things, touch_m=0.1, beside_m=0.5)
    assert found == {
        (s.entity_id, s.relation, s.other_id) for s in stood if s.relation is not Relation.NEAR
    }


@pytest.mark.parametrize(
    ("p_map", "on", "in_"),
    [
        ((0, 0, 0.8), True, False),
        ((0.55, 0, 0.8), True, False),  # one look at the edge
        ((0.65, 0, 0.8), False, False),
        ((0, 0, 0.6), True, True),
        ((0, 0, 0.2), False, True),
    ],
)
def test_of_a_place_alone_less_is_asked(p_map, on, in_):
    table = thing(1, (0, 0, 0.37), (1.0, 0.8, 0.74))
    nowhere = np.full((1, 3), np.nan)

    found = [
        bool(are_standing(np.array([p_map]), nowhere, relation=r, other=table, touch_m=0.1)[0])
        for r in (Relation.ON, Relation.IN)
    ]

    assert found == [on, in_]


def test_of_a_table_whose_size_is_not_known_what_is_about_there_is_on_it():
    table, mug = (
        thing(1, (0, 0, 0.7), None),
        np.array([[0.3, 0.2, 0.8], [0.3, 0.2, 0.05], [2, 0, 0.8]]),
    )

    found = are_standing(mug, np.full((3, 3), 0.1), relation=Relation.ON, other=table, touch_m=0.1)

    assert found.tolist() == [True, False, False]


def test_what_is_on_a_thing_is_not_near_it_besides():
    on = standings(
        [thing(1, (0, 0, 0.5), (1, 1, 1)), thing(2, (0, 0, 1.05), (0.1, 0.1, 0.1))],
        touch_m=0.1,
        beside_m=0.5,
    )

    assert [replace(s, gap_m=0.0) for s in on] == [Standing(2, Relation.ON, 1, 0.0)]
