"""What is measured of memories."""

import json
from dataclasses import asdict

import pytest

torch = pytest.importorskip("torch", reason="memories need the extra `train`")

from robomem.errors import ConfigError  # noqa: E402
from robomem.eval.bench import Options  # noqa: E402
from robomem.eval.memories import bench_memories  # noqa: E402
from robomem.policy.memories import MEMORIES  # noqa: E402
from robomem.policy.memories.capacity import measure_capacity  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_token_holds_what_its_floats_can_count_and_no_more():
    fits = measure_capacity(size=16, observation=8, writes=2)
    is_too_much = measure_capacity(size=16, observation=8, writes=9)

    assert (fits.least_missed, is_too_much.least_missed) == (0.0, 1.0 - 24 / 72)
    assert fits.missed < 1e-6
    assert is_too_much.missed > is_too_much.least_missed - 0.05
    assert is_too_much.missed < is_too_much.least_missed + 0.15


def test_one_observation_comes_back_to_round_off():
    assert measure_capacity(size=64, observation=64, writes=1).missed < 1e-10


def test_the_bench_has_every_memory_in_json_and_in_tables():
    steps = []

    outcome = bench_memories(Options(is_quick=True), on_step=lambda *step: steps.append(step))

    report = json.loads(json.dumps(asdict(outcome.report)))
    assert [cost["memory"] for cost in report["costs"]] == list(MEMORIES)
    assert [row[0] for row in outcome.tables[0].rows] == list(MEMORIES)
    assert steps[-1] == (len(MEMORIES) + 3, len(MEMORIES) + 3)
    assert "\n| hcam | " in outcome.markdown


def test_what_it_does_not_measure_is_refused():
    with pytest.raises(ConfigError, match="no frames"):
        bench_memories(Options(frames=3))
