"""A step of every memory, exported, means the same in ONNX Runtime."""

import pytest

torch = pytest.importorskip("torch", reason="memories need the extra `train`")
pytest.importorskip("onnxscript", reason="memories are exported with the extra `train`")
runtime = pytest.importorskip("onnxruntime", reason="the runtime needs the extra `serve`")

from robomem.policy.memories import MEMORIES, Moments  # noqa: E402
from tests.small_memories import lived, tiny, walk  # noqa: E402

ONE_LAYER = {
    "transformer": {"layers": 1},
    "hcam": {"hops": 1},
    "token-bank": {"layers": 1, "cognitive": 0},
    "place-wise": {"hops": 1},
    "reversible": {"blocks": 1},
}
"""An export takes seconds, and longer the more layers there are: one of each will do."""


class Step(torch.nn.Module):
    """`step` with flat arguments, as an exported graph has them."""

    def __init__(self, memory):
        super().__init__()
        self.memory, self.names = memory, list(memory.init_state(1))

    def forward(self, features, stamps_s, positions, *held):
        state = {name: value.clone() for name, value in zip(self.names, held, strict=True)}
        output, after = self.memory.step(Moments(features, stamps_s, positions), state)
        return output, *(after[name] for name in self.names)


@pytest.mark.parametrize("name", MEMORIES)
@torch.no_grad()
@pytest.mark.filterwarnings("ignore")
def test_a_step_means_the_same_in_onnx_runtime(name, tmp_path):
    memory, moments = tiny(name, **ONE_LAYER.get(name, {})), lived(1, 20)
    step = Step(memory)
    first = tuple(part[:, 0] for part in moments)
    program = torch.onnx.export(
        step, (*first, *memory.init_state(1).values()), dynamo=True, optimize=False
    )
    program.save(tmp_path / "step.onnx")
    session = runtime.InferenceSession(tmp_path / "step.onnx")

    held, outputs = [value.numpy() for value in memory.init_state(1).values()], []
    for t in range(20):
        given = [*(part[:, t].numpy() for part in moments), *held]
        feed = {known.name: given[i] for i, known in enumerate(session.get_inputs())}
        output, *held = session.run(None, feed)
        outputs.append(torch.from_numpy(output))

    torch.testing.assert_close(
        torch.stack(outputs, 1), walk(memory, moments)[0], atol=1e-4, rtol=1e-4
    )
