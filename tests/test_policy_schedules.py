import numpy as np
import pytest

from robomem.errors import ConfigError
from robomem.policy import schedules
from robomem.policy.schedules import advance, estimate, noise_schedule, sampler_table

diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")

LEVELS = 120
NAMES = {"epsilon": "epsilon", "v": "v_prediction", "flow": "flow_prediction"}


def network(x, t):
    """Stand in for one: it bends x, and depends on the time."""
    return np.tanh(x + np.sin(3 * t)) * (0.5 + t)


def run(table, x):
    last_x0, path = np.zeros_like(x), []
    for row in table:
        predicted = network(x, row[schedules.TIME])
        x0 = estimate(row, x, predicted)
        x, last_x0 = advance(row, x, predicted, x0, last_x0), x0
        path.append(x)
    return np.array(path)


def run_diffusers(scheduler, table, x):
    x, path = torch.from_numpy(x), []
    for row, t in zip(table, scheduler.timesteps, strict=True):
        predicted = torch.from_numpy(network(x.numpy(), row[schedules.TIME]))
        x = scheduler.step(predicted, t, x).prev_sample
        path.append(x.numpy())
    return np.array(path)


def betas(name):
    if name == "cosine":
        return {"beta_schedule": "squaredcos_cap_v2"}
    return {"beta_schedule": "linear", "beta_start": 0.1 / LEVELS, "beta_end": 20 / LEVELS}


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(2, 16, 7))


@pytest.mark.parametrize("steps", range(1, 21))
@pytest.mark.parametrize("prediction", ["epsilon", "v"])
@pytest.mark.parametrize("name", ["cosine", "linear"])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_ddim_is_that_of_diffusers(steps, prediction, name, spacing, noise):
    if spacing == "trailing" and LEVELS % steps:
        pytest.skip("there diffusers steps from levels that it never stepped to")
    scheduler = diffusers.DDIMScheduler(
        LEVELS,
        **betas(name),
        prediction_type=NAMES[prediction],
        timestep_spacing=spacing,
        clip_sample=True,
    )
    scheduler.set_timesteps(steps)
    schedule = noise_schedule(name, levels=LEVELS)

    table = sampler_table(
        schedule, sampler="ddim", prediction=prediction, steps=steps, spacing=spacing, clip=1.0
    )

    ours, theirs = run(table, noise), run_diffusers(scheduler, table, noise)
    assert np.abs(ours - theirs).max() <= 1e-5 * max(1, np.abs(theirs).max())


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # in diffusers
@pytest.mark.parametrize("steps", range(1, 21))
@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_dpm_is_that_of_diffusers(steps, prediction, noise):
    scheduler = diffusers.DPMSolverMultistepScheduler(
        LEVELS,
        **betas("linear"),
        prediction_type=NAMES[prediction],
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(steps)
    if len(scheduler.timesteps) != steps:
        pytest.skip("there diffusers makes one step too many, of rounding")
    schedule = noise_schedule("linear", levels=LEVELS)

    table = sampler_table(schedule, sampler="dpm", prediction=prediction, steps=steps)

    ours, theirs = run(table, noise), run_diffusers(scheduler, table, noise)
    assert np.abs(ours - theirs).max() <= 1e-5 * max(1, np.abs(theirs).max())


@pytest.mark.parametrize("steps", range(1, 21))
def test_euler_of_flow_is_that_of_diffusers(steps, noise):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(LEVELS)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps))
    schedule = noise_schedule("flow", levels=LEVELS)

    table = sampler_table(schedule, sampler="euler", prediction="flow", steps=steps)

    ours, theirs = run(table, noise), run_diffusers(scheduler, table, noise)
    assert np.abs(ours - theirs).max() <= 1e-5 * max(1, np.abs(theirs).max())


@pytest.mark.parametrize("steps", range(1, 21))
def test_ddim_of_flow_is_euler(steps, noise):
    schedule = noise_schedule("flow")

    euler = sampler_table(schedule, sampler="euler", prediction="flow", steps=steps)
    ddim = sampler_table(schedule, sampler="ddim", prediction="flow", steps=steps)

    np.testing.assert_allclose(run(euler, noise), run(ddim, noise), atol=1e-5)


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
@pytest.mark.parametrize("name", ["cosine", "linear", "flow"])
@pytest.mark.parametrize("steps", [1, 2, 5, 20])
@pytest.mark.parametrize("is_residual", [False, True])
def test_every_sampler_ends_at_the_data_that_a_perfect_network_knows(
    sampler, name, steps, is_residual
):
    rng = np.random.default_rng(1)
    data, noise = rng.uniform(-1, 1, (2, 50))
    schedule = noise_schedule(name)
    plain = "flow" if name == "flow" else "v"
    prediction = "residual" if is_residual else plain

    table = sampler_table(schedule, sampler=sampler, prediction=prediction, steps=steps, clip=1.0)

    x = table[0, schedules.ALPHA] * data + table[0, schedules.SIGMA] * noise
    last_x0 = np.zeros_like(x)
    for row in table.astype(float):
        alpha, sigma = row[schedules.ALPHA], row[schedules.SIGMA]
        eps = (x - alpha * data) / sigma
        predicted = eps - data if name == "flow" else alpha * eps - sigma * data
        if is_residual:
            predicted = (data - row[schedules.X0_X] * x) / row[schedules.X0_PREDICTED]
        x0 = estimate(row, x, predicted)
        x, last_x0 = advance(row, x, predicted, x0, last_x0), x0
    np.testing.assert_allclose(x, data, atol=1e-5)


@pytest.mark.parametrize("name", ["cosine", "linear", "flow"])
def test_the_levels_go_from_data_to_noise(name):
    schedule = noise_schedule(name, levels=100)

    norm = (
        schedule.alpha + schedule.sigma if name == "flow" else schedule.alpha**2 + schedule.sigma**2
    )
    np.testing.assert_allclose(norm, 1)
    assert (np.diff(schedule.alpha) < 0).all()
    assert schedule.alpha[-1] < 0.01


@pytest.mark.parametrize(
    "settings",
    [
        {"sampler": "heun", "prediction": "epsilon", "steps": 4},
        {"sampler": "ddim", "prediction": "flow", "steps": 4},
        {"sampler": "ddim", "prediction": "x0", "steps": 4},
        {"sampler": "euler", "prediction": "v", "steps": 4},
        {"sampler": "ddim", "prediction": "v", "steps": 0},
        {"sampler": "ddim", "prediction": "v", "steps": 101},
    ],
)
def test_what_does_not_fit_together_is_refused(settings):
    with pytest.raises(ConfigError):
        sampler_table(noise_schedule("cosine"), **settings)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ConfigError, match="cosine"):
        noise_schedule("sigmoid")
