"""Things through the whole memory: what they look like, what became of them, and that forgotten is gone."""

from dataclasses import replace

import numpy as np
import pytest

from robomem.checks import checked_embedding
from robomem.errors import Reason
from robomem.memory import Memory
from robomem.query import Relation
from robomem.types import EntityState, EventKind
from tests.worlds import NS, ball_observation, camera

SECRET_LOOKS = checked_embedding(np.arange(1, 17))
AWAY = camera(yaw_rad=-1.2)


@pytest.fixture
def memory(tmp_path):
    with Memory.open(tmp_path / "test.rmem") as memory:
        yield memory


def look(memory, start_s, balls, *, looks=SECRET_LOOKS, **options):
    for step in range(10):
        seen = ball_observation(start_s * NS + step * NS // 5, balls, **options)
        detections = tuple(replace(d, embedding=looks) for d in seen.detections)
        assert memory.observe(replace(seen, detections=detections))


def carry_secret_thing(memory):
    """Let a thing be seen, then elsewhere, and its first place empty after that; returns its two ids."""
    look(memory, 0, {"secret thing": (2, 0.5, 1)})
    look(memory, 20, {"secret thing": (0.7, -1.5, 1)}, T_map_cam=AWAY, wall_x=2.0)
    ids = [entity.entity_id for entity in memory.entities()]
    look(memory, 30, {})
    return ids


def test_a_thing_that_moved_is_known_by_its_looks_where_nothing_was_seen_before(memory):
    old_id, _ = carry_secret_thing(memory)

    (thing,) = memory.entities()
    assert (thing.entity_id, thing.state) == (old_id, EntityState.PRESENT)
    np.testing.assert_allclose(thing.p_map, [0.7, -1.5, 1], atol=1e-6)
    assert [e.kind for e in memory.events()] == [EventKind.SEEN, EventKind.MOVED]


def test_without_looks_it_may_have_been_there_all_along(memory):
    look(memory, 0, {"thing": (2, 0.5, 1)}, looks=None)
    look(memory, 20, {"thing": (0.7, -1.5, 1)}, T_map_cam=AWAY, wall_x=2.0, looks=None)
    look(memory, 30, {}, looks=None)

    states = [entity.state for entity in memory.entities()]
    assert states == [EntityState.MISSING, EntityState.PRESENT]


def test_facts_follow_a_thing_that_turned_out_to_be_another(memory):
    look(memory, 0, {"secret thing": (2, 0.5, 1)})
    look(memory, 20, {"secret thing": (0.7, -1.5, 1)}, T_map_cam=AWAY, wall_x=2.0)
    old_id, new_id = (entity.entity_id for entity in memory.entities())
    memory.facts.learn(f"entity:{new_id}", "owner", "anna", stamp_ns=22 * NS)

    look(memory, 30, {})

    (fact,) = memory.facts.about(f"entity:{old_id}")
    assert fact.object == "anna"


@pytest.mark.parametrize("which", [0, 1])
def test_forgotten_by_either_name_is_gone_from_every_file(tmp_path, which):
    path = tmp_path / "a.rmem"
    with Memory.open(path) as memory:
        ids = carry_secret_thing(memory)

        assert memory.forget([ids[which]]) == 1

        assert memory.entities() == []

    for file in path.rglob("*"):
        held = file.read_bytes() if file.is_file() else b""
        assert b"secret" not in held
        assert SECRET_LOOKS.tobytes() not in held


def test_what_was_removed_is_told_so(memory):
    look(memory, 0, {"red ball": (2, 0.5, 1)})
    look(memory, 10, {})

    look(memory, 2 * 86400, {})

    (thing,) = memory.entities()
    assert thing.state is EntityState.GONE
    answer = memory.ask("where did I last see the red ball?")
    assert "gone when I looked" in answer.text
    assert "it was removed" in answer.text


def test_a_thing_beside_another_is_near_it(memory):
    look(memory, 0, {"red ball": (2, 0.3, 1), "blue ball": (2, -0.3, 1)})

    found = {(s.entity_id, s.relation, s.other_id) for s in memory.standings()}
    assert found == {(1, Relation.NEAR, 2), (2, Relation.NEAR, 1)}
    assert memory.room_of(memory.entities()[0]) == memory.rooms()[0].name


def test_embeddings_of_another_model_are_counted_and_left_out(memory):
    look(memory, 0, {"red ball": (2, 0.3, 1)})

    look(memory, 10, {"red ball": (2, 0.3, 1)}, looks=checked_embedding(np.ones(8)))

    assert memory.info().rejections == {Reason.EMBEDDING_SIZE: 10}
    (thing,) = memory.entities()
    assert thing.sightings == 20
