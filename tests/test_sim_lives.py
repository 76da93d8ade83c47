"""Generated lives: the same for the same seed, true to themselves, and such that a memory can take them in."""

from itertools import pairwise

import numpy as np
import pytest
from robomem_sim.lives import Asked, ConceptEncoder, Look, Words, ask_about, live
from robomem_sim.lives.depth import K, render
from robomem_sim.lives.home import ABSENT, THINGS
from robomem_sim.lives.knowable import SURE_LOOKS, has_changed, is_known_here, is_missed
from robomem_sim.lives.living import remember
from robomem_sim.lives.moments import T_BASE_CAM, base_at
from robomem_sim.lives.talk import MISTAKEN, holds

from robomem.config import Config, SpatialConfig, StoreConfig
from robomem.geometry import back_project, inverse, project, transform
from robomem.memory import Memory
from robomem.types import LOGGED, EventKind


@pytest.fixture(scope="module")
def week():
    return live(5, days=7.0)


def told_of(life):
    return [
        (type(m).__name__, m.stamp_ns, getattr(m, "text", ""), m.T_map_base.tobytes())
        for m in life.moments
    ]


def test_a_life_is_its_seed():
    assert told_of(live(3)) == told_of(live(3))
    assert told_of(live(3)) != told_of(live(4))


def test_moments_are_in_order_and_no_two_at_once(week):
    stamps = [moment.stamp_ns for moment in week.moments]

    assert (np.diff(stamps) > 0).all()


def test_a_thing_is_somewhere_at_every_moment_and_apart_from_others(week):
    for thing in week.home.things:
        stays = week.world.stays(thing.thing_id)

        assert stays[0].since_ns == week.world.start_ns
        assert stays[-1].until_ns == week.world.end_ns
        assert all(a.until_ns == b.since_ns for a, b in pairwise(stays))
        assert all(s.spot is None or s.spot.name in thing.spots for s in stays)


def test_a_detection_is_near_where_the_thing_truly_is(week):
    off_m = [
        np.linalg.norm(
            transform(look.T_map_cam, seen.p_cam)
            - week.world.stay(seen.thing_id, look.stamp_ns).p_map
        )
        for look in week.looks()
        for seen in look.seen
        if seen.thing_id is not None
    ]

    assert np.max(off_m) < 0.3
    assert 0.05 < np.mean(off_m) < 0.08  # sqrt(8 / pi) of 4 cm


def test_every_glimpse_was_a_detection(week):
    seen = {
        (s.thing_id, look.stamp_ns)
        for look in week.looks()
        for s in look.seen
        if s.thing_id is not None
    }

    assert {(g.thing_id, g.stamp_ns) for g in week.glimpses} == seen


def test_what_is_told_is_true_but_for_honest_mistakes(week):
    wrong = [told for told in week.told if not told.is_true]

    assert len(week.told) > 50
    assert len(wrong) / len(week.told) == pytest.approx(MISTAKEN, abs=0.1)
    for told in week.told:
        if told.claim.relation == "is on":
            thing = next(t for t in week.home.things if t.label == told.claim.subject)
            spot = week.world.stay(thing.thing_id, told.stamp_ns).spot
            assert told.is_true == (spot.name == told.claim.object)
        else:
            assert told.is_true == (told.claim in week.claims)
            assert holds(told.claim, told.stamp_ns)


def test_segments_follow_each_other_while_the_robot_is_awake(week):
    for a, b in pairwise(week.segments):
        assert a.start_ns < a.end_ns
        assert b.start_ns == a.end_ns or b.start_ns - a.end_ns > 8 * 3600e9


def test_what_nobody_has_is_never_mentioned(week):
    assert not set(ABSENT) & {label for label, *_ in THINGS}
    assert not any(word in w.text for w in week.words() for word in ABSENT)


def test_what_means_the_same_is_near_and_what_does_not_is_far():
    encoder = ConceptEncoder(0)
    asked = encoder.encode("where is the red mug?")

    same = float(asked @ encoder.encode("a red cup on the desk"))
    kind = float(asked @ encoder.encode("a blue cup on the desk"))
    other = float(asked @ encoder.encode("Ada is watching television"))
    views = [encoder.look("red mug", 1, view) for view in (1, 2)]
    twin = encoder.look("red mug", 2, 3)
    assert same > kind > other + 0.1
    assert abs(np.linalg.norm(asked) - 1) < 1e-5
    assert views[0] @ views[1] > views[0] @ twin + 0.2


def test_a_memory_takes_a_life_in(tmp_path):
    life = live(1, days=0.35)
    encoder = ConceptEncoder(0)

    with Memory.open(tmp_path / "life.rmem") as memory:
        remember(memory, life.moments, encoder=encoder)
        labels = {entity.label for entity in memory.entities()}
        told = [event.text for event in memory.events() if event.kind in LOGGED]
        rejected = memory.info().rejections

    assert rejected == {}
    assert told == [words.text for words in life.words()]
    assert len(labels & {thing.label for thing in life.home.things}) > 20


def test_words_say_who_and_where(week):
    told = [w for w in week.words() if w.voice is EventKind.TOLD]

    assert {w.source for w in told} <= set(week.home.people)
    assert all(w.source == "robot" for w in week.words() if w.voice is not EventKind.TOLD)
    assert all(week.home.room(m.room) for m in week.moments if isinstance(m, Look | Words))


def test_there_are_questions_of_every_kind_with_answers_but_for_what_never_was(week):
    questions = ask_about(week, np.random.default_rng(0), each=4)

    assert {q.asked for q in questions} == set(Asked)
    assert len({q.words for q in questions}) == len(questions)
    assert all((q.right is None) == (q.asked is Asked.NOTHING) for q in questions)


def test_questions_are_the_same_for_the_same_seed(week):
    drawn = [[q.words for q in ask_about(week, np.random.default_rng(7), each=3)] for _ in range(2)]

    assert drawn[0] == drawn[1]


def test_the_answer_to_where_is_the_place_of_the_last_detection(week):
    for question in ask_about(week, np.random.default_rng(1), each=10, kinds=[Asked.WHERE]):
        seen_map = [
            transform(look.T_map_cam, seen.p_cam)
            for look in week.looks()
            for seen in look.seen
            if seen.label == question.about and seen.thing_id is not None
        ]

        assert np.linalg.norm(seen_map[-1] - question.right.p_map) < 0.3


def test_depth_ends_at_a_thing_in_view_or_at_what_hides_it(week):
    off_m = []
    for look in list(week.looks())[::40]:
        depth_m = look.depth_m()
        for seen in look.seen:
            if seen.thing_id is None:
                continue
            p_map = week.world.stay(seen.thing_id, look.stamp_ns).p_map
            p_cam = transform(inverse(look.T_map_cam), p_map)
            u, v = np.rint(project(p_cam[None], K)[0]).astype(int)
            if 0 <= u < depth_m.shape[1] and 0 <= v < depth_m.shape[0]:
                off_m.append(p_cam[2] - depth_m[v, u])

    assert len(off_m) > 50
    assert np.quantile(off_m, 0.02) > -0.2  # a pixel at a thing's rim sees past it
    assert 0.0 < np.median(off_m) < 0.15  # its face is before its middle


def test_rays_end_at_the_walls_or_go_through_a_door(week):
    home = week.home
    for room in home.rooms:
        T_map_cam = base_at(*room.centre_map, 0.3) @ T_BASE_CAM

        depth_m = render(home, room, np.empty((0, 2, 3)), T_map_cam, seed=0)

        p_map = transform(T_map_cam, back_project(depth_m, K).reshape(-1, 3))
        x_min, y_min = (min(getattr(r, side) for r in home.rooms) for side in ("x_min", "y_min"))
        assert np.isfinite(depth_m).all()
        assert (p_map[:, :2] > [x_min - 0.2, y_min - 0.2]).all()
        assert (abs(p_map[:, 2] - 1.25) < 1.4).all()


def test_a_memory_with_depth_finds_the_rooms_and_what_is_gone(tmp_path):
    life = live(0, days=0.5)
    config = Config(spatial=SpatialConfig(voxel_size_m=0.1), store=StoreConfig(sync="normal"))

    with Memory.open(tmp_path / "life.rmem", config=config) as memory:
        remember(memory, life.moments, has_depth=True)
        names = {room.name for room in memory.rooms()}
        kinds = {event.kind for event in memory.events()}

    assert {room.name for room in life.home.rooms} <= names
    assert EventKind.MISSING in kinds


def test_a_place_was_looked_at_where_a_detector_could_have_seen_a_thing(week):
    for glimpse in week.glimpses[:: max(1, len(week.glimpses) // 50)]:
        looks = week.gazes.stamps(
            glimpse.p_map,
            glimpse.room,
            since_ns=glimpse.stamp_ns,
            until_ns=glimpse.stamp_ns + 1,
        )

        assert looks.tolist() == [glimpse.stamp_ns]


def test_what_is_seen_where_nobody_looked_before_is_no_change(week):
    first = {g.thing_id: g for g in reversed(week.glimpses)}
    changed = {
        glimpse: has_changed(
            week, week.home.things[i], since_ns=glimpse.stamp_ns - 1, room=glimpse.room
        )
        for i, glimpse in first.items()
        if len(week.glimpses_of([i])) == 1 or week.home.things[i].moves_a_day == 0
    }

    looked = {g: len(week.gazes.stamps(g.p_map, g.room, until_ns=g.stamp_ns)) for g in changed}
    assert changed
    assert not any(is_so and looked[g] < SURE_LOOKS for g, is_so in changed.items())


def test_a_thing_that_left_unseen_is_known_to_be_gone_after_so_many_looks(week):
    for thing in week.home.things:
        last = week.last_glimpse(thing.thing_id)
        if last is None:
            continue
        left_ns = week.world.stay(thing.thing_id, last.stamp_ns).until_ns
        looks = week.gazes.stamps(last.p_map, last.room, since_ns=left_ns, until_ns=week.end_ns + 1)

        is_here = is_known_here(week, thing)

        assert is_here is (True if not len(looks) else None if len(looks) < SURE_LOOKS else False)
        assert is_missed(week, last) == (is_here is False)
