"""A policy without a memory of its own goes where `Memory.recall` says."""

import numpy as np
import pytest

from robomem.types import Entity, EntityState, Evidence, Hit
from robomem.working.recalled import recalled_tokens

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

from robomem.policy.config import PolicyConfig  # noqa: E402
from robomem.policy.policy import DiffusionPolicy  # noqa: E402

SLOTS = 3
CONFIG = {
    "state_size": 2,
    "action_size": 2,
    "horizon": 4,
    "execute": 2,
    "width": 32,
    "depth": 1,
    "heads": 2,
    "sampling_steps": 4,
    "prediction": "residual",
    "sampler": "ddim",
    "noise_draws": 2,
    "recalled_slots": SLOTS,
}


def a_hit(label, p_map):
    p = np.array(p_map)
    entity = Entity(1, label, EntityState.PRESENT, 0, p, p, None, 0, 0, 3, 0.9)
    return Hit(0.9, Evidence(0, 0.9, label, p_map=p), entity=entity)


def scenes(count, rng):
    """Return tokens of a mug and other things anywhere, in any order, and the way to the mug."""
    tokens, ways = [], []
    for _ in range(count):
        angle = rng.uniform(-np.pi, np.pi)
        mug = a_hit("mug", (2 * np.cos(angle), 2 * np.sin(angle), 0))
        others = [a_hit("lamp", rng.uniform(-3, 3, 3)) for _ in range(rng.integers(SLOTS))]
        hits = [[mug, *others][k] for k in rng.permutation(1 + len(others))]
        tokens.append(recalled_tokens(hits, T_map_base=np.eye(4), now_ns=10**9, slots=SLOTS))
        ways.append([np.cos(angle), np.sin(angle)])
    recalled = {
        "observation.recalled": torch.tensor(np.stack([t.features for t in tokens])),
        "observation.recalled_mask": torch.tensor(np.stack([t.mask for t in tokens])),
        "observation.state": torch.zeros(count, 2),
    }
    return recalled, torch.tensor(ways, dtype=torch.float32)


def test_a_policy_learns_to_go_where_the_thing_is_that_was_recalled():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    policy = DiffusionPolicy(PolicyConfig(**CONFIG))
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    recalled, ways = scenes(1024, rng)
    for step in range(250):
        rows = torch.from_numpy(np.random.default_rng(step).integers(1024, size=96))
        batch = {key: value[rows][:, None] for key, value in recalled.items()}
        chunk = ways[rows][:, None].expand(-1, 4, -1)
        loss, _ = policy({**batch, "action": chunk})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    seen, wanted = scenes(100, np.random.default_rng(9))
    went = policy.eval().predict_action_chunk(seen).mean(1)

    cosine = torch.cosine_similarity(went, wanted)
    assert (cosine > 0.9).float().mean() > 0.8
