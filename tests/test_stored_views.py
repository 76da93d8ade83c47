"""A memory knows which of its keyframes saw a thing, a place, a pose's view."""

import numpy as np
import pytest

from robomem.config import Config, StoreConfig
from robomem.errors import QueryError
from robomem.geometry import pose
from robomem.memory import Memory
from tests.worlds import NS, SHAPE, K, ball_observation, camera

BALLS = {"red ball": (2.0, 0.0, 1.0)}


@pytest.fixture
def memory(tmp_path):
    """Four looks ahead at the ball from places in a row, then four to the other side."""
    with Memory.open(
        tmp_path / "a.rmem", config=Config(store=StoreConfig(sync="normal"))
    ) as memory:
        for step in range(8):
            T_map_cam = camera(y=0.6 * (step % 4) - 0.9, yaw_rad=0.0 if step < 4 else np.pi)
            memory.observe(ball_observation(NS + step * NS, BALLS, T_map_cam=T_map_cam))
        yield memory


def ball(memory):
    (entity,) = memory.entities()
    return entity


def ids(views):
    return [view.keyframe_id for view in views]


def test_a_thing_was_seen_by_the_keyframes_that_looked_at_it(memory):
    assert set(ids(memory.views(of=ball(memory), k=8))) == {1, 2, 3, 4}
    assert set(ids(memory.views(of=(2.0, 0.0, 1.0), k=8))) <= {1, 2, 3, 4}


def test_a_pose_shares_most_with_the_keyframe_that_stood_there(memory):
    assert ids(memory.covisible(camera(y=0.3), K=K, shape=SHAPE, k=1)) == [3]


def test_views_follow_a_correction(memory):
    far = pose(np.eye(3), [10.0, 0, 0])
    before = ids(memory.views(of=ball(memory)))

    memory.correct({k.keyframe_id: far @ k.T_map_kf for k in memory.keyframes()})

    assert ids(memory.views(of=ball(memory))) == before
    assert memory.views(of=(2.0, 0.0, 1.0)) == []


def test_views_are_there_when_the_memory_is_opened_again_and_for_readers(memory):
    before = memory.views(of=ball(memory))

    with Memory.open(memory.path, "r") as reader:
        assert reader.views(of=ball(reader)) == before
        memory.observe(ball_observation(20 * NS, BALLS, T_map_cam=camera(x=1.0)))
        assert ids(reader.views(of=ball(reader), k=8)) == ids(memory.views(of=ball(memory), k=8))


def test_what_is_forgotten_was_seen_by_nobody(memory):
    entity = ball(memory)

    memory.forget([entity.entity_id])

    assert memory.views(of=entity.p_map) == []


@pytest.mark.parametrize("of", [(np.nan, 0, 0), (1, 2), "ball", [[]]])
def test_views_of_nothing_are_refused(memory, of):
    with pytest.raises(QueryError):
        memory.views(of=of)
