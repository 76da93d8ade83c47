"""What is exported does what was trained, and says so when it is not what was exported."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from robomem.errors import (
    ConfigError,
    DataError,
    PolicyError,
    PolicyFolderError,
    ProviderError,
)
from robomem.policy.config import PolicyConfig
from robomem.policy.export.folder import ExportOptions, export_policy
from robomem.policy.export.tracing import Part, traced
from robomem.policy.policy import DiffusionPolicy
from robomem.policy.runtime.client import Patience, PolicyClient
from robomem.policy.runtime.graphs import Graph, RuntimeOptions, profile
from robomem.policy.runtime.manifest import MANIFEST, read_manifest
from robomem.policy.runtime.policy import RuntimePolicy
from robomem.policy.runtime.server import ServerOptions, serving
from robomem.policy.training.agent import DirectAgent
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.tasks import TaskShape

torch.set_num_threads(1)
CPU = RuntimeOptions(provider="cpu")
CONFIG = PolicyConfig(
    state_size=3,
    action_size=2,
    images={"wrist": (3, 16, 16)},
    memory="gru",
    memory_tokens=2,
    recalled_slots=2,
    recalled_size=5,
    horizon=4,
    execute=2,
    width=16,
    depth=1,
    heads=2,
    guidance_scale=1.5,
    sampling_steps=3,
    going_on="inpaint",
)


@pytest.fixture(scope="module")
def policy() -> DiffusionPolicy:
    torch.manual_seed(0)
    policy = DiffusionPolicy(CONFIG).eval()
    for weights in policy.parameters():  # what begins at zero would hide what it multiplies
        torch.nn.init.normal_(weights, std=0.3)
    policy.normaliser.fit(3 * torch.randn(50, 3) + 1, torch.rand(50, 2) * torch.tensor([2.0, 5.0]))
    return policy


@pytest.fixture(scope="module")
def exported(policy, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "toy"
    export_policy(policy, path, ExportOptions(int8=lambda exact, near: near.is_ready))
    return path


@pytest.fixture
def copied(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "toy"))


def observations(rng, *, robots=1, count=5) -> list[dict[str, np.ndarray]]:
    return [
        {
            "observation.state": rng.normal(size=(robots, 3)).astype(np.float32),
            "observation.images.wrist": rng.random((robots, 3, 16, 16), np.float32),
            "observation.position": rng.normal(size=(robots, 3)).astype(np.float32),
            "observation.stamp_s": np.full((robots, 1), 0.1 * i, np.float32),
            "observation.recalled": rng.normal(size=(robots, 2, 5)).astype(np.float32),
            "observation.recalled_mask": rng.random((robots, 2)) < 0.5,
        }
        for i in range(count)
    ]


def as_torch(observation) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value) for key, value in observation.items()}


def chunks_of_torch(policy, shown, *, seed=3) -> list[np.ndarray]:
    policy.reset(seed=seed)
    return [policy.predict_action_chunk(as_torch(each)).numpy() for each in shown]


def noises_of_torch(shape, count, *, seed=3) -> list[np.ndarray]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).numpy() for _ in range(count)]


@pytest.mark.parametrize(
    "options",
    [
        CPU,
        RuntimeOptions(provider="cpu", uses_loop=False),
        RuntimeOptions(provider="cpu", uses_loop=False, uses_binding=True),
        RuntimeOptions(provider="cpu", threads=2),
    ],
)
@pytest.mark.parametrize("robots", [1, 3])
def test_chunks_are_those_of_torch(policy, exported, rng, options, robots):
    runtime = RuntimePolicy.from_pretrained(exported, options)
    shown = observations(rng, robots=robots)
    noises = noises_of_torch((robots, 4, 2), len(shown))

    chunks = [
        runtime.predict_action_chunk(each, noise=noise)
        for each, noise in zip(shown, noises, strict=True)
    ]

    wanted = chunks_of_torch(policy, shown)
    assert np.ptp(wanted) > 0.5
    np.testing.assert_allclose(chunks, wanted, atol=1e-4)


def test_one_file_serves_any_number_of_steps(policy, exported, rng):
    runtime = RuntimePolicy.from_pretrained(
        exported, RuntimeOptions(provider="cpu", sampling_steps=7)
    )
    shown, (noise,) = observations(rng, count=1), noises_of_torch((1, 4, 2), 1)

    chunk = runtime.predict_action_chunk(shown[0], noise=noise)

    more = DiffusionPolicy(CONFIG.model_copy(update={"sampling_steps": 7})).eval()
    more.load_state_dict(policy.state_dict())
    np.testing.assert_allclose(chunk, chunks_of_torch(more, shown)[0], atol=1e-4)


@pytest.mark.parametrize("uses_loop", [True, False])
def test_a_chunk_goes_on_from_the_last_one_as_in_torch(policy, exported, rng, uses_loop):
    runtime = RuntimePolicy.from_pretrained(
        exported, RuntimeOptions(provider="cpu", uses_loop=uses_loop)
    )
    (shown,) = observations(rng, count=1)
    previous = rng.random((1, 3, 2), np.float32)
    policy.reset(seed=3)
    wanted = policy.predict_action_chunk(
        as_torch(shown), previous=torch.from_numpy(previous), delay=1
    )
    (noise,) = noises_of_torch((1, 4, 2), 1)

    chunk = runtime.predict_action_chunk(shown, previous=previous, delay=1, noise=noise)

    np.testing.assert_allclose(chunk, wanted.numpy(), atol=1e-4)
    with pytest.raises(ConfigError, match="delay"):
        runtime.predict_action_chunk(shown, previous=previous, delay=4)
    with pytest.raises(DataError):
        runtime.predict_action_chunk(shown, previous=previous * np.nan)


def test_actions_are_planned_by_time_and_the_memory_told_of_all(exported, rng):
    runtime = RuntimePolicy.from_pretrained(exported, CPU)
    shown = observations(rng, count=6)
    noise_of = runtime._rng.bit_generator.state

    actions = [runtime.select_action(each) for each in shown]

    runtime.reset()
    runtime._rng.bit_generator.state = noise_of
    first = runtime.predict_action_chunk(shown[0])
    np.testing.assert_allclose(actions[:2], first.swapaxes(0, 1)[:2])
    assert np.shape(actions) == (6, 1, 2)
    assert runtime._steps == 1


def test_a_fork_remembers_nothing_and_disturbs_nothing(exported, rng):
    shown, noise = observations(rng, count=3), rng.standard_normal((1, 4, 2), np.float32)
    alone, watched = (RuntimePolicy.from_pretrained(exported, CPU) for _ in range(2))
    fork = watched.fork()

    first = [fork.predict_action_chunk(each, noise=noise) for each in shown]
    for each in shown[:2]:
        alone.predict_action_chunk(each, noise=noise)
        watched.predict_action_chunk(each, noise=noise)
        fork.predict_action_chunk(shown[2], noise=noise)

    np.testing.assert_array_equal(
        watched.predict_action_chunk(shown[2], noise=noise),
        alone.predict_action_chunk(shown[2], noise=noise),
    )
    fork.reset()
    again = [fork.predict_action_chunk(each, noise=noise) for each in shown]
    np.testing.assert_array_equal(first, again)


def test_an_observation_needs_no_batch_and_images_may_be_bytes(exported, rng):
    (shown,) = observations(rng, count=1)
    pixels = rng.integers(0, 256, (1, 3, 16, 16), np.uint8)
    noise = rng.standard_normal((1, 4, 2), np.float32)
    runtime = RuntimePolicy.from_pretrained(exported, CPU)

    one = runtime.predict_action_chunk(
        {k: v[0] for k, v in shown.items()} | {"observation.images.wrist": pixels[0]}, noise=noise
    )
    runtime.reset()
    other = runtime.predict_action_chunk(
        shown | {"observation.images.wrist": pixels / 255.0}, noise=noise
    )

    np.testing.assert_allclose(one, other, atol=1e-5)


BAD = {
    "observation.state": [
        None,
        np.zeros((1, 4), np.float32),
        np.zeros((2, 3), np.float32),
        np.zeros((0, 3), np.float32),
        np.zeros((17, 3), np.float32),
        np.array([[0.0, np.nan, 0.0]]),
        np.array([[0.0, 1e300, 0.0]]),
        np.array([["a", "b", "c"]]),
        [[1.0], [1.0, 2.0]],
    ],
    "observation.stamp_s": [np.array([-1.0]), np.array([np.inf]), np.zeros((1, 2))],
    "observation.images.wrist": [np.zeros((1, 16, 16, 3), np.uint8)],
}


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, values in BAD.items() for v in values])
def test_a_bad_observation_is_refused_and_not_remembered(exported, rng, key, value):
    shown, noise = observations(rng, count=2), rng.standard_normal((1, 4, 2), np.float32)
    runtime, untouched = (RuntimePolicy.from_pretrained(exported, CPU) for _ in range(2))
    bad = {k: v for k, v in (shown[1] | {key: value}).items() if v is not None}

    for each in (runtime, untouched):
        each.predict_action_chunk(shown[0], noise=noise)
    with pytest.raises(DataError):
        runtime.predict_action_chunk(bad, noise=noise)
    with pytest.raises(DataError):
        runtime.select_action(bad)

    np.testing.assert_array_equal(
        runtime.predict_action_chunk(shown[1], noise=noise),
        untouched.predict_action_chunk(shown[1], noise=noise),
    )


def test_int8_is_kept_where_the_policy_still_succeeds(exported, rng):
    (shown,), noise = observations(rng, count=1), rng.standard_normal((1, 4, 2), np.float32)
    chunks = [
        RuntimePolicy.from_pretrained(
            exported, RuntimeOptions(provider="cpu", precision=precision)
        ).predict_action_chunk(shown, noise=noise)
        for precision in ("fp32", "int8")
    ]

    assert np.abs(chunks[0] - chunks[1]).max() > 0
    np.testing.assert_allclose(chunks[0], chunks[1], atol=0.5)


def test_int8_is_near_where_weights_are_shared(exported, rng):
    fed = {
        "features": rng.normal(size=(1, 16)).astype(np.float32),
        "remembered": rng.normal(size=(1, 32)).astype(np.float32),
        "observation.recalled": rng.normal(size=(1, 2, 5)).astype(np.float32),
        "observation.recalled_mask": np.ones((1, 2), bool),
    }

    exact, near = (
        Graph(exported / f"{name}.onnx", CPU)(fed)["pooled"] for name in ("context", "context-int8")
    )

    np.testing.assert_allclose(near, exact, atol=0.1 * np.abs(exact).max())


def test_an_agent_acts_as_it_was_trained_and_int8_that_fails_is_not_kept(tmp_path, rng):
    torch.manual_seed(0)
    settings = TrainingSettings(task="toy", memory="gru", size=8, memory_settings={"size": 8})
    agent = DirectAgent(settings, TaskShape(3, motion_size=2)).eval()
    result = export_policy(agent, tmp_path / "agent", ExportOptions(int8=lambda exact, near: False))
    runtime = RuntimePolicy.from_pretrained(tmp_path / "agent", CPU)
    state, wanted, acted = agent.memory.init_state(2), [], []

    for i in range(20):
        states, stamps = rng.normal(size=(2, 3)).astype(np.float32), np.full(2, i, np.float32)
        moment = agent_moment(states, stamps)
        with torch.no_grad():
            action, state = agent.step(moment, state)
        wanted.append(action.numpy())
        shown = {
            "observation.state": states,
            "observation.position": np.zeros((2, 3)),
            "observation.stamp_s": stamps[:, None],
        }
        acted.append(runtime.select_action(shown))

    np.testing.assert_allclose(acted, wanted, atol=1e-5)
    assert np.ptp(wanted) > 0.05
    assert len({each.stat().st_mode for each in (tmp_path / "agent").iterdir()}) == 1
    assert result.kept_int8 is False
    assert not list((tmp_path / "agent").glob("*int8*"))
    with pytest.raises(ConfigError, match="int8"):
        RuntimePolicy.from_pretrained(
            tmp_path / "agent", RuntimeOptions(provider="cpu", precision="int8")
        )


def agent_moment(states, stamps):
    from robomem.policy.memories.memory import Moments

    return Moments(torch.from_numpy(states), torch.from_numpy(stamps), torch.zeros(2, 3))


def test_the_folder_is_a_torch_policy_too_and_its_card_tells_of_it(policy, exported):
    again = DiffusionPolicy.from_pretrained(exported)

    for name, weights in policy.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weights)
    card = (exported / "README.md").read_text()
    assert "# toy" in card
    assert f"{sum(p.numel() for p in policy.parameters()):,}" in card
    assert "observation.images.wrist" in card


def test_the_graphs_tell_nothing_of_the_machine_they_were_made_on(exported):
    for file in exported.glob("*.onnx"):
        assert str(Path(__file__).parents[1]).encode() not in file.read_bytes()
        assert onnx.load(file).opset_import[0].version == read_manifest(exported).opset


def test_an_export_replaces_only_by_force_and_leaves_nothing_when_it_fails(policy, exported):
    before = sorted(exported.iterdir())
    with pytest.raises(ConfigError, match="there already"):
        export_policy(policy, exported)

    def fail(role):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_policy(policy, exported, ExportOptions(force=True, on_graph=fail))
    with pytest.raises(KeyboardInterrupt):
        export_policy(policy, exported.parent / "other", ExportOptions(on_graph=fail))

    assert sorted(exported.iterdir()) == before
    assert [each.name for each in exported.parent.iterdir()] == ["toy"]


def test_force_replaces_no_folder_that_is_not_a_policy(policy, tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")

    for path in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(ConfigError, match="not replaced"):
            export_policy(policy, path, ExportOptions(force=True))

    assert (tmp_path / "thesis.txt").read_text() == "all of it"


class _Interrupted(Part):
    """Is interrupted while it computes, within code that takes every exception for an error."""

    def example(self):
        return {"x": torch.zeros(2, 3)}

    def compute(self, inputs):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as err:
            raise RuntimeError("swallowed") from err
        return {"y": inputs["x"] + 1}


def test_an_export_that_is_interrupted_says_so_and_no_other_error():
    with pytest.raises(KeyboardInterrupt):
        traced(_Interrupted())


def _tell(path, **changes):
    fields = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps(fields | changes))


def _tell_more(path, key, changes):
    fields = json.loads((path / MANIFEST).read_text())
    _tell(path, **{key: fields[key] | changes})


def _flip(path, name):
    data = bytearray((path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (path / name).write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda p: _flip(p, "chunk.onnx"), "altered"),
        (lambda p: _flip(p, "model.safetensors"), "altered"),
        (lambda p: _flip(p, "initial_state.npz"), "altered"),
        (lambda p: (p / "memory.onnx").unlink(), "lacks"),
        (lambda p: (p / MANIFEST).unlink(), "export-policy"),
        (lambda p: (p / MANIFEST).write_text("[1]"), "object"),
        (lambda p: (p / MANIFEST).write_text("{"), "readable"),
        (lambda p: _tell(p, schema=2), "schema"),
        (lambda p: _tell(p, opset=99), "opset"),
        (lambda p: _tell(p, opset="18"), "opset"),
        (lambda p: _tell(p, kind="magic"), "kind"),
        (lambda p: _tell(p, surprise=1), "surprise"),
        (lambda p: _tell(p, graphs={"chunk": "chunk.onnx"}), "encoder"),
        (lambda p: _tell(p, files={"../secret": "0"}), "graph"),
        (lambda p: _tell(p, state={}), "state"),
        (lambda p: _tell(p, period_s=0), "period_s"),
        (lambda p: _tell(p, action_middle=[0.0]), "actions"),
        (lambda p: _tell(p, action_middle=[0.0, float("nan")]), "scales"),
        (lambda p: _tell(p, horizon=10**12), "actions"),
        (lambda p: _tell(p, action={"dtype": "object", "shape": [2]}), "array"),
        (lambda p: _tell(p, state={"h": {"dtype": "float32", "shape": [10**11]}}), "array of more"),
        (lambda p: _tell(p, name=5), "name"),
        (lambda p: _tell_more(p, "files", {"chunk.onnx": 5}), "sha256"),
        (lambda p: _tell_more(p, "graphs", {"chunk": "encoder.onnx"}), "gives no chunk"),
        (lambda p: _tell_more(p, "sampling", {"levels": 10**12}), "levels"),
        (lambda p: _tell_more(p, "sampling", {"steps": "4"}), "steps"),
        (lambda p: _tell_more(p, "sampling", {"clip": float("nan")}), "clip"),
    ],
)
def test_a_folder_that_is_not_what_was_exported_is_refused_by_name(copied, damage, says):
    damage(copied)

    with pytest.raises(PolicyFolderError, match=says):
        RuntimePolicy.from_pretrained(copied, CPU)


def test_a_file_outside_of_the_folder_is_not_read(copied):
    fields = json.loads((copied / MANIFEST).read_text())
    _tell(copied, files={**fields["files"], "../secret": "0"})

    with pytest.raises(PolicyFolderError, match="not in its folder"):
        RuntimePolicy.from_pretrained(copied, CPU)


def test_a_provider_that_is_not_there_is_an_error_or_a_counted_fallback(exported):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("CUDA may be there")

    for provider in ("cuda", "tensorrt"):
        with pytest.raises(ProviderError, match=provider):
            RuntimePolicy.from_pretrained(exported, RuntimeOptions(provider=provider))
        runtime = RuntimePolicy.from_pretrained(
            exported, RuntimeOptions(provider=provider, may_fall_back=True)
        )
        assert set(runtime.providers.values()) == {"cpu"}
        assert runtime.fallbacks == {"cpu": 3}
    assert not RuntimePolicy.from_pretrained(exported).fallbacks


def test_shapes_for_tensorrt_have_the_batch_where_it_is_free():
    shapes = {"x": ["batch", 16, 7], "time": ["batch"], "keys_values": [4, 2, "batch", 34, 128]}

    assert profile(shapes, batch=3) == "x:3x16x7,time:3,keys_values:4x2x3x34x128"


@pytest.mark.parametrize(
    "wrong",
    [{"provider": "tpu"}, {"precision": "int4"}, {"threads": 0}, {"sampling_steps": 0}],
)
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        RuntimeOptions(**wrong)


def test_what_onnx_has_no_name_for_is_a_policy_error():
    class Odd(Part):
        def example(self):
            return {"x": torch.randn(2, 3, 3)}

        def compute(self, inputs):
            return {"y": torch.linalg.eigvals(inputs["x"])}

    with pytest.raises(PolicyError, match="Odd"):
        traced(Odd())


def test_an_exported_policy_can_be_served(exported, rng):
    (shown,) = observations(rng, count=1)
    runtime = RuntimePolicy.from_pretrained(exported, CPU)
    with (
        serving(runtime, ServerOptions(port=0)) as server,
        PolicyClient(f"ws://127.0.0.1:{server.port}", patience=Patience(answer_s=60.0)) as client,
    ):
        chunk = client.predict_action_chunk(shown)

    assert chunk.shape == (1, 4, 2)
    assert client.policy["observation"]["observation.state"]["shape"] == [3]


def test_the_runtime_needs_numpy_and_onnxruntime_only(exported):
    script = (
        "import sys\n"
        "from robomem.policy.runtime.policy import RuntimePolicy\n"
        "policy = RuntimePolicy.from_pretrained(sys.argv[1])\n"
        "assert policy.is_ready\n"
        "print(*sys.modules)\n"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", script, exported], capture_output=True, text=True, check=True
    ).stdout.split()

    unwanted = {"torch", "onnx", "numba", "scipy", "pydantic", "websockets", "msgpack", "PIL"}
    assert {"numpy", "onnxruntime"} <= set(loaded)
    assert not unwanted & set(loaded)
