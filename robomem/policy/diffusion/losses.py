"""What the denoiser is trained on: noise, v or flow, at a random level of noise."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from robomem.policy.schedules import NoiseSchedule, Prediction


class Noised(NamedTuple):
    """Chunks with noise.

    Attributes:
        x: (B, H, A).
        times: (B,) what the network is told.
        wanted: What it is to predict, (B, H, A).
        alpha: (B, 1, 1) factor of the data,
        sigma: and of the noise.
    """

    x: Tensor
    times: Tensor
    wanted: Tensor
    alpha: Tensor
    sigma: Tensor


class Noising(nn.Module):
    """Put noise on chunks, and tell what is to be predicted of them."""

    def __init__(self, schedule: NoiseSchedule, prediction: Prediction) -> None:
        super().__init__()
        self.prediction = prediction
        for name in ("times", "alpha", "sigma"):
            levels = torch.tensor(getattr(schedule, name), dtype=torch.float32)
            self.register_buffer(name, levels, persistent=False)
        self.times: Tensor
        self.alpha: Tensor
        self.sigma: Tensor

    def forward(self, x0: Tensor, *, generator: torch.Generator | None = None) -> Noised:
        """Put noise on chunks, at a level drawn for each.

        Args:
            x0: Normalised chunks, (B, H, A).
            generator: Of the levels and the noise.
        """
        levels = torch.randint(len(self.times), x0.shape[:1], generator=generator)
        noise = torch.randn(x0.shape, generator=generator).to(x0)
        levels = levels.to(x0.device)
        alpha, sigma = self.alpha[levels, None, None], self.sigma[levels, None, None]
        x = alpha * x0 + sigma * noise
        wanted = target(self.prediction, x0, noise, alpha=alpha, sigma=sigma)
        return Noised(x, self.times[levels], wanted, alpha, sigma)

    def data(self, noised: Noised, predicted: Tensor) -> Tensor:
        """Return the chunks that a prediction stands for."""
        if self.prediction == "epsilon":
            return (noised.x - noised.sigma * predicted) / noised.alpha
        alpha = 1.0 if self.prediction == "flow" else noised.alpha
        return alpha * noised.x - noised.sigma * predicted


def target(
    prediction: Prediction, x0: Tensor, noise: Tensor, *, alpha: Tensor, sigma: Tensor
) -> Tensor:
    """Return what a network that sees alpha x_0 + sigma noise is to predict."""
    if prediction == "epsilon":
        return noise
    return noise - x0 if prediction == "flow" else alpha * noise - sigma * x0


def masked_error(predicted: Tensor, wanted: Tensor, *, is_pad: Tensor | None = None) -> Tensor:
    """Return the mean squared error of chunks (B, H, A) over the actions that are no padding, (B, H)."""
    error = (predicted - wanted).square().mean(-1)
    if is_pad is None:
        return error.mean()
    there = (~is_pad).to(error.dtype)
    return (error * there).sum() / there.sum().clamp(min=1.0)
