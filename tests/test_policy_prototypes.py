"""What was done is done again near to where it was done; and how smooth that is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import ConfigError, DataError, PolicyError
from robomem.policy.smoothness import frequency_score

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

from robomem.policy.config import PolicyConfig  # noqa: E402
from robomem.policy.policy import DiffusionPolicy  # noqa: E402
from robomem.policy.prototypes import Prototypes, neural_gas  # noqa: E402


def fitted(count=4, *, falloff=5.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    prototypes = Prototypes(count, key_size=3, chunk_shape=(5, 2), falloff=falloff)
    keys = torch.randn(40, 3, generator=generator)
    chunks = torch.rand(40, 5, 2, generator=generator) * 2 - 1
    prototypes.fit(keys, chunks, rng=np.random.default_rng(seed))
    return prototypes, keys, chunks


@given(st.integers(0, 1000), st.floats(0.1, 20), st.floats(-100, 100))
@settings(deadline=None, max_examples=50)
def test_no_denoiser_leads_farther_from_a_prototype_than_the_bound(seed, falloff, said):
    prototypes, _, _ = fitted(falloff=falloff, seed=seed)
    keys = torch.randn(16, 3, generator=torch.Generator().manual_seed(seed + 1))

    actions = prototypes(torch.full((16, 5, 2), said), keys)

    gaps = (keys[:, None] - prototypes.keys).norm(dim=-1)
    distance, nearest = gaps.min(1)
    done = prototypes.chunks[nearest]
    bound = (1 - torch.exp(-falloff * distance))[:, None, None] * (1 + done.abs())
    assert ((actions - done).abs() <= bound + 1e-5).all()


def test_at_a_prototype_its_actions_are_done():
    prototypes, _, _ = fitted()

    actions = prototypes(torch.zeros(4, 5, 2), prototypes.keys)

    torch.testing.assert_close(actions, prototypes.chunks, rtol=0, atol=2e-3)  # cdist's round-off


def test_far_away_the_denoiser_decides():
    prototypes, _, _ = fitted()
    chunks = torch.rand(3, 5, 2)

    torch.testing.assert_close(prototypes(chunks, torch.full((3, 3), 100.0)), chunks)


def test_prototypes_are_demonstrations():
    prototypes, keys, chunks = fitted(6)

    for key, chunk in zip(prototypes.keys, prototypes.chunks, strict=True):
        (index,) = torch.nonzero((keys == key).all(1)).flatten()
        assert torch.equal(chunks[index], chunk)


def test_neural_gas_finds_the_clusters():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [5, 0], [0, 5], [5, 5]])
    points = np.concatenate([c + 0.1 * rng.normal(size=(50, 2)) for c in centres])

    nodes = neural_gas(points, 4, rng=rng)

    assert np.abs(nodes[:, None] - centres).sum(-1).min(0).max() < 0.1


def test_neural_gas_ends_as_k_means():
    """Every node is the mean of the points that are nearest to it: Lloyd's condition."""
    rng = np.random.default_rng(1)
    points = rng.normal(size=(200, 2))

    nodes = neural_gas(points, 8, rng=rng, epochs=100)

    nearest = ((points[:, None] - nodes) ** 2).sum(-1).argmin(1)
    means = np.array([points[nearest == k].mean(0) for k in range(8)])
    np.testing.assert_allclose(nodes, means, atol=0.1)


def test_too_few_demonstrations_are_refused():
    prototypes = Prototypes(4, key_size=3, chunk_shape=(5, 2))

    with pytest.raises(DataError, match="prototypes"):
        prototypes.fit(torch.zeros(3, 3), torch.zeros(3, 5, 2), rng=np.random.default_rng(0))
    with pytest.raises(DataError, match="within"):
        prototypes.fit(torch.zeros(4, 3), torch.full((4, 5, 2), 2.0), rng=np.random.default_rng(0))
    with pytest.raises(ConfigError):
        neural_gas(np.zeros((3, 2)), 4, rng=np.random.default_rng(0))


def test_a_policy_does_what_was_done(tmp_path):
    torch.manual_seed(0)
    sizes = {"width": 16, "depth": 1, "heads": 2, "horizon": 4, "execute": 2, "sampling_steps": 2}
    config = PolicyConfig(state_size=3, action_size=2, prototypes=8, memory="gru", **sizes)
    policy = DiffusionPolicy(config).eval()
    states, chunks = torch.randn(8, 1, 3), torch.rand(8, 1, 4, 2) * 2 - 1
    batch = {"observation.state": states, "action": chunks}

    policy.remember(batch, rng=np.random.default_rng(0))
    policy.save_pretrained(tmp_path)
    again = DiffusionPolicy.from_pretrained(tmp_path)
    seen, _ = again.look({"observation.state": states[:, 0]}, None)
    is_prototype = torch.cdist(seen.key, again.prototypes.keys).min(1).values < 1e-3

    assert is_prototype.sum() >= 4
    done = again.sample(seen)
    torch.testing.assert_close(done[is_prototype], chunks[is_prototype, 0], rtol=0, atol=0.02)


def test_prototypes_are_not_left_out_of_an_export_unsaid(tmp_path):
    pytest.importorskip("onnx")
    from robomem.policy.export.folder import export_policy

    sizes = {"width": 16, "depth": 1, "heads": 2, "horizon": 4, "execute": 2}
    policy = DiffusionPolicy(PolicyConfig(state_size=3, action_size=2, prototypes=2, **sizes))
    batch = {"observation.state": torch.randn(4, 3), "action": torch.zeros(4, 4, 2)}
    policy.remember(batch, rng=np.random.default_rng(0))

    with pytest.raises(PolicyError, match="prototypes"):
        export_policy(policy, tmp_path / "exported")

    assert not (tmp_path / "exported").exists()


def test_a_policy_without_prototypes_remembers_none():
    sizes = {"width": 16, "depth": 1, "heads": 2, "horizon": 4, "execute": 2}
    policy = DiffusionPolicy(PolicyConfig(state_size=3, action_size=2, **sizes))

    with pytest.raises(ConfigError, match="prototypes"):
        policy.remember({"observation.state": torch.zeros(1, 3)}, rng=np.random.default_rng(0))


@pytest.mark.parametrize("cycles", [1, 5, 20, 49])
def test_a_sine_scores_its_frequency(cycles):
    t = np.arange(100)

    score = frequency_score(3 + 2 * np.sin(2 * np.pi * cycles * t / 100)[:, None])

    assert score == pytest.approx(cycles / 50)


@given(st.floats(-1e3, 1e3), st.integers(2, 200))
def test_standing_still_scores_nothing(level, length):
    assert frequency_score(np.full((length, 3), level)) == 0


def test_back_and_forth_scores_one():
    assert frequency_score((-1.0) ** np.arange(64)[:, None]) == pytest.approx(1)


def test_actions_that_are_none_are_refused():
    for wrong in (np.zeros(5), np.zeros((1, 2)), np.full((5, 2), np.nan)):
        with pytest.raises(DataError):
            frequency_score(wrong)
