"""Laws that every memory of a policy obeys."""

import pytest

torch = pytest.importorskip("torch", reason="memories need the extra `train`")

from robomem.errors import ConfigError  # noqa: E402
from robomem.policy.memories import MEMORIES, Moments, make_memory, minds_places  # noqa: E402
from tests.small_memories import OUT, D, cut, lived, tiny, walk  # noqa: E402

every_memory = pytest.mark.parametrize("name", MEMORIES)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@every_memory
@torch.no_grad()
def test_stepping_through_a_sequence_equals_running_over_it(name):
    memory, moments = tiny(name), lived(3, 41)

    stepped, _ = walk(memory, moments)
    run, _ = memory(moments)

    torch.testing.assert_close(stepped, run, atol=1e-5, rtol=1e-4)


@every_memory
@torch.no_grad()
def test_where_the_robot_was_makes_a_difference_to_who_says_so_only(name):
    memory, moments = tiny(name), lived(2, 41)

    here, _ = memory(moments)
    elsewhere, _ = memory(moments._replace(positions=torch.zeros_like(moments.positions)))

    assert torch.equal(here, elsewhere) != minds_places(name)


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
def test_stepping_goes_on_from_where_running_ended(name):
    memory, moments = tiny(name), lived(2, 41)

    whole, _ = memory(moments)
    _, state = memory(cut(moments, 0, 23))
    stepped, _ = walk(memory, cut(moments, 23, 41), state)

    torch.testing.assert_close(stepped, whole[:, 23:], atol=1e-5, rtol=1e-4)


@every_memory
@torch.no_grad()
def test_a_step_whose_state_is_thrown_away_changes_nothing(name):
    memory, moments, other = tiny(name), lived(1, 60), lived(1, 60, seed=2)

    state, outputs = memory.init_state(1), []
    for t in range(60):
        memory.step(Moments(*(part[:, t] for part in other)), state)
        output, state = memory.step(Moments(*(part[:, t] for part in moments)), state)
        outputs.append(output)

    torch.testing.assert_close(torch.stack(outputs, 1), walk(memory, moments)[0])


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


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("gru", {"size": 0}),
        ("gru", {"size": "64"}),
        ("gru", {"size": True}),
        ("hcam", {"size": 10, "heads": 4}),
        ("token-bank", {"cognitive": -1}),
        ("place-wise", {"cell_m": 0.0}),
        ("place-wise", {"cell_m": float("nan")}),
        ("short-term", {"frequency_weight": 1.5}),
    ],
)
def test_a_setting_out_of_range_is_refused(name, settings):
    (key, *_) = settings

    with pytest.raises(ConfigError, match=f"{key}.* of memory {name}"):
        make_memory(name, D, OUT, **settings)


def test_sizes_below_one_are_refused():
    with pytest.raises(ConfigError, match="takes in 0 numbers"):
        make_memory("gru", 0, OUT)


def test_a_setting_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ConfigError, match="gru has no setting chunks, only size"):
        make_memory("gru", D, OUT, chunks=3)
