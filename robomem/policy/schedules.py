"""Noise schedules, and samplers as tables of coefficients: numpy only, the same in torch, numpy and an ONNX Loop.

Noise goes in by x_t = alpha x_0 + sigma noise, and a network predicts noise, v, flow or a residual at (x_t, t). Each of
these is linear in x_0 and noise, and so is every step of every sampler here: a sampler is a table with a row a step.

    x_0    = clip(row[X0_X] x + row[X0_PREDICTED] predicted, ± row[CLIP])
    x_next = row[NEXT_X] x + row[NEXT_PREDICTED] predicted + row[NEXT_X0] x_0 + row[NEXT_LAST_X0] last_x_0

`last_x_0` is the x_0 of the step before, anything finite at the first. The network is told row[TIME], in (0, 1].
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from robomem.errors import ConfigError

Floats = NDArray[np.float64]
Prediction = Literal["epsilon", "v", "flow", "residual"]
Sampler = Literal["ddim", "dpm", "euler"]
Spacing = Literal["trailing", "leading"]
ArrayOrTensor = TypeVar("ArrayOrTensor", bound=Any)

DATA_STD = 0.5  # of actions in [-1, 1], as the residual takes it

TIME, X0_X, X0_PREDICTED, CLIP, NEXT_X, NEXT_PREDICTED, NEXT_X0, NEXT_LAST_X0 = range(8)
ALPHA, SIGMA = 8, 9  # what guidance needs to know of a step
COLUMNS = 10


@dataclass(frozen=True, slots=True, eq=False)
class NoiseSchedule:
    """How much is left of the data, and how much noise there is, at each of T levels.

    Attributes:
        times: (T,) in (0, 1], what the network is told.
        alpha: (T,) factor of the data, falling.
        sigma: (T,) factor of the noise, rising.
        is_flow: Whether alpha + sigma = 1; else alpha² + sigma² = 1.
    """

    times: Floats
    alpha: Floats
    sigma: Floats
    is_flow: bool


def noise_schedule(name: str, *, levels: int = 100) -> NoiseSchedule:
    """Return the schedule "cosine", "linear" or "flow".

    The cosine is that of Nichol and Dhariwal, "Improved denoising diffusion probabilistic models", 2021, Equation
    (17); the linear one that of Ho et al., "Denoising diffusion probabilistic models", 2020, for any number of
    levels; flow is the straight path of Lipman et al., "Flow matching for generative modeling", 2023.

    Raises:
        ConfigError: There is no such schedule, or it has no level.
    """
    if levels < 1:
        raise ConfigError(f"a noise schedule has 1 level or more, got {levels}")
    times = np.arange(1, levels + 1) / levels
    if name == "flow":
        return NoiseSchedule(times, 1 - times, times, is_flow=True)
    if name == "cosine":
        signal = np.cos((np.append(0.0, times) + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - signal[1:] / signal[:-1], 0.999)
    elif name == "linear":
        betas = np.minimum(np.linspace(0.1, 20.0, levels) / levels, 0.999)
    else:
        raise ConfigError(f"a noise schedule is cosine, linear or flow, got {name!r}")
    left = np.cumprod(1 - betas)
    return NoiseSchedule(times, np.sqrt(left), np.sqrt(1 - left), is_flow=False)


def sampler_table(
    schedule: NoiseSchedule,
    *,
    sampler: Sampler,
    prediction: Prediction,
    steps: int,
    spacing: Spacing = "trailing",
    clip: float = np.inf,
) -> NDArray[np.float32]:
    """Return the table (steps, COLUMNS) that leads from noise to data.

    Args:
        schedule: The one trained with.
        sampler: "ddim" (Song et al., 2021, Equation (12) with no noise), "dpm" (DPM-Solver++(2M): Lu et al., 2022,
            Algorithm 2), or "euler", which for flow is the same as "ddim".
        prediction: What the network was trained to predict.
        steps: How often the network is asked.
        spacing: Where the steps lie: "trailing" begins at full noise (Lin et al., "Common diffusion noise schedules
            and sample steps are flawed", 2024), "leading" does not. Of "flow" they are always evenly spaced.
        clip: Every estimate of x_0 is held within ± this; "ddim" goes on with the noise that was predicted.

    Raises:
        ConfigError: There is no such sampler or prediction, it does not fit the schedule, or steps is too many.
    """
    _check(schedule, sampler, prediction, steps)
    times, alpha, sigma = _levels(schedule, steps, spacing)
    table = np.zeros((steps, COLUMNS))
    table[:, TIME], table[:, CLIP] = times, clip
    table[:, ALPHA], table[:, SIGMA] = alpha[:-1], sigma[:-1]
    x0, noise = data_and_noise(alpha[:-1], sigma[:-1], prediction)
    table[:, [X0_X, X0_PREDICTED]] = x0
    if sampler == "dpm":
        table[:, NEXT_X : NEXT_LAST_X0 + 1] = _dpm_steps(alpha, sigma)
    elif sampler == "euler":
        table[:, [NEXT_X, NEXT_PREDICTED]] = np.stack([np.ones(steps), np.diff(sigma)], axis=1)
    else:
        table[:, [NEXT_X, NEXT_PREDICTED]] = sigma[1:, None] * noise
        table[:, NEXT_X0] = alpha[1:]
    return table.astype(np.float32)


def estimate(row: Any, x: ArrayOrTensor, predicted: ArrayOrTensor) -> ArrayOrTensor:
    """Return the data x_0 that a prediction at x stands for, held within the clip of the row.

    Args:
        row: (COLUMNS,) of a table.
        x: Arrays or tensors of any shape.
        predicted: Of the shape of x.
    """
    x0 = row[X0_X] * x + row[X0_PREDICTED] * predicted
    clipped: ArrayOrTensor = x0.clip(-row[CLIP], row[CLIP])
    return clipped


def advance(
    row: Any, x: ArrayOrTensor, predicted: ArrayOrTensor, x0: ArrayOrTensor, last_x0: ArrayOrTensor
) -> ArrayOrTensor:
    """Return x after one step, given what was predicted at it and the last two estimates of the data."""
    stepped: ArrayOrTensor = (
        row[NEXT_X] * x
        + row[NEXT_PREDICTED] * predicted
        + row[NEXT_X0] * x0
        + row[NEXT_LAST_X0] * last_x0
    )
    return stepped


def data_and_noise(alpha: Floats, sigma: Floats, prediction: Prediction) -> tuple[Floats, Floats]:
    """Return the factors (N, 2) of x and of a prediction in x_0, and those in the noise.

    The residual is what is left when x_0 was guessed linearly from x, at unit variance: Karras et al., "Elucidating the
    design space of diffusion-based generative models", 2022, Table 1, for any schedule. The network need not copy its
    noisy input to its output then.

    Args:
        alpha: (N,) factors of the data,
        sigma: and of the noise.
        prediction: Of the network.
    """
    one, zero = np.ones_like(alpha), np.zeros_like(alpha)
    if prediction == "epsilon":
        x0, noise = (1 / alpha, -sigma / alpha), (zero, one)
    elif prediction == "v":
        # v = alpha noise - sigma x_0: Salimans and Ho, "Progressive distillation", 2022.
        x0, noise = (alpha, -sigma), (sigma, alpha)
    elif prediction == "flow":  # the velocity noise - x_0
        x0, noise = (one, -sigma), (one, alpha)
    else:
        variance = sigma**2 + (alpha * DATA_STD) ** 2
        skip, scale = alpha * DATA_STD**2 / variance, sigma * DATA_STD / np.sqrt(variance)
        x0, noise = (skip, scale), ((1 - alpha * skip) / sigma, -alpha * scale / sigma)
    return np.stack(x0, axis=1), np.stack(noise, axis=1)


def inpainted(
    row: Any, x: ArrayOrTensor, *, known: ArrayOrTensor, noise: ArrayOrTensor, weights: Any
) -> ArrayOrTensor:
    """Return x with what is known of the data put in, with as much noise as x has at this row.

    Guidance without derivatives: Janner et al., "Planning with diffusion", 2022, call it inpainting.

    Args:
        row: (COLUMNS,) of a table.
        x: Chunks (..., H, A).
        known: The data, of that shape.
        noise: What sampling began with, of that shape.
        weights: (H, 1), 1 where it is known for sure and 0 where nothing is.
    """
    put: ArrayOrTensor = weights * (row[ALPHA] * known + row[SIGMA] * noise) + (1 - weights) * x
    return put


def _check(schedule: NoiseSchedule, sampler: str, prediction: str, steps: int) -> None:
    if sampler not in ("ddim", "dpm", "euler"):
        raise ConfigError(f"a sampler is ddim, dpm or euler, got {sampler!r}")
    if prediction not in ("epsilon", "v", "flow", "residual"):
        raise ConfigError(f"a prediction is epsilon, v, flow or residual, got {prediction!r}")
    if prediction != "residual" and (prediction == "flow") != schedule.is_flow:
        raise ConfigError(f"{prediction} is not predicted on this schedule: flow goes with flow")
    if sampler == "euler" and prediction != "flow":
        raise ConfigError("euler is for flow; elsewhere ddim is what it would be")
    if not 1 <= steps <= len(schedule.times):
        raise ConfigError(f"1 to {len(schedule.times)} sampling steps, got {steps}")


def _levels(schedule: NoiseSchedule, steps: int, spacing: Spacing) -> tuple[Floats, Floats, Floats]:
    """Return the times (steps,) that the network is asked at, and alpha and sigma (steps + 1,), with the data last."""
    if schedule.is_flow:
        times = np.linspace(1.0, 0.0, steps + 1)
        return times[:-1], 1 - times, times
    levels = len(schedule.times)
    if spacing == "trailing":
        index = np.round(np.arange(steps, 0, -1) * (levels / steps)).astype(int) - 1
    else:
        index = np.arange(steps)[::-1] * (levels // steps)
    alpha = np.append(schedule.alpha[index], 1.0)
    return schedule.times[index], alpha, np.append(schedule.sigma[index], 0.0)


def _dpm_steps(alpha: Floats, sigma: Floats) -> Floats:
    """Return the factors (steps, 4) of x, the prediction, x_0 and the last x_0.

    The first step and the last one, onto sigma = 0, are of first order.
    """
    with np.errstate(divide="ignore"):
        log_snr = np.log(alpha) - np.log(sigma)  # -inf at full noise of flow, inf at the data
    h = np.diff(log_snr)
    gain = -alpha[1:] * np.expm1(-h)
    half = np.zeros(len(h))  # 1 / (2 r), r the last h over this one
    half[1:-1] = h[1:-1] / h[:-2] / 2
    return np.stack(
        [sigma[1:] / sigma[:-1], np.zeros(len(h)), gain * (1 + half), -gain * half], axis=1
    )
