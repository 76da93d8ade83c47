"""Memories against slow twins that do what the papers say, one thing at a time."""

import itertools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="memories need the extra `train`")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.nn import functional  # noqa: E402

from robomem.errors import ConfigError  # noqa: E402
from robomem.policy.memories import Moments, dependency_loss, make_memory  # noqa: E402
from robomem.policy.memories.coupling import Coupling  # noqa: E402
from robomem.policy.memories.delta_rule import Pairs, tell_all  # noqa: E402
from robomem.policy.memories.places import NEVER, Places, cells_of, tour  # noqa: E402
from robomem.policy.memories.scan import linear_scan  # noqa: E402
from tests.small_memories import D, lived, tiny, walk  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seeded(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@given(st.integers(1, 40), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_a_scan_equals_the_recurrence(length, seed):
    factors, terms = seeded(2, length, 3, seed=seed).tanh(), seeded(2, length, 3, seed=seed + 1)

    solved = linear_scan(factors, terms)

    held, expected = torch.zeros(2, 3, dtype=torch.float64), []
    for t in range(length):
        held = factors[:, t] * held + terms[:, t]
        expected.append(held)
    torch.testing.assert_close(solved, torch.stack(expected, 1))


@torch.no_grad()
def test_fast_and_forgetful_sums_equal_the_recurrence_in_double_precision():
    memory, moments = tiny("ffm"), lived(1, 3000)

    _, state = memory(moments)

    double = memory.double()
    rows = double._gated(double.embed(moments.features.double()))[0]
    rates, turns = double.log_rates.exp()[:, None], double.turns[None]
    held, last = torch.zeros(6, 3, dtype=torch.complex128), 0.0
    for row, stamp_s in zip(rows, moments.stamps_s[0].double(), strict=True):
        held = torch.exp((-rates + 1j * turns) * (stamp_s - last)) * held + row
        last = stamp_s
    sums = torch.complex(state["real"], state["imaginary"])[0]
    assert (sums - held).abs().max() / held.abs().max() < 1e-4


@torch.no_grad()
def test_a_stamp_that_goes_backwards_lets_no_time_pass():
    memory, moments = tiny("ffm"), lived(1, 6)
    backwards = moments._replace(stamps_s=torch.tensor([[0.1, 0.4, 0.2, 0.3, 0.9, 1.0]]))
    still = moments._replace(stamps_s=torch.tensor([[0.1, 0.4, 0.4, 0.4, 0.9, 1.0]]))

    torch.testing.assert_close(memory(backwards)[0], memory(still)[0])
    torch.testing.assert_close(walk(memory, backwards)[0], memory(still)[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_windowed_layer_equals_torchs_attention_with_a_mask():
    memory, moments = (
        make_memory("transformer", D, 5, size=16, heads=2, layers=1, window=8),
        lived(1, 30),
    )
    block, rows = memory.blocks[0], memory.embed(moments.features)
    normed = block.norm(rows)
    queries = block.attention.turn(block.query(normed), moments.stamps_s)
    keys, values = block.attention.entries(normed, moments.stamps_s)
    heads = [part.reshape(1, 30, 2, 8).transpose(1, 2) for part in (queries, keys, values)]
    age = torch.arange(30)[:, None] - torch.arange(30)
    attended = functional.scaled_dot_product_attention(*heads, attn_mask=(age >= 0) & (age < 8))
    rows = rows + block.out(attended.transpose(1, 2).flatten(2))

    outputs, _ = memory(moments)

    torch.testing.assert_close(outputs, memory.head(rows + block.think(rows)), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_rotated_attention_depends_on_how_long_ago_and_not_on_when():
    memory, moments = tiny("transformer"), lived(1, 20)
    later = moments._replace(stamps_s=moments.stamps_s + 5.0)

    torch.testing.assert_close(memory(later)[0], memory(moments)[0], atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_chunks_are_read_as_a_twin_reads_them_one_by_one():
    memory = make_memory("hcam", D, 5, size=16, heads=2, chunk=4, chunks=3, top_k=2, hops=1)
    moments, at = lived(1, 27), 26
    rows = memory.near.look_everywhere(
        memory.embed(moments.features),
        moments.stamps_s,
        _window_entries(memory, moments),
        torch.zeros(1, dtype=torch.long),
    )
    keys, values = (part[0] for part in memory.reader.entries(rows, moments.stamps_s))
    hop, row = memory.reader.hops[0], rows[0, at]
    asked = hop.norm(row)
    query = memory.reader.attention.turn(hop.query(asked), moments.stamps_s[0, at])
    # Moment 26 is in chunk 6; the three full ones before it are 3, 4 and 5.
    chunks = [slice(4 * i, 4 * i + 4) for i in (3, 4, 5)]
    fits = torch.stack([hop.group_query(asked) @ values[chunk].mean(0) / 4.0 for chunk in chunks])
    best, which = fits.topk(2)
    found = torch.zeros(16)
    for share, number in zip(best.softmax(0), which, strict=True):
        chunk = chunks[number]
        for head in (slice(0, 8), slice(8, 16)):
            logits = keys[chunk, head] @ query[head] / math.sqrt(8)
            weights = (30.0 * torch.tanh(logits / 30.0)).softmax(0)
            found[head] += share * (weights @ values[chunk, head])
    row = row + hop.out(found)

    outputs, _ = memory(moments)

    torch.testing.assert_close(
        outputs[0, at], memory.head(row + hop.think(row)), atol=1e-5, rtol=1e-4
    )


def _window_entries(memory, moments):
    near = memory.near.entries(memory.embed(moments.features), moments.stamps_s)
    nothing = type(near)(*(part[:, :4] * 0.0 for part in near))
    return nothing.then(near)


@torch.no_grad()
def test_a_full_bank_merges_the_neighbours_that_are_most_alike():
    memory, moments = make_memory("token-bank", D, 5, size=16, heads=2, slots=5), lived(1, 40)
    rows = memory.embeds[0](moments.features)[0].double()
    bank = []
    for row, stamp_s in zip(rows, moments.stamps_s[0].double(), strict=True):
        bank.append((row, stamp_s))
        if len(bank) > 5:
            alike = [
                float(functional.cosine_similarity(a[0], b[0], dim=0))
                for a, b in itertools.pairwise(bank)
            ]
            i = int(np.argmax(alike))
            bank[i : i + 2] = [
                ((bank[i][0] + bank[i + 1][0]) / 2, (bank[i][1] + bank[i + 1][1]) / 2)
            ]

    _, state = memory(moments)

    torch.testing.assert_close(
        state["tokens"][0, 0].double(), torch.stack([row for row, _ in bank]), atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(
        state["stamps_s"][0, 0].double(),
        torch.stack([stamp for _, stamp in bank]),
        atol=1e-5,
        rtol=1e-4,
    )


def test_a_bank_that_takes_all_features_for_cognitive_is_refused():
    with pytest.raises(ConfigError, match="cognitive is 6 of 6 features"):
        make_memory("token-bank", D, 5, cognitive=D)


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_places_hold_what_queues_in_a_dictionary_hold(seed, count, queue):
    cells = torch.randint(0, 4, (1, 30, 3), generator=torch.Generator().manual_seed(seed)).float()
    cells[..., 1:] = 0.0
    nowhere = Places(
        torch.zeros(1, count, 3),
        torch.full((1, count), NEVER),
        torch.zeros(1, count, dtype=torch.long),
    )

    went = tour(nowhere, cells, queue=queue)

    twin, held = {}, count * queue
    for t, cell in enumerate(cells[0, :, 0].tolist()):
        if cell not in twin and len(twin) == count:
            twin.pop(min(twin, key=lambda known: twin[known][-1]))
        twin.setdefault(cell, []).append(t)
        seen = went.visible(torch.tensor([[t]]))[0, 0].nonzero()[:, 0] - held
        assert sorted(seen.tolist()) == sorted(
            m for visits in twin.values() for m in visits[-queue:]
        )


def test_a_place_is_the_cell_of_a_position_below_zero_too():
    positions = torch.tensor([[-0.1, 0.0, 3.9], [1.9, 2.0, -2.0]])

    assert cells_of(positions, 2.0).tolist() == [[-1.0, 0.0, 1.0], [0.0, 1.0, -1.0]]


@given(st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
@torch.no_grad()
def test_reversible_blocks_give_back_what_went_in_at_any_depth(blocks, seed):
    torch.manual_seed(seed)
    coupling = Coupling(16, blocks)
    first, second = (
        seeded(32, 16, seed=seed, dtype=torch.float32),
        seeded(32, 16, seed=seed + 1, dtype=torch.float32),
    )

    back = coupling.invert(coupling(first, second))

    torch.testing.assert_close(back[0], first, atol=2e-6 * (blocks + 1), rtol=0.0)
    torch.testing.assert_close(back[1], second, atol=2e-6 * (blocks + 1), rtol=0.0)


@torch.no_grad()
def test_a_reversible_token_gives_the_newest_observation_back_after_many_visits():
    memory, moments = tiny("reversible"), lived(1, 200)
    here = moments._replace(positions=torch.zeros(1, 200, 3))

    _, state = walk(memory, here)

    _, newest = memory.coupling.invert(state["tokens"][0, 0])
    torch.testing.assert_close(newest, memory.embed(moments.features[0, -1]), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_what_is_kept_of_a_place_depends_on_all_that_was_seen_there():
    memory, moments = tiny("reversible"), lived(1, 6)
    here = moments._replace(positions=torch.zeros(1, 6, 3))
    other = here._replace(features=here.features.clone())
    other.features[0, 0] += 1.0

    _, state = walk(memory, here)
    _, state_of_other = walk(memory, other)

    kept, kept_of_other = (
        memory.coupling.invert(each["tokens"][0, 0])[0] for each in (state, state_of_other)
    )
    assert (kept - kept_of_other).abs().max() > 1e-4


def test_the_cycle_loss_falls_when_it_is_trained():
    memory, moments = tiny("reversible").train(), lived(4, 60)
    optimizer = torch.optim.Adam(memory.parameters(), lr=1e-2)

    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        losses.append(memory.auxiliary_loss(moments))
        losses[-1].backward()
        optimizer.step()

    assert losses[-1] < 0.7 * losses[0]


@torch.no_grad()
def test_short_term_entries_go_by_the_rule():
    memory = make_memory(
        "short-term", D, 5, size=16, heads=2, slots=6, radius_m=4.0, frequency_weight=0.3
    )
    moments = lived(1, 50)
    rows = functional.normalize(memory.embed(moments.features), dim=-1)[0]
    twin = []
    for t in range(50):
        now = float(moments.stamps_s[0, t])
        near = [
            e
            for e in twin
            if (moments.positions[0, e["t"]] - moments.positions[0, t]).norm() <= 4.0
        ]
        near.sort(key=lambda e: -float(rows[e["t"]] @ rows[t]))
        for entry in near[:3]:
            entry["reads"], entry["last"] = entry["reads"] + 1, now
        if len(twin) == 6:
            twin.remove(min(twin, key=lambda e: 0.3 * e["reads"] - 0.7 * (now - e["last"])))
        twin.append({"t": t, "reads": 0, "last": now})

    _, state = memory(moments)

    held = sorted(zip(state["stamps_s"][0].tolist(), state["reads"][0].tolist(), strict=True))
    expected = sorted((float(moments.stamps_s[0, e["t"]]), float(e["reads"])) for e in twin)
    np.testing.assert_allclose(held, expected, atol=1e-6)


def test_the_gated_delta_rule_in_chunks_equals_its_recurrence():
    length, size = 75, 4
    keys = functional.normalize(seeded(2, 3, length, size, seed=1), dim=-1)
    values, queries = seeded(2, 3, length, size, seed=2), seeded(2, 3, length, size, seed=3)
    strengths, log_keeps = (
        seeded(2, 3, length, seed=4).sigmoid(),
        -seeded(2, 3, length, seed=5).square(),
    )
    matrix = seeded(2, 3, size, size, seed=6)

    answers, after = tell_all(matrix, Pairs(keys, values, strengths, log_keeps), queries)

    expected, one = [], torch.eye(size, dtype=torch.float64)
    for t in range(length):
        key, strength = keys[:, :, t, :, None], strengths[:, :, t, None, None]
        matrix = log_keeps[:, :, t, None, None].exp() * (one - strength * key * key.mT) @ matrix
        matrix = matrix + strength * key * values[:, :, t, None]
        expected.append((queries[:, :, t, None] @ matrix)[:, :, 0])
    torch.testing.assert_close(answers, torch.stack(expected, 2))
    torch.testing.assert_close(after, matrix)


def test_a_network_learns_as_the_gradient_that_torch_computes_says():
    memory, moments = tiny("neural").double(), Moments(*(part.double() for part in lived(1, 10)))
    rows = memory.embed(moments.features)
    lessons = memory.teacher(rows)
    weights = [memory.first.detach().clone(), memory.second.detach().clone()]
    momenta = [torch.zeros_like(weight) for weight in weights]
    for t in range(10):
        if t % 4 == 0:
            begun = [weight.clone().requires_grad_() for weight in weights]
        hidden = torch.tanh(begun[0] @ lessons.keys[0, t]) / math.sqrt(6)
        loss = (begun[1] @ hidden - lessons.values[0, t]).square().sum() / 2.0
        gradients = torch.autograd.grad(loss, begun, retain_graph=True)
        for i, gradient in enumerate(gradients):
            momenta[i] = (
                lessons.log_momenta[0, t].exp() * momenta[i] - lessons.rates[0, t] * gradient
            )
            weights[i] = (lessons.log_keeps[0, t].exp() * weights[i] + momenta[i]).detach()

    with torch.no_grad():
        _, state = memory(moments)

    torch.testing.assert_close(state["first_weights"][0], weights[0])
    torch.testing.assert_close(state["second_weights"][0], weights[1])


@torch.no_grad()
def test_a_network_that_sees_the_same_for_long_stays_bounded():
    memory = make_memory("neural", D, 5)
    still = Moments(
        torch.ones(1, 3000, D), torch.arange(3000.0)[None] * 0.1, torch.zeros(1, 3000, 3)
    )

    outputs, state = memory(still)

    assert outputs.isfinite().all()
    assert state["second_weights"].abs().max() < 100.0


@pytest.mark.parametrize("name", ["transformer", "hcam", "place-wise", "reversible"])
@torch.no_grad()
def test_attention_says_where_it_looked(name):
    memory, moments = tiny(name), lived(2, 30)
    reads = torch.tensor([[5, 29], [14, 8]])

    attended = memory.attend(moments, reads=reads)

    torch.testing.assert_close(attended.outputs, memory(moments, reads=reads)[0])
    totals = attended.weights.sum(-1)
    assert ((totals - 1.0).abs() < 1e-5).logical_or(totals == 0.0).all()
    later = torch.arange(30) > reads[..., None]
    assert (attended.weights * later[:, None]).abs().max() == 0.0


def test_the_loss_of_attention_is_of_the_share_that_the_pairs_got():
    weights = torch.tensor([[[[0.5, 0.25, 0.25], [0.1, 0.9, 0.0]]]])
    depends = torch.tensor([[[True, True, False], [False, False, False]]])

    loss = dependency_loss(weights, depends)

    assert float(loss) == pytest.approx(-math.log(0.75))


def test_attention_learns_to_look_where_it_is_told():
    torch.manual_seed(0)
    memory, moments = (
        make_memory("transformer", D, 5, size=16, heads=2, layers=1, window=32),
        lived(8, 20),
    )
    reads = torch.full((8, 1), 19)
    wanted = moments.features[:, :, 0].argmax(1)
    depends = functional.one_hot(wanted, 20).bool()[:, None]
    optimizer = torch.optim.Adam(memory.parameters(), lr=1e-2)

    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        losses.append(dependency_loss(memory.attend(moments, reads=reads).weights, depends))
        losses[-1].backward()
        optimizer.step()

    assert losses[-1] < 0.3 * losses[0]
