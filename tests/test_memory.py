"""The whole memory: what goes in comes out, and nothing else."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from robomem.config import Config, SpatialConfig, StoreConfig
from robomem.errors import QueryError, Reason, UnreachableError
from robomem.geometry import pose, rotation_from_yaw, transform
from robomem.memory import Memory
from robomem.types import Cursor, Detection, EntityState, EventKind, Observation, Query, QueryKind
from tests.worlds import NS, ball_observation, camera, in_camera, wall_observation


@pytest.fixture
def memory(tmp_path):
    with Memory.open(
        tmp_path / "a.rmem", config=Config(store=StoreConfig(sync="normal"))
    ) as memory:
        yield memory


def look(memory, start_s, balls, *, seconds=2, **options):
    for step in range(5 * seconds):
        assert memory.observe(ball_observation(start_s * NS + step * NS // 5, balls, **options))


# ---- what is kept -------------------------------------------------------------------------------


def test_half_close_reopen_and_rest_equals_all_at_once(tmp_path):
    config = Config(store=StoreConfig(checkpoint_observations=7))
    with Memory.open(tmp_path / "whole.rmem", config=config) as memory:
        for step in range(30):
            memory.observe(wall_observation(step))
        whole = memory.content_hash

    for part in (range(17), range(17, 30)):
        with Memory.open(tmp_path / "halves.rmem", config=config) as memory:
            for step in part:
                memory.observe(wall_observation(step))

    with Memory.open(tmp_path / "halves.rmem", "r") as memory:
        assert memory.content_hash == whole


def test_the_hash_does_not_depend_on_the_process(tmp_path):
    script = (
        "import sys; from robomem.memory import Memory; from tests.worlds import ball_observation\n"
        "with Memory.open(sys.argv[1]) as memory:\n"
        "    for i in range(12):\n"
        "        memory.observe(ball_observation(i * 10**9, {'red ball': (2, 0, 1), 'cup': (3, 1, 1)}))\n"
        "    print(memory.content_hash)\n"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / f"{seed}.rmem")],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "77")
    }

    assert len(hashes) == 1


def test_another_map_is_another_hash(tmp_path):
    hashes = set()
    for wall_x in (3.0, 3.2):
        with Memory.open(tmp_path / f"{wall_x}.rmem") as memory:
            memory.observe(wall_observation(0, wall_x=wall_x))
            hashes.add(memory.content_hash)

    assert len(hashes) == 2


def test_keyframes_follow_the_motion(memory):
    receipts = [memory.observe(wall_observation(step)) for step in range(21)]

    assert [i for i, r in enumerate(receipts) if r.is_new_keyframe] == [0, 5, 10, 15, 20]
    assert memory.info().path_length_m == pytest.approx(2.0)
    assert [k.until_ns - k.stamp_ns for k in memory.keyframes()[:2]] == [4 * NS // 5] * 2


def test_a_keyframe_keeps_what_the_camera_saw(memory):
    observation = wall_observation(3)
    memory.observe(observation)
    memory.observe(Observation(stamp_ns=30 * NS, T_map_cam=camera(x=9.0)))

    seen, blind = memory.keyframes()

    np.testing.assert_allclose(memory.depth(seen), observation.depth_m, atol=0.001)
    np.testing.assert_allclose(memory.color(seen), observation.color, atol=3)  # JPEG
    assert memory.depth(blind) is None
    assert memory.color(blind) is None


def test_odometry_with_extrinsics_places_the_camera(memory):
    T_odom_base = pose(rotation_from_yaw(0.5), [1.0, 2.0, 0.0])
    T_base_cam = camera(z=0.8)

    memory.observe(Observation(stamp_ns=1, T_odom_base=T_odom_base, T_base_cam=T_base_cam))

    np.testing.assert_allclose(memory.keyframes()[0].T_map_kf, T_odom_base @ T_base_cam)


def test_odometry_measures_the_path_when_map_jumps(memory):
    for step in range(11):
        T_odom_base = pose(np.eye(3), [0.1 * step, 0, 0])
        T_map_odom = pose(np.eye(3), [0.3 * (step % 2), 0, 0])
        memory.observe(
            Observation(stamp_ns=step, T_map_cam=T_map_odom @ T_odom_base, T_odom_base=T_odom_base)
        )

    assert memory.info().path_length_m == pytest.approx(1.0)


def test_a_cursor_is_kept_with_its_observation(memory):
    assert memory.position("bag") == 0

    memory.observe(wall_observation(0), cursor=Cursor("bag", 0))
    memory.reject(Reason.MESSAGE_CORRUPT, cursor=Cursor("bag", 1))

    assert memory.position("bag") == 2
    assert memory.position("other") == 0


# ---- what is turned away ------------------------------------------------------------------------


def test_time_that_goes_backwards_is_rejected_and_counted(memory):
    memory.observe(wall_observation(50))
    before = memory.content_hash

    receipt = memory.observe(wall_observation(0))

    assert not receipt
    assert receipt.rejected is Reason.STAMP_BACKWARDS
    assert memory.info().rejections == {"stamp_backwards": 1}
    assert memory.content_hash == before


def test_one_corrupt_stamp_does_not_stop_time(memory):
    memory.observe(wall_observation(0))

    corrupt = memory.observe(Observation(stamp_ns=2**62, T_map_cam=camera()))
    later = memory.observe(wall_observation(5))

    assert corrupt.rejected is Reason.STAMP_JUMP
    assert later


def test_a_robot_switched_off_for_a_year_goes_on(memory):
    year_ns = 365 * 86400 * NS
    memory.observe(Observation(stamp_ns=0, T_map_cam=camera()))

    receipts = [
        memory.observe(Observation(stamp_ns=year_ns + i, T_map_cam=camera())) for i in range(3)
    ]

    assert [bool(r) for r in receipts] == [False, True, True]


def test_sources_have_clocks_of_their_own(memory):
    memory.observe(wall_observation(50))

    assert memory.observe(Observation(stamp_ns=3, source="yesterday.mcap", T_map_cam=camera()))


def test_a_pose_far_out_is_rejected(memory):
    receipt = memory.observe(Observation(stamp_ns=1, T_map_cam=camera(x=1e9)))

    assert receipt.rejected is Reason.OUT_OF_BOUNDS


# ---- things -------------------------------------------------------------------------------------


def test_a_thing_is_believed_in_after_three_sightings(memory):
    for step in range(3):
        assert len(memory.entities()) == 0
        memory.observe(ball_observation(step * NS, {"red ball": (2, 0, 1)}))

    (entity,) = memory.entities()
    assert entity.label == "red ball"
    assert entity.sightings == 3
    np.testing.assert_allclose(entity.p_map, [2, 0, 1], atol=1e-6)


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**63])
def test_a_number_too_large_for_an_id_is_of_nothing(memory, number):
    forgotten = memory.forget([number], event_ids=[number], experience_ids=[number])

    assert forgotten == 0
    with pytest.raises(QueryError, match="no keyframe"):
        memory.correct({number: np.eye(4)})


def test_a_false_alarm_is_forgotten(memory):
    for step in range(4):
        memory.observe(ball_observation(step * 61 * NS, {"ghost": (2, 0.6 * step - 1, 1)}))

    assert memory.entities() == []
    assert memory._records.entities.count() == 1


def test_a_box_is_lifted_by_the_depth_inside_it(memory):
    for step in range(3):
        plain = ball_observation(step * NS, {"red ball": (2, 0.3, 1)})
        box = Detection(label="red ball", box_px=(20, 20, 40, 40))
        u_px = 39.5 + 60 * -0.3 / 1.85
        box = Detection(label="red ball", box_px=(u_px - 4, 25, u_px + 4, 34))
        memory.observe(
            Observation(
                stamp_ns=plain.stamp_ns,
                T_map_cam=plain.T_map_cam,
                depth_m=plain.depth_m,
                K=plain.K,
                detections=(box,),
            )
        )

    np.testing.assert_allclose(memory.entities()[0].p_map, [1.85, 0.3, 1.0], atol=0.05)


def test_the_map_keeps_what_things_look_like(tmp_path):
    config = Config(spatial=SpatialConfig(keep_embeddings=True))
    red, green, odd = np.eye(4, dtype=np.float32)[0], np.eye(4, dtype=np.float32)[1], np.ones(3)
    for part in (range(4), range(4, 8)):
        with Memory.open(tmp_path / "a.rmem", config=config) as memory:
            for step in part:
                seen = wall_observation(step)
                boxes = ((5, 20, 15, 40), red), ((60, 20, 70, 40), green), ((30, 20, 40, 30), odd)
                detections = [Detection(label="poster", box_px=b, embedding=e) for b, e in boxes]
                memory.observe(replace(seen, detections=tuple(detections)))
                if step == 5:
                    memory.checkpoint()

    with Memory.open(tmp_path / "a.rmem", "r") as memory:
        found = {name: memory.map.similar(e) for name, e in (("red", red), ("green", green))}
        rejections = memory.info().rejections

    # Left in the image is +y in map; the camera drives 0.7 m that way.
    assert 1.2 < found["red"][:, 1].min() < found["red"][:, 1].max() < 2.4
    assert -1.6 < found["green"][:, 1].min() < found["green"][:, 1].max() < -0.4
    assert (np.abs(found["red"][:, 0] - 3) < 0.06).all()
    assert rejections == {Reason.EMBEDDING_SIZE: 8}


def test_two_things_of_one_name_stay_two(memory):
    look(memory, 0, {"chair": (2, 0.7, 1)}, seconds=1)
    for step in range(10):
        T = camera()
        detections = [Detection(label="chair", p_cam=in_camera(T, (2, y, 1))) for y in (0.7, -0.7)]
        memory.observe(
            Observation(stamp_ns=(5 + step) * NS, T_map_cam=T, detections=tuple(detections))
        )

    assert len(memory.entities()) == 2


def test_a_thing_seen_through_is_missing_and_then_found_moved(memory):
    look(memory, 0, {"red ball": (2, 0.5, 1)})
    look(memory, 10, {})

    (entity,) = memory.entities()
    assert entity.state is EntityState.MISSING
    look(memory, 20, {"red ball": (2.5, -1.0, 1)})

    (entity,) = memory.entities()
    assert entity.state is EntityState.PRESENT
    np.testing.assert_allclose(entity.p_map, [2.5, -1.0, 1], atol=1e-6)
    kinds = [event.kind for event in memory.events()]
    assert kinds == [EventKind.SEEN, EventKind.MISSING, EventKind.MOVED]
    np.testing.assert_allclose(memory.events()[2].p_from_map, [2, 0.5, 1], atol=1e-6)


def test_a_thing_found_elsewhere_before_its_old_place_was_looked_at_moved_too(memory):
    away = camera(yaw_rad=-1.2)
    look(memory, 0, {})
    look(memory, 5, {}, T_map_cam=away, wall_x=2.0)
    look(memory, 10, {"red ball": (2, 0.5, 1)})
    look(memory, 20, {"red ball": (0.7, -1.5, 1)}, T_map_cam=away, wall_x=2.0)
    assert len(memory.entities()) == 2

    look(memory, 30, {})

    (entity,) = memory.entities()
    np.testing.assert_allclose(entity.p_map, [0.7, -1.5, 1], atol=1e-6)
    moved = [event for event in memory.events() if event.kind is EventKind.MOVED]
    assert [event.stamp_ns for event in moved] == [20 * NS]
    assert {event.entity_id for event in memory.events()} == {entity.entity_id}


def test_an_occluded_thing_is_not_missing(memory):
    look(memory, 0, {"red ball": (3, 0, 1)})

    look(memory, 10, {"box": (2, 0, 1)}, size_m=0.6)

    assert {e.label: e.state for e in memory.entities()} == {
        "red ball": EntityState.PRESENT,
        "box": EntityState.PRESENT,
    }


def test_a_thing_appears_only_where_there_was_free_space(memory):
    look(memory, 0, {"old ball": (2, 0.5, 1)})
    look(memory, 10, {"old ball": (2, 0.5, 1), "new ball": (2, -0.5, 1)})

    kinds = {event.label: event.kind for event in memory.events()}
    assert kinds == {"old ball": EventKind.SEEN, "new ball": EventKind.APPEARED}


def test_a_long_pause_begins_another_sighting(memory):
    look(memory, 0, {"red ball": (2, 0, 1)})
    look(memory, 3600, {"red ball": (2, 0, 1)})

    spans = [(event.stamp_ns, event.until_ns) for event in memory.events()]
    assert spans == [(0, 9 * NS // 5), (3600 * NS, 3600 * NS + 9 * NS // 5)]


# ---- recall -------------------------------------------------------------------------------------


def test_recall_finds_by_word_place_and_time(memory):
    look(memory, 0, {"red ball": (2, 0.8, 1), "blue ball": (2, -0.8, 1), "cup": (3, 0, 1.2)})
    look(memory, 100, {"red ball": (2, 0.8, 1), "cup": (3, 0, 1.2)}, is_detected=True)

    def labels(**fields):
        return [hit.entity.label for hit in memory.recall(Query(**fields))]

    assert set(labels(label="balls")) == {"red ball", "blue ball"}
    assert labels(label="the cup") == ["cup"]
    assert labels(label="ball red") == ["red ball"]
    assert labels(label="unicorn") == []
    assert labels(near_map=(2, 0.8), radius_m=0.5) == ["red ball"]
    assert labels(label="ball", since_ns=50 * NS) == ["red ball"]
    assert labels(kind=QueryKind.NEAR, label="cup", radius_m=1.5) == ["red ball"]
    assert [
        h.value if hasattr(h, "value") else 1 for h in memory.recall(Query(kind=QueryKind.COUNT))
    ]


def test_a_shorter_recall_is_the_beginning_of_a_longer_one(memory):
    look(memory, 0, {"red ball": (2, 0.8, 1), "blue ball": (2, -0.8, 1), "ball": (3, 0, 1.2)})

    for kind in (k for k in QueryKind if k is not QueryKind.COUNT):
        longer = memory.recall(Query(kind=kind, near_map=(0, 0), radius_m=9.0, limit=9))
        for limit in range(1, 9):
            shorter = memory.recall(Query(kind=kind, near_map=(0, 0), radius_m=9.0, limit=limit))
            assert [h.evidence.text for h in shorter] == [h.evidence.text for h in longer[:limit]]


def test_where_it_was_then_is_not_where_it_is_now(memory):
    look(memory, 0, {"red ball": (2, 0.5, 1)})
    look(memory, 10, {})
    look(memory, 20, {"red ball": (2.5, -1.0, 1)})

    (then,) = memory.recall(Query(label="red ball", until_ns=9 * NS))
    (now,) = memory.recall(Query(label="red ball"))

    np.testing.assert_allclose(then.evidence.p_map, [2, 0.5, 1], atol=1e-6)
    assert then.evidence.stamp_ns == 9 * NS // 5
    np.testing.assert_allclose(now.evidence.p_map, [2.5, -1.0, 1], atol=1e-6)


def test_what_was_told_is_found_by_its_words(memory):
    for i, text in enumerate(
        ["the keys are in the box", "the mail came", 'a "quoted* word OR not']
    ):
        memory.observe(Observation(stamp_ns=i, text=text))

    def told(words):
        return [h.event.text for h in memory.recall(Query(kind=QueryKind.TOLD, text=words))]

    assert told("key") == ["the keys are in the box"]
    assert told("keys box") == ["the keys are in the box"]
    assert told('quoted* "') == ['a "quoted* word OR not']
    assert told("unicorn") == []
    assert len(told(None)) == 3


def test_a_missing_thing_says_when_it_was_missed(memory):
    look(memory, 0, {"red ball": (2, 0.5, 1)})
    look(memory, 10, {})

    (hit,) = memory.recall(Query(label="ball"))
    answer = memory.ask("how many balls are there?")

    assert hit.event.kind is EventKind.MISSING
    assert hit.event.stamp_ns >= 10 * NS
    assert answer.value == 0
    assert "gone" in answer.text
    assert "gone" in memory.ask("where is the red ball?").text


def test_what_is_near_a_thing_may_have_its_name(memory):
    look(memory, 0, {"chair": (2, 0.5, 1)})
    look(memory, 10, {"chair": (2, 0.5, 1), "high chair": (2, -0.5, 1)})

    hits = memory.recall(Query(kind=QueryKind.NEAR, label="chair"))

    assert [hit.entity.label for hit in hits] == ["high chair"]
    assert hits[0].score == pytest.approx(0.5)


def test_changes_are_told_newest_first(memory):
    look(memory, 0, {})
    look(memory, 10, {"cup": (2, 0.5, 1)})
    look(memory, 20, {"cup": (2, 0.5, 1), "red ball": (2, -0.5, 1)})

    hits = memory.recall(Query(kind=QueryKind.CHANGES, since_ns=5 * NS))

    assert [hit.event.text for hit in hits] == ["red ball appeared", "cup appeared"]
    assert (
        memory.recall(Query(kind=QueryKind.CHANGES, since_ns=15 * NS))[0].event.label == "red ball"
    )


def test_a_visit_lasts_as_long_as_the_robot_stayed(memory):
    for step in range(20):
        memory.observe(Observation(stamp_ns=step * NS, T_map_cam=camera(x=5.0)))
    memory.observe(Observation(stamp_ns=30 * NS, T_map_cam=camera(x=50.0)))

    hits = memory.recall(Query(kind=QueryKind.VISITED, near_map=(5, 0), radius_m=1.0))

    assert len(hits) == 1
    assert hits[0].evidence.stamp_ns == 19 * NS
    assert hits[0].evidence.text == "was there for 19 s, 0.00 m away at the nearest"
    assert memory.recall(Query(kind=QueryKind.VISITED, near_map=(20, 0), radius_m=1.0)) == []


def test_a_move_of_the_world_moves_every_answer(tmp_path):
    T = pose(rotation_from_yaw(0.7), [10.0, -3.0, 0.5])
    answers = []
    for name, T_move in (("here", np.eye(4)), ("there", T)):
        with Memory.open(tmp_path / f"{name}.rmem") as memory:
            for step in range(6):
                o = ball_observation(step * NS, {"red ball": (2, 0.5, 1), "cup": (3, -1, 1)})
                memory.observe(
                    Observation(
                        stamp_ns=o.stamp_ns,
                        T_map_cam=T_move @ o.T_map_cam,
                        depth_m=o.depth_m,
                        K=o.K,
                        detections=o.detections,
                    )
                )
            answers.append([hit.evidence.p_map for hit in memory.recall(Query())])

    np.testing.assert_allclose(transform(T, answers[0]), answers[1], atol=1e-9)


# ---- act and forget -----------------------------------------------------------------------------


def test_a_route_leads_through_what_was_seen_to_be_free(memory):
    for step in range(31):
        memory.observe(
            ball_observation(step * NS, {}, T_map_cam=camera(x=-2.0, yaw_rad=0.2 * step))
        )

    path = memory.route((-2.0, 0.0, 0.0), (0.5, 0.3), radius_m=0.2)

    assert path.shape[1] == 3
    np.testing.assert_allclose(path[-1, :2], [0.5, 0.3], atol=0.06)
    with pytest.raises(UnreachableError):
        memory.route((-2.0, 0.0, 0.0), (40.0, 0.0))
    with pytest.raises(UnreachableError):
        memory.route((-2.0, 0.0, 0.0), (0.5, 0.3), radius_m=1e6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_map": (np.nan, 0, 0)},
        {"start_map": (0, 0, np.nan)},
        {"start_map": (0, 0, 1e300)},
        {"start_map": (0, 0)},
        {"goal_map": (1,)},
        {"goal_map": (np.inf, 0)},
        {"radius_m": np.nan},
        {"radius_m": -1.0},
        {"standoff_m": -0.1},
    ],
)
def test_a_route_of_wrong_numbers_is_refused(memory, wrong):
    memory.observe(ball_observation(0, {}))
    good = {"start_map": (0, 0, 0), "goal_map": (1, 0), "radius_m": 0.2, "standoff_m": 0.0}

    with pytest.raises(QueryError):
        memory.route(**(good | wrong))


@pytest.mark.parametrize("floor_m", [np.nan, 1e300])
def test_a_floor_outside_of_the_map_is_refused(memory, floor_m):
    with pytest.raises(QueryError, match="height"):
        memory.floor(floor_m)


@pytest.mark.parametrize("now_ns", [10**30, -(10**30)])
def test_a_now_that_no_stamp_can_be_is_refused(memory, now_ns):
    with pytest.raises(QueryError, match="out of range"):
        memory.ask("where was the cup yesterday?", now_ns=now_ns)


def test_forgotten_is_gone_from_every_file(tmp_path):
    path = tmp_path / "a.rmem"
    with Memory.open(path) as memory:
        look(memory, 0, {"secret thing": (2, 0.5, 1), "cup": (2, -0.8, 1)})
        secret = next(e for e in memory.entities() if e.label == "secret thing")
        images = [f for f in (path / "images").rglob("*") if f.is_file()]
        assert images

        assert memory.forget([secret.entity_id, 999, secret.entity_id]) == 1

        assert [e.label for e in memory.entities()] == ["cup"]
        assert not any("secret" in event.text for event in memory.events())
        assert not [f for f in (path / "images").rglob("*") if f.is_file()]
        look(memory, 100, {"cup": (2, -0.8, 1)})

    for file in path.rglob("*"):
        assert not file.is_file() or b"secret" not in file.read_bytes()


def test_ids_are_never_given_twice(memory):
    look(memory, 0, {"cup": (2, -0.8, 1)})
    (old,) = memory.entities()
    memory.forget([old.entity_id])

    look(memory, 100, {"cup": (2, -0.8, 1)})

    (new,) = memory.entities()
    assert new.entity_id > old.entity_id


def test_what_was_told_can_be_forgotten(tmp_path):
    path = tmp_path / "a.rmem"
    with Memory.open(path) as memory:
        memory.observe(Observation(stamp_ns=1, text="the password is swordfish"))
        memory.observe(Observation(stamp_ns=2, text="the mail came"))
        (hit,) = memory.recall(Query(kind=QueryKind.TOLD, text="password"))

        assert memory.forget(event_ids=[hit.event.event_id]) == 1

        assert [event.text for event in memory.events()] == ["the mail came"]
        assert memory.recall(Query(kind=QueryKind.TOLD, text="swordfish")) == []
    for file in path.rglob("*"):
        assert not file.is_file() or b"swordfish" not in file.read_bytes()


def test_an_erasure_that_was_interrupted_is_finished_when_it_reopens(tmp_path, monkeypatch):
    path = tmp_path / "a.rmem"
    memory = Memory.open(path)
    look(memory, 0, {"secret thing": (2, 0.5, 1)})
    monkeypatch.setattr(
        memory._forgetter, "finish", lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        memory.forget([e.entity_id for e in memory.entities()])
    memory.close()
    assert list((path / "images").rglob("*.png"))

    Memory.open(path).close()

    assert not list((path / "images").rglob("*.png"))
    for file in path.rglob("*"):
        assert not file.is_file() or b"secret" not in file.read_bytes()


def test_what_was_forgotten_stays_so_when_the_disk_fails_to_erase(memory, monkeypatch):
    look(memory, 0, {"secret thing": (2, 0.5, 1)})
    (secret,) = memory.entities()
    with monkeypatch.context() as patch:
        full = OSError("disk full")
        patch.setattr(memory._forgetter, "finish", lambda: (_ for _ in ()).throw(full))
        with pytest.raises(OSError, match="disk full"):
            memory.forget([secret.entity_id])

    look(memory, 10, {"secret thing": (2, 0.5, 1)})

    (seen_since,) = memory.entities()
    assert seen_since.entity_id != secret.entity_id
    assert seen_since.first_seen_ns >= 10 * NS


def test_an_interrupt_after_the_commit_loses_no_scan(tmp_path, monkeypatch):
    with Memory.open(tmp_path / "a.rmem") as memory:
        memory.observe(wall_observation(0))
        monkeypatch.setattr(memory, "_advance", lambda _: None)
        with monkeypatch.context() as patch:
            patch.setattr(memory._map, "refresh", lambda: None)  # died before it caught up
            memory.observe(wall_observation(1))
        memory.observe(wall_observation(2))
        digest = memory.map.digest()
    with Memory.open(tmp_path / "b.rmem") as memory:
        for step in range(3):
            memory.observe(wall_observation(step))
        assert memory.map.digest() == digest
