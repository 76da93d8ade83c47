"""What the denoiser is trained on: noise, v, flow or a residual, at a random level of noise."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from robomem.policy.schedules import NoiseSchedule, Prediction, data_and_noise


class Noised(NamedTuple):
    """Chunks with noise.

    Attributes:
        x: (B, H, A).
        times: (B,) what the network is told.
        wanted: What it is to predict, (B, H, A).
        factors: (2, B, 1, 1) of x and of a prediction in the chunks without noise.
    """

    x: Tensor
    times: Tensor
    wanted: Tensor
    factors: Tensor

    def data(self, predicted: Tensor) -> Tensor:
        """Return the chunks that a prediction stands for."""
        return self.factors[0] * self.x + self.factors[1] * predicted


class Noising(nn.Module):
    """Put noise on chunks, and tell what is to be predicted of them."""

    levels: Tensor

    def __init__(self, schedule: NoiseSchedule, prediction: Prediction) -> None:
        super().__init__()
        x0, _ = data_and_noise(schedule.alpha, schedule.sigma, prediction)
        levels = np.stack([schedule.times, schedule.alpha, schedule.sigma, *x0.T])
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)

    def forward(self, x0: Tensor, *, generator: torch.Generator | None = None) -> Noised:
        """Put noise on chunks, at a level drawn for each.

        Args:
            x0: Normalised chunks, (B, H, A).
            generator: Of the levels and the noise.
        """
        drawn = torch.randint(self.levels.shape[1], x0.shape[:1], generator=generator)
        noise = torch.randn(x0.shape, generator=generator).to(x0)
        levels = self.levels[:, drawn.to(x0.device), None, None]
        _, alpha, sigma, of_x, of_predicted = levels
        x = alpha * x0 + sigma * noise
        return Noised(x, levels[0, :, 0, 0], (x0 - of_x * x) / of_predicted, levels[3:])


def masked_error(predicted: Tensor, wanted: Tensor, *, is_pad: Tensor | None = None) -> Tensor:
    """Return the mean squared error of chunks (B, H, A) over the actions that are no padding, (B, H)."""
    error = (predicted - wanted).square().mean(-1)
    if is_pad is None:
        return error.mean()
    there = (~is_pad).to(error.dtype)
    return (error * there).sum() / there.sum().clamp(min=1.0)
