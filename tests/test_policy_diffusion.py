"""A small denoiser learns two modes; every sampler finds both, and guidance stays in one."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

from robomem.policy.diffusion.denoiser import Denoiser  # noqa: E402
from robomem.policy.diffusion.guidance import Inpaint, Pull  # noqa: E402
from robomem.policy.diffusion.losses import Noising, masked_error  # noqa: E402
from robomem.policy.diffusion.sampling import conditioned, sample  # noqa: E402
from robomem.policy.runtime.chunks import prefix_weights  # noqa: E402
from robomem.policy.schedules import noise_schedule, sampler_table  # noqa: E402

HORIZON, WIDTH = 8, 24
MODES = 0.7  # the hand goes left or right, all the chunk long


def make_denoiser():
    return Denoiser(horizon=HORIZON, action_size=1, width=WIDTH, depth=1, heads=2)


def empty_context(denoiser, size):
    return denoiser.prepare(torch.zeros(size, 1, WIDTH), torch.zeros(size, 1, dtype=torch.bool))


def chunks_of_two_modes(count, generator):
    side = torch.randint(2, (count, 1, 1), generator=generator) * 2.0 - 1
    ramp = torch.linspace(0.8, 1, HORIZON)[None, :, None]
    return MODES * side * ramp + 0.02 * torch.randn(count, HORIZON, 1, generator=generator)


@pytest.fixture(scope="module", params=["epsilon", "v", "flow", "residual"])
def learned(request):
    torch.manual_seed(0)
    prediction = request.param
    schedule = noise_schedule("flow" if prediction in ("flow", "residual") else "cosine")
    denoiser, noising = make_denoiser(), Noising(schedule, prediction)
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=4e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    for _ in range(300):
        noised = noising(chunks_of_two_modes(128, generator), generator=generator)
        predicted = denoiser(noised.x, noised.times, empty_context(denoiser, 128))
        loss = masked_error(predicted, noised.wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return denoiser.eval().requires_grad_(False), schedule, prediction


def table_of(learned, sampler, steps=10):
    _, schedule, prediction = learned
    if sampler == "euler" and prediction != "flow":
        pytest.skip("euler is for flow")
    return sampler_table(schedule, sampler=sampler, prediction=prediction, steps=steps, clip=1.0)


def made(learned, table, *, count=200, guide=None, noise=None):
    denoiser = learned[0]
    if noise is None:
        noise = torch.randn(count, HORIZON, 1, generator=torch.Generator().manual_seed(2))
    denoise = conditioned(denoiser, empty_context(denoiser, len(noise)))
    return sample(denoise, table, noise, guide=guide)[..., 0].numpy()


@pytest.mark.parametrize("sampler", ["ddim", "dpm", "euler"])
def test_both_modes_are_learned_and_not_their_mean(learned, sampler):
    chunks = made(learned, table_of(learned, sampler))

    sides = np.sign(chunks.mean(1))
    assert 0.3 < (sides > 0).mean() < 0.7
    wanted = sides[:, None] * MODES * np.linspace(0.8, 1, HORIZON)
    assert np.mean(np.abs(chunks - wanted).max(1) < 0.2) > 0.85


@pytest.mark.parametrize("guidance", ["pull", "inpaint"])
def test_a_new_chunk_goes_on_as_the_old_one(learned, guidance):
    if (learned[2], guidance) == ("epsilon", "pull"):
        pytest.skip("at full noise epsilon says nothing of the data: there is no slope to follow")
    table = table_of(learned, "ddim")
    noise = torch.randn(100, HORIZON, 1, generator=torch.Generator().manual_seed(3))
    known = MODES * torch.ones(100, HORIZON, 1)
    weights = torch.tensor(prefix_weights(HORIZON, delay=2, overlap=6))[:, None].float()
    guide = Pull(known, weights) if guidance == "pull" else Inpaint(known, weights, noise)

    free = made(learned, table, noise=noise)
    led = made(learned, table, noise=noise, guide=guide)

    assert (free.mean(1) > 0).mean() < 0.7
    assert (led.mean(1) > 0).mean() > 0.8
    is_as_learned = np.abs(np.abs(led.mean(1)) - 0.9 * MODES) < 0.1
    assert is_as_learned.mean() > (0.9 if guidance == "pull" else 0.5)


def test_the_pull_is_the_gradient_of_the_distance():
    torch.manual_seed(0)
    denoiser = make_denoiser().double()
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    table = sampler_table(noise_schedule("flow"), sampler="euler", prediction="flow", steps=4)
    row = table[2].astype(float).tolist()
    context = denoiser.prepare(torch.randn(1, 3, WIDTH).double(), torch.ones(1, 3) > 0)
    denoise = conditioned(denoiser, context)
    x, known = torch.randn(2, 1, HORIZON, 1, dtype=torch.float64)
    weights = torch.tensor(prefix_weights(HORIZON, delay=2, overlap=6))[:, None]
    tau, r2 = 0.5, 0.5  # row 2 of 4: half of it noise
    at = torch.full((1,), 0.5, dtype=torch.float64)

    def x0(x):
        return x - 0.5 * denoise(x, at)

    with torch.no_grad():
        error = weights * (known - x0(x))
        slope = torch.zeros_like(x)
        for index in range(HORIZON):
            step = torch.zeros_like(x)
            step[0, index] = 1e-6
            slope[0, index] = ((x0(x + step) - x0(x - step)) / 2e-6 * error).sum()
        wanted = denoise(x, at) - (1 - tau) / (tau * r2) * slope
    _, predicted = Pull(known, weights)(row, x, denoise)

    torch.testing.assert_close(predicted, wanted, rtol=1e-6, atol=1e-8)


def test_an_untrained_denoiser_predicts_nothing():
    denoiser = make_denoiser()  # AdaLN-zero

    predicted = denoiser(torch.randn(2, HORIZON, 1), torch.rand(2), empty_context(denoiser, 2))

    assert (predicted == 0).all()


def test_tokens_that_are_not_there_do_not_count():
    torch.manual_seed(0)
    denoiser = make_denoiser()
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    tokens = torch.randn(2, 3, WIDTH)
    more = torch.cat([tokens, 50 * torch.randn(2, 2, WIDTH)], dim=1)
    mask = torch.tensor([[True] * 3 + [False] * 2] * 2)
    chunk, time = torch.randn(2, HORIZON, 1), torch.rand(2)

    alone = denoiser(chunk, time, denoiser.prepare(tokens, mask[:, :3]))
    padded = denoiser(chunk, time, denoiser.prepare(more, mask))

    torch.testing.assert_close(alone, padded)


def test_guidance_is_a_line_through_both_predictions():
    torch.manual_seed(0)
    denoiser = make_denoiser()
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    tokens, mask = torch.randn(2, 3, WIDTH), torch.ones(2, 3) > 0
    context, nothing = denoiser.prepare(tokens, mask), denoiser.prepare(tokens, ~mask)
    x, time = torch.randn(2, HORIZON, 1), torch.rand(2)

    guided = conditioned(denoiser, context, nothing=nothing, scale=1.5)(x, time)

    with_it, without = denoiser(x, time, context), denoiser(x, time, nothing)
    torch.testing.assert_close(guided, without + 1.5 * (with_it - without))
