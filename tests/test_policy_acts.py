"""The diffusion policy as a whole: what it takes, what it gives, what it keeps."""

import json

import numpy as np
import pytest

from robomem.errors import ConfigError, DataError, PolicyFolderError, StampError

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

from robomem.policy.config import PolicyConfig  # noqa: E402
from robomem.policy.diffusion.losses import masked_error  # noqa: E402
from robomem.policy.policy import DiffusionPolicy  # noqa: E402

SMALL = {
    "state_size": 5,
    "action_size": 2,
    "horizon": 8,
    "execute": 4,
    "width": 16,
    "depth": 2,
    "heads": 2,
    "sampling_steps": 3,
}


def make_policy(**settings):
    torch.manual_seed(0)
    policy = DiffusionPolicy(PolicyConfig(**{**SMALL, **settings}))
    # AdaLN-zero begins as the identity: nothing would be seen of the rest.
    for parameter in policy.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return policy.eval()


def observation(batch=3, *, stamp_s=0.0, seed=0, **more):
    state = torch.randn(batch, 5, generator=torch.Generator().manual_seed(seed))
    stamps = torch.full((batch, 1), stamp_s)
    return {"observation.state": state, "observation.stamp_s": stamps, **more}


def episodes(batch=3, length=12, *, reads=4):
    rng = torch.Generator().manual_seed(1)
    return {
        "observation.state": torch.randn(batch, length, 5, generator=rng),
        "observation.stamp_s": (0.1 * torch.arange(length)).expand(batch, length)[..., None],
        "reads": torch.randint(length, (batch, reads), generator=rng),
        "action": (torch.rand(batch, reads, 1, 2, generator=rng) * 2 - 1).expand(-1, -1, 8, -1),
    }


@pytest.mark.parametrize(("dropout", "counts"), [(0.0, True), (0.999, False)])
def test_a_context_that_is_left_out_teaches_nothing(dropout, counts):
    policy = make_policy(context_dropout=dropout).train()

    policy(episodes())[0].backward()

    assert bool(policy.roles.grad[0].any()) == counts


@pytest.mark.parametrize("memory", ["none", "gru", "transformer", "hcam"])
def test_it_acts_with_every_memory(memory):
    policy = make_policy(memory=memory)

    actions = [policy.select_action(observation(stamp_s=0.1 * k, seed=k)) for k in range(6)]
    chunk = policy.predict_action_chunk(observation(stamp_s=0.6))

    assert {a.shape for a in actions} == {(3, 2)}
    assert chunk.shape == (3, 8, 2)
    assert chunk.abs().max() <= 1


def test_a_chunk_is_done_before_another_is_predicted():
    policy = make_policy()
    chunk = policy.predict_action_chunk(observation())
    policy.reset(seed=0)

    actions = [policy.select_action(observation(stamp_s=0.1 * k)) for k in range(5)]

    torch.testing.assert_close(torch.stack(actions[:4], 1), chunk[:, :4])
    assert not torch.allclose(actions[4], chunk[:, 4])


def test_a_dropped_frame_does_not_shift_the_actions():
    policy = make_policy()
    chunk = policy.predict_action_chunk(observation())
    policy.reset(seed=0)

    policy.select_action(observation(stamp_s=0.0))
    late = policy.select_action(observation(stamp_s=0.31))

    torch.testing.assert_close(late, chunk[:, 3])


def test_the_memory_goes_by_stamps_and_not_by_steps():
    """With a few frames dropped it is nearer to what it would be than if frames were counted."""
    policy = make_policy(memory="ffm")
    frames = range(30)
    kept = [frame for frame in frames if frame not in (5, 11, 12, 20)]

    def remembered(frames, stamps_s):
        state = None
        for frame, stamp_s in zip(frames, stamps_s, strict=True):
            seen = torch.sin(0.1 * frame * torch.tensor([[1.0, 2.0, 3.0, 0.5, 0.2]]))
            stamp = torch.tensor([[stamp_s]])
            told = {"observation.state": seen, "observation.stamp_s": stamp}
            look, state = policy.look(told, state)
        return look.key

    with torch.no_grad():
        whole = remembered(frames, [0.1 * frame for frame in frames])
        dropped = remembered(kept, [0.1 * frame for frame in kept])
        counted = remembered(kept, [0.1 * (4 + step) for step in range(len(kept))])

    assert (dropped - whole).norm() < 0.75 * (counted - whole).norm()


def test_the_same_seed_gives_the_same_actions():
    policy = make_policy(memory="gru")

    policy.reset(seed=7)
    first = policy.predict_action_chunk(observation())
    policy.reset(seed=7)
    again = policy.predict_action_chunk(observation())
    other = policy.predict_action_chunk(observation())

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_acting_hears_what_training_hears():
    """The context after T observations is the one that the loss is computed under at the T-th."""
    policy = make_policy(memory="gru")
    batch = episodes()

    moments = policy._moments(batch)
    remembered, _ = policy.memory(moments)
    state = policy.memory.init_state(3)
    for t in range(12):
        now = {k: v[:, t] for k, v in batch.items() if k.startswith("observation")}
        context = policy._look(now).context

    tokens, mask = policy.tokens(moments.features[:, -1], remembered[:, -1])
    torch.testing.assert_close(policy.denoiser.prepare(tokens, mask).pooled, context.pooled)
    assert state.keys() == policy._state.keys()


def test_a_small_policy_learns():
    policy = make_policy(memory="gru", context_dropout=0.0).train()
    batch = episodes()
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    losses = []
    for _ in range(120):
        loss, logged = policy(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(logged["loss"])

    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:20])


def test_padding_does_not_count():
    predicted, wanted = torch.randn(2, 4, 8, 2)
    is_pad = torch.zeros(4, 8, dtype=torch.bool)
    is_pad[:, 5:] = True
    elsewhere = torch.where(is_pad[..., None], 99.0, wanted)

    loss = masked_error(predicted, wanted, is_pad=is_pad)

    assert loss == masked_error(predicted, elsewhere, is_pad=is_pad)
    torch.testing.assert_close(loss, (predicted - wanted)[:, :5].square().mean())


def test_actions_keep_their_units():
    policy = make_policy()
    actions = torch.stack([torch.linspace(10, 30, 50), torch.full((50,), -4.0)], 1)
    policy.normaliser.fit(torch.randn(50, 5), actions)

    normal = policy.normaliser.actions(actions)

    assert normal[:, 0].min() == -1
    assert normal[:, 0].max() == 1
    assert (normal[:, 1] == 0).all()
    torch.testing.assert_close(policy.normaliser.denormalised(normal), actions)


def test_images_are_seen(tmp_path):
    policy = make_policy(images={"wrist": (3, 32, 48)})
    image = torch.randint(256, (3, 3, 32, 48), dtype=torch.uint8)

    as_bytes = policy.predict_action_chunk(observation(**{"observation.images.wrist": image}))
    policy.reset(seed=0)
    as_floats = policy.predict_action_chunk(
        observation(**{"observation.images.wrist": image.float() / 255})
    )
    policy.reset(seed=0)
    black = policy.predict_action_chunk(
        observation(**{"observation.images.wrist": torch.zeros_like(image)})
    )

    torch.testing.assert_close(as_bytes, as_floats)
    assert not torch.allclose(as_bytes, black)


def test_images_are_learned_from():
    policy = make_policy(images={"wrist": (1, 16, 16)}, memory="gru").train()
    image = torch.rand(3, 12, 1, 16, 16)

    loss, _ = policy({**episodes(), "observation.images.wrist": image})
    loss.backward()

    gradients = [p.grad for p in policy.encoder.image_encoders.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    assert any(g.any() for g in gradients)


def test_only_the_slots_that_are_filled_count():
    policy = make_policy(recalled_slots=4, recalled_size=6)
    hits = torch.randn(3, 4, 6)
    mask = torch.tensor([[True, True, False, False]] * 3)
    garbage = torch.where(mask[..., None], hits, 1e3)

    chunks = []
    for recalled in (hits, garbage, hits + 1):
        policy.reset(seed=0)
        given = {"observation.recalled": recalled, "observation.recalled_mask": mask}
        chunks.append(policy.predict_action_chunk(observation(**given)))

    torch.testing.assert_close(chunks[0], chunks[1])
    assert not torch.allclose(chunks[0], chunks[2])


def test_guidance_exaggerates_what_the_context_says():
    plain, guided = make_policy(guidance_scale=1.0), make_policy(guidance_scale=0.0)

    seen = [guided.predict_action_chunk(observation(seed=seed)) for seed in range(2)]
    guided.reset(seed=0)
    unseen = guided.predict_action_chunk(observation(seed=0))
    guided.reset(seed=0)
    other = guided.predict_action_chunk(observation(seed=1))

    torch.testing.assert_close(unseen, other)  # at scale 0 the context does not count
    assert not torch.allclose(plain.predict_action_chunk(observation(seed=0)), seen[0])


@pytest.mark.parametrize("going_on", ["pull", "inpaint"])
def test_a_new_chunk_is_led_on_from_the_old_one(going_on):
    policy = make_policy(going_on=going_on, sampling_steps=8)
    previous = 0.9 * torch.ones(3, 6, 2)

    free = policy.predict_action_chunk(observation())
    policy.reset(seed=0)
    led = policy.predict_action_chunk(observation(), previous=previous, delay=2)

    distance = [(chunk[:, :2] - previous[:, :2]).abs().mean() for chunk in (free, led)]
    assert distance[1] < 0.7 * distance[0]


@pytest.mark.parametrize(
    "previous",
    [
        torch.zeros(2, 6, 2),
        torch.zeros(3, 9, 2),
        torch.zeros(3, 6, 1),
        torch.full((3, 6, 2), torch.nan),
    ],
)
def test_what_is_left_of_no_chunk_is_refused(previous):
    with pytest.raises(DataError, match="left of a chunk"):
        make_policy().predict_action_chunk(observation(), previous=previous)


def test_a_delay_longer_than_what_is_left_is_refused():
    with pytest.raises(ConfigError, match="overlap"):
        make_policy().predict_action_chunk(observation(), previous=torch.zeros(3, 2, 2), delay=3)


@pytest.mark.parametrize("memory", ["none", "hcam"])
def test_a_policy_is_kept_in_a_folder(tmp_path, memory):
    policy = make_policy(memory=memory)
    policy.normaliser.fit(torch.randn(50, 5), 3 * torch.rand(50, 2))
    chunk = policy.predict_action_chunk(observation())

    policy.save_pretrained(tmp_path / "policy")
    again = DiffusionPolicy.from_pretrained(tmp_path / "policy")

    assert torch.equal(again.predict_action_chunk(observation()), chunk)
    assert {p.name for p in (tmp_path / "policy").iterdir()} == {
        "config.json",
        "model.safetensors",
        "stats.json",
    }
    stats = json.loads((tmp_path / "policy" / "stats.json").read_text())
    assert set(stats) == {"observation.state", "action"}


def test_a_folder_that_is_no_policy_is_refused(tmp_path):
    make_policy().save_pretrained(tmp_path / "a")
    make_policy(width=32).save_pretrained(tmp_path / "b")

    with pytest.raises(PolicyFolderError, match=r"config\.json"):
        DiffusionPolicy.from_pretrained(tmp_path)
    (tmp_path / "a" / "model.safetensors").write_bytes(
        (tmp_path / "b" / "model.safetensors").read_bytes()
    )
    with pytest.raises(PolicyFolderError, match="does not fit"):
        DiffusionPolicy.from_pretrained(tmp_path / "a")
    broken = make_policy()
    torch.nn.init.constant_(next(broken.parameters()), torch.inf)
    broken.save_pretrained(tmp_path / "a")
    with pytest.raises(PolicyFolderError, match="not finite"):
        DiffusionPolicy.from_pretrained(tmp_path / "a")
    (tmp_path / "a" / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(PolicyFolderError, match="cannot be read"):
        DiffusionPolicy.from_pretrained(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_text('{"state_size": 5, "action_size": 2, "wings": 2}')
    with pytest.raises(ConfigError, match="wings"):
        DiffusionPolicy.from_pretrained(tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"observation.state": torch.zeros(3, 4)}, "shape"),
        ({"observation.state": torch.full((3, 5), torch.nan)}, "finite"),
        ({"observation.state": np.zeros((3, 5))}, "tensor"),
        ({"observation.stamp_s": torch.zeros(3)}, "stamp_s"),
        ({"observation.position": torch.full((3, 3), torch.inf)}, "finite"),
    ],
)
def test_a_wrong_observation_changes_nothing(change, reason):
    policy, untouched = make_policy(memory="gru"), make_policy(memory="gru")

    with pytest.raises(DataError, match=reason):
        policy.select_action({**observation(), **change})

    assert torch.equal(policy.select_action(observation()), untouched.select_action(observation()))


def test_another_episode_needs_a_reset():
    policy = make_policy(memory="gru")
    policy.select_action(observation(stamp_s=5.0))
    state = policy._state

    with pytest.raises(StampError, match="reset"):
        policy.select_action(observation(stamp_s=0.0))
    with pytest.raises(DataError, match="reset"):
        policy.select_action(observation(batch=2, stamp_s=6.0))
    assert policy._state is state
    policy.reset()
    assert policy.select_action(observation(batch=2, stamp_s=0.0)).shape == (2, 2)


def test_double_precision_is_taken():
    policy = make_policy()
    single = policy.predict_action_chunk(observation())
    policy.reset(seed=0)

    double = policy.predict_action_chunk({k: v.double() for k, v in observation().items()})

    torch.testing.assert_close(double, single)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"reads": torch.full((3, 4), 12)}, "moments"),
        ({"reads": torch.zeros(3, 4)}, "whole"),
        ({"action": torch.zeros(3, 4, 7, 2)}, "shape"),
        ({"action_is_pad": torch.zeros(3, 4, 7, dtype=torch.bool)}, "action_is_pad"),
        ({"observation.state": torch.zeros(3, 0, 5)}, "no moment"),
    ],
)
def test_wrong_demonstrations_are_refused(change, reason):
    with pytest.raises(DataError, match=reason):
        make_policy()({**episodes(), **change})


def test_a_missing_key_is_named():
    with pytest.raises(DataError, match=r"observation\.state"):
        make_policy().select_action({"state": torch.zeros(1, 5)})
    with pytest.raises(DataError, match="action"):
        make_policy()({k: v for k, v in episodes().items() if k != "action"})
