"""What was tried is recalled, becomes procedures, and these are given up when they fail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.episodic.experience import Experience
from robomem.episodic.experience.procedures import (
    common_steps,
    follows,
    is_failing,
    skeleton,
    wilson_bounds,
)
from robomem.errors import DataError, FrameError, QueryError, StoreReadOnlyError
from robomem.geometry import pose, rotation_from_yaw
from robomem.memory import Memory
from robomem.types import Observation

TEA = ("find the kettle", "fill the kettle", "boil water", "pour")
PLANS = st.lists(st.sampled_from("abcde"), max_size=7)


@pytest.fixture
def memory(tmp_path):
    with Memory.open(tmp_path / "a.rmem") as memory:
        yield memory


def tried(memory, *, task="make tea", plan=TEA, ok=True, **more):
    stamp_ns = more.pop("stamp_ns", len(memory.experience.all()))
    return memory.experience.record(
        Experience(stamp_ns=stamp_ns, task=task, plan=plan, is_success=ok, **more)
    )


def unit(*values):
    return np.array(values, np.float32) / np.linalg.norm(values)


# ---- recall -------------------------------------------------------------------------------------


def test_what_is_alike_comes_back_successes_and_failures_apart(memory):
    worked = tried(memory, state="the kettle is empty", outcome="tea was served")
    failed = tried(memory, ok=False, outcome="the kettle was broken")
    tried(memory, task="water the plants", plan=("find the can", "pour"), state="the can is full")

    found = memory.experience.similar("make some tea", state="empty kettle")

    assert [p.experience_id for p in found.successes] == [worked]
    assert [p.experience_id for p in found.failures] == [failed]
    assert found.failures[0].experience.outcome == "the kettle was broken"
    assert found.successes[0].score == 1.0


def test_the_state_decides_between_equal_tasks(memory):
    dark = tried(memory, task="fetch the mail", state="it is dark outside")
    tried(memory, task="fetch the mail", state="the sun shines")

    best = memory.experience.similar("fetch the mail", state="dark").successes[0]

    assert best.experience_id == dark


def test_an_embedding_finds_what_no_word_tells(memory):
    near = tried(memory, task="brew a hot drink", embedding=unit(1, 0.1, 0))
    far = tried(memory, task="wash the car", embedding=unit(0, 0, 1))

    found = memory.experience.similar("tea", embedding=unit(1, 0, 0)).successes

    assert [p.experience_id for p in found] == [near, far]
    assert found[0].score == pytest.approx(0.5 * near_cosine(), abs=1e-6)


def near_cosine():
    return float(unit(1, 0.1, 0) @ unit(1, 0, 0))


def test_fewer_are_the_beginning_of_more(memory):
    for i in range(12):
        tried(memory, task=f"make tea number {i % 3}", ok=i % 2 == 0)

    found = {k: memory.experience.similar("make tea", k=k) for k in range(1, 8)}

    for k in range(1, 7):
        for side in ("successes", "failures"):
            fewer, more = ([p.experience_id for p in getattr(found[n], side)] for n in (k, k + 1))
            assert fewer == more[:k]


def test_nothing_alike_is_falsy(memory):
    tried(memory)

    assert not memory.experience.similar("paint the fence")
    assert not memory.experience.similar('"*) OR NEAR(')


def test_a_corrected_keyframe_moves_what_was_tried_there(memory):
    memory.observe(Observation(stamp_ns=0, T_map_cam=pose(np.eye(3), [1, 0, 0])))
    tried(memory, p_map=[2, 0, 0])
    (keyframe,) = memory.keyframes()

    memory.correct({keyframe.keyframe_id: pose(rotation_from_yaw(np.pi / 2), [1, 0, 0])})

    (found,) = memory.experience.similar("make tea").successes
    assert np.allclose(found.experience.p_map, [1, 1, 0])


# ---- procedures ---------------------------------------------------------------------------------


def test_a_procedure_is_what_successes_have_in_common(memory):
    tried(memory, plan=("find the kettle", "fill the kettle", "boil water", "hum", "pour"))
    tried(memory, plan=("Find kettle", "open the tap", "fill kettle", "boil water", "pour"))
    assert memory.experience.procedures("make tea") == []

    tried(memory, plan=TEA)

    (procedure,) = memory.experience.procedures("Make the tea")
    assert procedure.steps == TEA
    assert (procedure.successes, procedure.failures, procedure.version) == (3, 0, 1)
    assert procedure.trust == pytest.approx(wilson_bounds(3, 3)[0])


def test_failures_count_and_other_plans_do_not(memory):
    for ok in (True, True, True, False):
        tried(memory, ok=ok)
    tried(memory, plan=("dance",), ok=False)
    tried(memory, task="make coffee", ok=False)

    (procedure,) = memory.experience.procedures("make tea")

    assert (procedure.successes, procedure.failures) == (3, 1)


def test_what_fails_too_often_is_never_born(memory):
    for ok in (*[True, *[False] * 4] * 2, True):
        tried(memory, ok=ok)

    assert memory.experience.procedures("make tea", with_deprecated=True) == []


def test_a_failing_procedure_is_given_up_and_born_again_only_as_a_new_version(memory):
    for _ in range(6):
        tried(memory)
    for _ in range(6):
        tried(memory, ok=False)
    assert memory.experience.procedures("make tea") == []
    (old,) = memory.experience.procedures("make tea", with_deprecated=True)

    tried(memory)
    tried(memory)
    assert memory.experience.procedures("make tea") == []
    for _ in range(4):
        tried(memory)

    new, still_old = memory.experience.procedures("make tea", with_deprecated=True)
    assert still_old == old
    assert new.is_active
    assert (new.version, new.supersedes) == (2, old.procedure_id)


@settings(max_examples=25, deadline=None)
@given(
    outcomes=st.lists(
        st.tuples(st.sampled_from([TEA, ("hum", *TEA), ("dance", "bow")]), st.booleans()),
        max_size=40,
    )
)
def test_a_deprecation_stands_and_learning_anew_learns_the_same(tmp_path_factory, outcomes):
    with Memory.open(tmp_path_factory.mktemp("m") / "a.rmem") as memory:
        deprecated = {}
        for plan, ok in outcomes:
            tried(memory, plan=plan, ok=ok)
            for p in memory.experience.procedures(with_deprecated=True):
                assert p.successes >= 3
                assert deprecated.get(p.procedure_id, p.deprecated_ns) == p.deprecated_ns
                if not p.is_active:
                    deprecated[p.procedure_id] = p.deprecated_ns
        extra = tried(memory, task="another")
        before = [content(p) for p in memory.experience.procedures(with_deprecated=True)]
        gone = memory.experience.record(
            Experience(stamp_ns=99, task="make tea", plan=("sleep",), is_success=False)
        )

        assert memory.forget(experience_ids=[gone, extra, 999]) == 2

        assert [content(p) for p in memory.experience.procedures(with_deprecated=True)] == before


def content(procedure):
    return (
        procedure.steps,
        procedure.successes,
        procedure.failures,
        procedure.version,
        procedure.born_ns,
        procedure.deprecated_ns,
    )


@settings(deadline=None)
@given(a=PLANS, b=PLANS)
def test_common_steps_are_the_longest_subsequence_of_both(a, b):
    common = common_steps(a, b)

    assert len(common) == len(longest_by_trying(tuple(a), tuple(b)))
    assert is_subsequence(common, a)
    assert is_subsequence(common, b)
    assert follows(a, common, overlap=0.0)


def longest_by_trying(a, b):
    if not a or not b:
        return ()
    if a[0] == b[0]:
        return (a[0], *longest_by_trying(a[1:], b[1:]))
    return max(longest_by_trying(a[1:], b), longest_by_trying(a, b[1:]), key=len)


def is_subsequence(steps, plan):
    rest = iter(plan)
    return all(step in rest for step in steps)


def test_the_step_that_more_plans_have_stays_where_two_are_in_another_order():
    plans = ["wxyz", "xwyz", "wvyz"]

    assert skeleton(plans, count=3, overlap=0.5) == (("w", "y", "z"), [0, 1, 2])


@given(plans=st.lists(PLANS.filter(len), min_size=1, max_size=5))
def test_all_that_joined_a_skeleton_follow_it(plans):
    steps, joined = skeleton(plans, count=3, overlap=0.6)

    assert joined[0] == 0
    assert len(joined) <= 3
    for i in joined:
        assert follows(plans[i], steps, overlap=0.6)


@given(count=st.integers(1, 200), share=st.floats(0, 1))
def test_wilson_bounds_hold_the_rate_and_close_in(count, share):
    successes = round(share * count)

    low, high = wilson_bounds(successes, count)

    assert 0 <= low <= successes / count + 1e-9
    assert successes / count - 1e-9 <= high <= 1
    wider = wilson_bounds(successes * 4, count * 4)
    assert low <= wider[0] + 1e-9
    assert wider[1] <= high + 1e-9


@pytest.mark.parametrize(
    ("successes", "count", "bounds"),  # scipy.stats.binomtest(...).proportion_ci(0.9, "wilson")
    [(0, 5, (0.0, 0.351117)), (3, 3, (0.525804, 1.0)), (7, 20, (0.202260, 0.533487))],
)
def test_wilson_bounds_are_the_ones_of_scipy(successes, count, bounds):
    assert np.allclose(wilson_bounds(successes, count), bounds, atol=1e-4)


def test_a_procedure_is_given_up_when_it_is_surely_bad_or_surely_worse_than_before():
    rule = {"recent": 6, "min_rate": 0.6}

    assert not is_failing([], **rule)
    assert not is_failing([False], **rule)
    assert is_failing([False] * 3, **rule)
    assert not is_failing([True, False] * 10, **rule)
    assert is_failing([True] * 40 + [False, True, False, True, False, False], **rule)


# ---- bad input and forgetting -------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"task": "  "},
        {"plan": ()},
        {"plan": ("go", " ")},
        {"plan": "go there"},
        {"plan": ("go",) * 300},
        {"outcome": "x" * 5000},
        {"state": "a\0b"},
        {"state": "\ud800"},
        {"source": ""},
        {"task": 7},
        {"stamp_ns": -1},
        {"stamp_ns": 1.5},
        {"is_success": "yes"},
        {"p_map": [0, np.nan, 0]},
        {"embedding": [0.0, 0.0]},
    ],
)
def test_what_is_no_experience_is_refused(wrong):
    good = {"stamp_ns": 0, "task": "make tea", "plan": TEA, "is_success": True}

    with pytest.raises(DataError):
        Experience(**(good | wrong))


def test_what_cannot_be_kept_changes_nothing(memory):
    tried(memory, embedding=unit(1, 0))
    before = memory.content_hash

    with pytest.raises(DataError, match="size 2"):
        tried(memory, embedding=unit(1, 0, 0))
    with pytest.raises(FrameError):
        tried(memory, p_map=[0, 0, 0])
    with pytest.raises(DataError):
        memory.experience.similar("tea", embedding=unit(1, 0, 0))
    with pytest.raises(QueryError):
        memory.experience.similar("tea", k=0)

    assert memory.content_hash == before


def test_a_reader_recalls_and_does_not_record(tmp_path):
    with Memory.open(tmp_path / "a.rmem") as memory:
        tried(memory)
    with Memory.open(tmp_path / "a.rmem", "r") as memory:
        assert memory.experience.similar("make tea")
        with pytest.raises(StoreReadOnlyError):
            tried(memory)


def test_a_forgotten_experience_is_gone_from_every_file_and_procedure(tmp_path):
    path = tmp_path / "a.rmem"
    with Memory.open(path) as memory:
        for step in ("whisper xylograph", "whisper xylograph", "whisper xylograph"):
            secret = tried(memory, plan=(*TEA, step), state="the safe says xylograph")
        ids = [p.experience_id for p in memory.experience.all()]
        assert ids[-1] == secret
        assert "whisper xylograph" in memory.experience.procedures("make tea")[0].steps

        assert memory.forget(experience_ids=ids) == 3

        assert memory.experience.procedures("make tea", with_deprecated=True) == []
        assert not memory.experience.similar("xylograph")
    for file in path.rglob("*"):
        assert not file.is_file() or b"xylograph" not in file.read_bytes()
