"""The now of a live robot: what is near and alike, and hits as tokens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import ConfigError, DataError, FrameError, QueryError
from robomem.geometry import pose, rotation_from_yaw
from robomem.types import Entity, EntityState, Event, EventKind, Evidence, Hit
from robomem.working.recalled import FIXED, hashed_words, held_tokens, recalled_tokens
from robomem.working.short_term import ShortTermMemory

HERE = np.eye(4)


def at(x=0.0, y=0.0, yaw_rad=0.0):
    return pose(rotation_from_yaw(yaw_rad), [x, y, 0.0])


def write(memory, embedding, p_map=(0, 0, 0), *, stamp_s=0.0, keyframe_id=0, T_map_kf=HERE):
    return memory.write(
        embedding, p_map=p_map, keyframe_id=keyframe_id, T_map_kf=T_map_kf, stamp_s=stamp_s
    )


class Twin:
    """The same by the book: a list of dictionaries."""

    def __init__(self, slots, weight):
        self.slots, self.weight, self.entries = slots, weight, {}

    def write(self, embedding, p_map, stamp_s):
        slot = next((s for s in range(self.slots) if s not in self.entries), None)
        if slot is None:
            slot = min(
                self.entries,
                key=lambda s: (
                    self.weight * self.entries[s]["reads"]
                    - (1 - self.weight) * (stamp_s - self.entries[s]["used_s"])
                ),
            )
        unit = embedding / np.linalg.norm(embedding)
        self.entries[slot] = {"e": unit, "p": p_map, "used_s": stamp_s, "reads": 0}
        return slot

    def read(self, query, T_map_base, stamp_s, radius_m, k):
        unit = query / np.linalg.norm(query)
        near = []
        for slot, entry in self.entries.items():
            p_base = np.linalg.inv(T_map_base) @ [*entry["p"], 1.0]
            if np.linalg.norm(p_base[:3]) <= radius_m:
                near.append((-float(np.float32(entry["e"]) @ np.float32(unit)), slot))
        found = [slot for _, slot in sorted(near)[:k]]
        for slot in found:
            self.entries[slot]["reads"] += 1
            self.entries[slot]["used_s"] = stamp_s
        return found


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
@settings(deadline=None, max_examples=60)
def test_it_is_its_brute_force_twin(seed, slots, weight):
    rng = np.random.default_rng(seed)
    memory, twin = ShortTermMemory(4, slots=slots, frequency_weight=weight), Twin(slots, weight)

    for step in range(40):
        embedding, p_map = rng.normal(size=4).round(1) + 0.01, rng.uniform(-3, 3, 3)
        T_kf = at(*rng.uniform(-2, 2, 3))
        assert write(
            memory, embedding, p_map, stamp_s=0.5 * step, keyframe_id=step, T_map_kf=T_kf
        ) == twin.write(embedding, p_map, 0.5 * step)
        T, query = at(*rng.uniform(-2, 2, 3)), rng.normal(size=4)
        found = memory.read(query, T_map_base=T, stamp_s=0.5 * step + 0.1, radius_m=2.5, k=2)
        assert [held.slot for held in found] == twin.read(query, T, 0.5 * step + 0.1, 2.5, 2)


def test_what_is_told_is_in_the_robots_frame():
    memory = ShortTermMemory(2)
    write(memory, [1, 0], (1.0, 2.0, 0.0), stamp_s=5.0)

    (held,) = memory.read([1, 1], T_map_base=at(1.0, 0.0, np.pi / 2), stamp_s=8.0)

    np.testing.assert_allclose(held.p_base, [2.0, 0.0, 0.0], atol=1e-12)
    assert held.age_s == 3.0
    assert held.score == pytest.approx(np.sqrt(0.5))


def test_a_correction_moves_the_entries_of_its_keyframes():
    memory = ShortTermMemory(2)
    write(memory, [1, 0], (1.0, 0.0, 0.0), keyframe_id=1, T_map_kf=at(1.0))
    write(memory, [0, 1], (1.0, 0.0, 0.0), keyframe_id=2, T_map_kf=at(0.5))

    moved = memory.correct({1: at(1.0, 0.0, np.pi / 2) @ at(0.2), 7: at(9.0)})

    first, second = memory.read([1, 0], T_map_base=HERE, stamp_s=0.0)
    assert moved == 1
    np.testing.assert_allclose(first.p_base, [1.0, 0.2, 0.0], atol=1e-12)
    np.testing.assert_allclose(second.p_base, [1.0, 0.0, 0.0], atol=1e-12)


def test_what_is_far_is_not_read():
    memory = ShortTermMemory(2)
    write(memory, [1, 0], (3.1, 0.0, 0.0))

    assert memory.read([1, 0], T_map_base=HERE, stamp_s=0.0) == []
    assert len(memory.read([1, 0], T_map_base=HERE, stamp_s=0.0, near_base=(1.0, 0.0, 0.0))) == 1


@given(st.integers(1, 300))
@settings(deadline=None, max_examples=20)
def test_its_size_is_fixed(writes):
    memory = ShortTermMemory(8)
    before = memory.nbytes

    for step in range(writes):
        write(memory, np.ones(8), stamp_s=float(step))

    assert memory.nbytes == before
    assert len(memory) == min(writes, 128)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"embedding": [1, 2, 3]}, DataError),
        ({"embedding": [0, 0]}, DataError),
        ({"embedding": [np.nan, 0]}, DataError),
        ({"p_map": (0, np.inf, 0)}, DataError),
        ({"T_map_kf": np.zeros((4, 4))}, FrameError),
        ({"stamp_s": np.nan}, DataError),
        ({"keyframe_id": -1}, DataError),
    ],
)
def test_a_wrong_entry_changes_nothing(wrong, error):
    memory = ShortTermMemory(2, slots=1)
    write(memory, [1, 0])

    with pytest.raises(error):
        write(memory, **{"embedding": [0, 1], **wrong})

    (held,) = memory.read([1, 0], T_map_base=HERE, stamp_s=0.0)
    assert held.score == 1.0


def test_a_wrong_question_changes_nothing():
    memory = ShortTermMemory(2)
    write(memory, [1, 0])

    for wrong in ({"k": 0}, {"radius_m": -1.0}, {"stamp_s": np.inf}, {"near_base": (np.nan, 0, 0)}):
        with pytest.raises((DataError, QueryError)):
            memory.read([1, 0], **{"T_map_base": HERE, "stamp_s": 0.0, **wrong})

    assert memory._reads.sum() == 0


def test_settings_that_make_no_sense_are_refused():
    for size, given_settings in ((0, {}), (2, {"slots": 0}), (2, {"frequency_weight": 1.5})):
        with pytest.raises(ConfigError):
            ShortTermMemory(size, **given_settings)


def entity_hit(label="red mug", p_map=(2.0, 0.0, 0.5), stamp_ns=0, score=0.9):
    p = np.array(p_map)
    entity = Entity(1, label, EntityState.PRESENT, 0, p, p, None, stamp_ns, stamp_ns, 3, 0.8)
    return Hit(score, Evidence(stamp_ns, score, f"a {label}", p_map=p), entity=entity)


def event_hit(text="the door was opened", stamp_ns=0):
    event = Event(1, EventKind.TOLD, stamp_ns, stamp_ns, text, "human")
    return Hit(0.5, Evidence(stamp_ns, 0.5, text), event=event)


def test_tokens_say_where_it_is_from_the_robot():
    hits = [entity_hit(p_map=(1.0, 3.0, 0.0))]

    ahead = recalled_tokens(hits, T_map_base=at(1.0, 1.0, np.pi / 2), now_ns=0).features[0]

    np.testing.assert_allclose(ahead[:3], [np.log(2), 0, 0], atol=1e-6)  # 2 m ahead
    assert ahead[3] == pytest.approx(np.log(2))
    assert ahead[4] == 1.0


def test_tokens_say_how_long_ago_by_stamps():
    hits = [event_hit(stamp_ns=10 * 10**9)]

    ages = [
        recalled_tokens(hits, T_map_base=HERE, now_ns=now_s * 10**9).features[0, 5]
        for now_s in (5, 10, 20, 3610)
    ]

    np.testing.assert_allclose(ages, [0, 0, np.log(2), np.log(361)], rtol=1e-6)


def test_slots_are_filled_from_the_best_hit_on():
    hits = (entity_hit(f"thing {i}", score=1 - i / 10) for i in range(5))

    few = recalled_tokens([event_hit()], T_map_base=HERE, now_ns=0, slots=3)
    many = recalled_tokens(hits, T_map_base=HERE, now_ns=0, slots=3)

    assert few.mask.tolist() == [True, False, False]
    assert not few.features[1:].any()
    assert few.features[0, 4] == 0  # it has no place
    np.testing.assert_allclose(many.features[:, 6], [1.0, 0.9, 0.8], rtol=1e-6)


def test_words_are_hashed_by_what_they_say():
    assert np.array_equal(hashed_words("the red mugs"), hashed_words("a red mug"))
    assert not np.array_equal(hashed_words("red mug"), hashed_words("blue mug"))
    assert np.linalg.norm(hashed_words("red mug")) == pytest.approx(1)
    assert not hashed_words("").any()


def test_another_embedding_can_be_given():
    tokens = recalled_tokens(
        [entity_hit()], T_map_base=HERE, now_ns=0, embed=lambda text: [len(text), 1.0], size=2
    )

    np.testing.assert_array_equal(tokens.features[0, FIXED:], [7.0, 1.0])
    with pytest.raises(DataError, match="embedding"):
        recalled_tokens([entity_hit()], T_map_base=HERE, now_ns=0, embed=lambda _: [np.nan], size=1)
    with pytest.raises(ConfigError):
        recalled_tokens([], T_map_base=HERE, now_ns=0, slots=0)


def test_entries_at_hand_become_tokens_of_the_same_kind():
    memory = ShortTermMemory(2)
    write(memory, [1, 0], (2.0, 0.0, 0.0))

    tokens = held_tokens(memory.read([1, 0], T_map_base=HERE, stamp_s=10.0), size=2, slots=4)

    assert tokens.features.shape == (4, FIXED + 2)
    np.testing.assert_allclose(
        tokens.features[0], [np.log(2), 0, 0, np.log(2), 1, np.log(2), 1, 1, 0], rtol=1e-6
    )
    assert tokens.mask.tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("sizes", "error"),
    [
        ({"size": 3}, DataError),
        ({"size": 0}, ConfigError),
        ({"size": 2, "slots": 0}, ConfigError),
        ({"size": 2, "slots": -1}, ConfigError),
    ],
)
def test_held_entries_of_another_size_are_refused(sizes, error):
    memory = ShortTermMemory(2)
    write(memory, [1, 0])

    with pytest.raises(error):
        held_tokens(memory.read([1, 0], T_map_base=HERE, stamp_s=10.0), **sizes)


def test_a_correction_of_no_keyframe_moves_no_empty_slot():
    memory = ShortTermMemory(2)
    write(memory, [1, 0])

    assert memory.correct({-1: at(1.0)}) == 0
