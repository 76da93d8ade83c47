"""Laws that every memory of a policy obeys."""

import pytest

torch = pytest.importorskip("torch", reason="memories need the extra `train`")

from robomem.errors import ConfigError  # noqa: E402
from robomem.policy.memories import MEMORIES, Moments, make_memory  # noqa: E402

TINY = {
    "none": {"size": 16},
    "frame-stack": {"size": 16, "frames": 3},
    "gru": {"size": 16},
    "transformer": {"size": 16, "heads": 2, "layers": 2, "window": 8},
    "hcam": {"size": 16, "heads": 2, "chunk": 4, "chunks": 3, "top_k": 2, "hops": 2},
    "ffm": {"size": 16, "traces": 6, "contexts": 3},
    "token-bank": {"size": 16, "heads": 2, "slots": 5, "cognitive": 2},
    "place-wise": {"size": 16, "heads": 2, "places": 5, "queue": 3, "top_k": 2, "hops": 2},
    "reversible": {"size": 16, "blocks": 2, "places": 5},
    "short-term": {"size": 16, "heads": 2, "slots": 7, "radius_m": 4.0},
    "compressed-window": {"size": 16, "heads": 2, "window": 6},
    "neural": {"size": 8, "hidden": 6, "chunk": 4},
}
D, OUT = 6, 5
every_memory = pytest.mark.parametrize("name", MEMORIES)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tiny(name, seed=0):
    torch.manual_seed(seed)
    return make_memory(name, D, OUT, **TINY[name]).eval()


def lived(batch, moments, seed=1):
    """Sequences whose stamps are irregular, in places that are visited again."""
    generator = torch.Generator().manual_seed(seed)
    stamps_s = torch.rand(batch, moments, generator=generator).mul(0.4).cumsum(1)
    return Moments(
        torch.randn(batch, moments, D, generator=generator),
        stamps_s,
        torch.randint(0, 4, (batch, moments, 3), generator=generator) * 2.5,
    )


def cut(moments, first, last):
    return Moments(*(part[:, first:last] for part in moments))


def walk(memory, moments):
    state, outputs = memory.init_state(len(moments.stamps_s)), []
    for t in range(moments.stamps_s.shape[1]):
        output, state = memory.step(Moments(*(part[:, t] for part in moments)), state)
        outputs.append(output)
    return torch.stack(outputs, 1), state


@every_memory
@torch.no_grad()
def test_stepping_through_a_sequence_equals_running_over_it(name):
    memory, moments = tiny(name), lived(3, 41)

    stepped, _ = walk(memory, moments)
    run, _ = memory(moments)

    torch.testing.assert_close(stepped, run, atol=1e-5, rtol=1e-4)


@every_memory
@torch.no_grad()
def test_a_sequence_in_pieces_equals_the_whole(name):
    memory, moments = tiny(name), lived(2, 50)

    whole, _ = memory(moments)
    state, pieces = None, []
    for first, last in ((0, 7), (7, 8), (8, 37), (37, 50)):
        piece, state = memory(cut(moments, first, last), state)
        pieces.append(piece)

    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-5, rtol=1e-4)


@every_memory
@torch.no_grad()
def test_the_state_after_running_goes_on_as_the_state_after_stepping(name):
    memory, moments = tiny(name), lived(2, 37)
    later = lived(2, 9, seed=2)._replace(
        stamps_s=moments.stamps_s[:, -1:] + torch.arange(1, 10) * 0.1
    )
    _, stepped = walk(memory, moments)
    _, run = memory(moments)

    after_steps, _ = memory(later, stepped)
    after_run, _ = memory(later, run)

    torch.testing.assert_close(after_steps, after_run, atol=1e-5, rtol=1e-4)


@every_memory
@torch.no_grad()
def test_sequences_of_different_length_go_on_in_one_batch(name):
    memory, moments = tiny(name), lived(2, 40)
    _, early = memory(cut(Moments(*(part[:1] for part in moments)), 0, 11))
    _, late = memory(cut(Moments(*(part[1:] for part in moments)), 0, 19))
    both = {key: torch.cat([early[key], late[key]]) for key in early}
    ahead = Moments(*(torch.stack([part[0, 11:31], part[1, 19:39]]) for part in moments))

    together, _ = memory(ahead, both)
    alone = [
        memory(
            Moments(*(part[i : i + 1] for part in ahead)),
            {key: both[key][i : i + 1] for key in both},
        )[0]
        for i in range(2)
    ]

    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


@every_memory
@torch.no_grad()
def test_reading_at_some_moments_equals_reading_at_all(name):
    memory, moments = tiny(name), lived(2, 30)
    reads = torch.tensor([[3, 29, 11], [0, 0, 17]])

    everywhere, _ = memory(moments)
    some, _ = memory(moments, reads=reads)

    expected = everywhere.gather(1, reads[..., None].expand(-1, -1, OUT))
    torch.testing.assert_close(some, expected, atol=1e-5, rtol=1e-4)


@every_memory
@torch.no_grad()
def test_what_comes_later_changes_nothing_before(name):
    memory, moments = tiny(name), lived(2, 40)
    other = Moments(*(torch.cat([part[:, :23], part[:, 23:] + 1.5], 1) for part in moments))

    outputs, _ = memory(moments)
    outputs_of_other, _ = memory(other)

    torch.testing.assert_close(outputs[:, :23], outputs_of_other[:, :23], atol=1e-6, rtol=1e-5)


@every_memory
@torch.no_grad()
def test_a_sequence_does_not_see_its_batch(name):
    memory, moments = tiny(name), lived(3, 30)

    together, _ = memory(moments)
    alone, _ = memory(Moments(*(part[1:2] for part in moments)))

    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)


@every_memory
@torch.no_grad()
def test_the_state_keeps_its_shapes_and_its_reported_bytes(name):
    memory = tiny(name)
    empty = memory.init_state(1)

    for state in (walk(memory, lived(1, 60))[1], memory(lived(1, 60))[1], memory(lived(1, 1))[1]):
        assert {key: held.shape for key, held in state.items()} == {
            key: held.shape for key, held in empty.items()
        }
        assert {key: held.dtype for key, held in state.items()} == {
            key: held.dtype for key, held in empty.items()
        }
    assert memory.state_bytes == sum(held.nbytes for held in empty.values())


@every_memory
@torch.no_grad()
def test_weights_travel_in_a_state_dict(name):
    memory, other, moments = tiny(name), tiny(name, seed=9), lived(2, 20)

    other.load_state_dict(memory.state_dict())

    torch.testing.assert_close(other(moments)[0], memory(moments)[0])


@every_memory
def test_gradients_stay_finite_over_500_moments_and_reach_every_weight(name):
    memory, moments = tiny(name), lived(2, 500)
    features = moments.features.requires_grad_()

    outputs, _ = memory(moments, reads=torch.tensor([[250, 499]] * 2))
    (outputs.square().sum() + memory.auxiliary_loss(moments)).backward()

    assert features.grad.isfinite().all()
    for weight_name, weight in memory.named_parameters():
        assert weight.grad is not None, weight_name
        assert weight.grad.isfinite().all(), weight_name


def test_a_memory_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ConfigError, match="no memory 'elephant', only none, frame-stack"):
        make_memory("elephant", D, OUT)


def test_a_setting_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ConfigError, match="gru has no setting chunks, only size"):
        make_memory("gru", D, OUT, chunks=3)


class Step(torch.nn.Module):
    """`step` with flat arguments, as an exported graph has them."""

    def __init__(self, memory):
        super().__init__()
        self.memory, self.names = memory, list(memory.init_state(1))

    def forward(self, features, stamps_s, positions, *held):
        output, after = self.memory.step(
            Moments(features, stamps_s, positions), dict(zip(self.names, held, strict=True))
        )
        return output, *(after[name] for name in self.names)


@every_memory
@torch.no_grad()
@pytest.mark.filterwarnings("ignore")
def test_a_step_means_the_same_in_onnx_runtime(name, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    memory, moments = tiny(name), lived(1, 20)
    step = Step(memory)
    first = tuple(part[:, 0] for part in moments)
    program = torch.onnx.export(step, (*first, *memory.init_state(1).values()), dynamo=True)
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
