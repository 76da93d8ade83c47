"""A policy without a memory of its own goes where `Memory.recall` says, and without that nowhere in particular.

python -m pytest -rP tests/test_policy_recalled.py
"""

import numpy as np
import pytest

from robomem.geometry import inverse, pose, rotation_from_yaw, transform
from robomem.memory import Memory
from robomem.types import Detection, Observation, Query, QueryKind
from robomem.working.recalled import recalled_tokens
from tests.worlds import NS, camera, in_camera

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

from robomem.policy.config import PolicyConfig  # noqa: E402
from robomem.policy.policy import DiffusionPolicy  # noqa: E402

SLOTS = 3
CONFIG = PolicyConfig(
    state_size=2,
    action_size=2,
    horizon=4,
    execute=2,
    width=32,
    depth=1,
    heads=2,
    sampling_steps=4,
    prediction="residual",
    sampler="ddim",
    noise_draws=2,
    recalled_slots=SLOTS,
)
AROUND = Query(kind=QueryKind.NEAR, near_map=(0.0, 0.0), radius_m=9.0)  # whatever is there
HOUSES, ROBOTS, STEPS, BATCH = 20, 1024, 220, 96
MOVES, STEP_M, ARRIVED_M = 14, 0.5, 0.5


def house(path, rng):
    """Return what a memory recalls of a house with a mug and up to two lamps in it, and where the mug is."""
    labels = ["mug", *["lamp"] * rng.integers(SLOTS)]
    places = [np.array([*rng.uniform(-3, 3, 2), 0.5]) for _ in labels]
    with Memory.open(path) as memory:
        for look in range(4):
            for k, (label, place) in enumerate(zip(labels, places, strict=True)):
                T_map_cam = camera(place[0] - 1.5, place[1])
                seen = Detection(label=label, p_cam=in_camera(T_map_cam, place))
                stamp_ns = NS + (look * len(labels) + k) * NS // 5
                memory.observe(
                    Observation(stamp_ns=stamp_ns, T_map_cam=T_map_cam, detections=(seen,))
                )
        return memory.recall(AROUND), places[0]


def anywhere(rng):
    return pose(rotation_from_yaw(rng.uniform(-np.pi, np.pi)), [*rng.uniform(-3, 3, 2), 0.0])


def shown(scenes, *, recalls=True):
    """Return what robots see: their state says nothing, and what is recalled all."""
    tokens = [
        recalled_tokens(hits if recalls else [], T_map_base=T, now_ns=10 * NS, slots=SLOTS)
        for T, hits in scenes
    ]
    return {
        "observation.recalled": torch.tensor(np.stack([t.features for t in tokens])),
        "observation.recalled_mask": torch.tensor(np.stack([t.mask for t in tokens])),
        "observation.state": torch.zeros(len(tokens), 2),
    }


def way(T_map_base, mug):
    """Return where the mug is from the robot, at most one step away; in steps."""
    p_base = transform(inverse(T_map_base), mug)[:2] / STEP_M
    return p_base / max(1.0, np.linalg.norm(p_base))


def trained(houses, rng):
    poses = [anywhere(rng) for _ in range(ROBOTS)]
    lived = [houses[k % len(houses)] for k in range(ROBOTS)]
    seen = shown([(T, hits) for T, (hits, _) in zip(poses, lived, strict=True)])
    ways = np.stack([way(T, mug) for T, (_, mug) in zip(poses, lived, strict=True)])
    policy = DiffusionPolicy(CONFIG)
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    for _ in range(STEPS):
        rows = torch.from_numpy(rng.integers(ROBOTS, size=BATCH))
        batch = {key: value[rows][:, None] for key, value in seen.items()}
        chunk = torch.tensor(ways, dtype=torch.float32)[rows][:, None].expand(-1, 4, -1)
        loss, _ = policy({**batch, "action": chunk})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy.eval()


def arrivals(policy, houses, rng, *, recalls):
    """Return the share of robots that reach the mug, each from anywhere, recalling anew before every move."""
    robots = [(anywhere(rng), *houses[k % len(houses)]) for k in range(100)]
    for _ in range(MOVES):
        seen = shown([(T, hits) for T, hits, _ in robots], recalls=recalls)
        moves = policy.predict_action_chunk(seen)[:, 0].numpy() * STEP_M
        robots = [
            (T @ pose(np.eye(3), [*move, 0.0]), hits, mug)
            for (T, hits, mug), move in zip(robots, moves, strict=True)
        ]
    left_m = [np.linalg.norm((T[:3, 3] - mug)[:2]) for T, _, mug in robots]
    return float(np.mean(np.array(left_m) < ARRIVED_M))


def test_a_policy_goes_where_the_memory_says_and_without_it_does_not(tmp_path):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    known = [house(tmp_path / f"{k}.rmem", rng) for k in range(HOUSES)]
    new = [house(tmp_path / f"new {k}.rmem", rng) for k in range(HOUSES // 2)]

    policy = trained(known, rng)
    found = arrivals(policy, new, rng, recalls=True)
    lost = arrivals(policy, new, rng, recalls=False)

    print(f"reached, in houses it was not trained in: {found:.2f} recalled, {lost:.2f} not")
    assert found > 0.9
    assert lost < 0.2
