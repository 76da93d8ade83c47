"""Lead a new chunk on from the one that is being done, while it is sampled: real-time chunking.

Black et al., "Real-time execution of action chunking flow policies", 2025: the actions done while the network thinks are
fixed, those after them are pulled towards the old chunk, the less the later they are. `runtime.chunks.prefix_weights` are
the weights. Here for v as well as for flow; at much noise epsilon says nothing of the data, and `Pull` pulls at nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robomem.policy.diffusion.sampling import Denoise, plain
from robomem.policy.schedules import ALPHA, SIGMA, X0_PREDICTED, X0_X, inpainted

MAX_WEIGHT = 10.0  # beta of the paper


@dataclass(frozen=True, slots=True, eq=False)
class Pull:
    """Guide by the gradient of the distance to the old chunk, through the denoiser.

    Attributes:
        known: The actions of the old chunk, normalised, (B, H, A); anything where the weight is 0.
        weights: (H, 1).
        max_weight: How hard it may pull.
    """

    known: Tensor
    weights: Tensor
    max_weight: float = MAX_WEIGHT

    def __call__(self, row: Sequence[float], x: Tensor, denoise: Denoise) -> tuple[Tensor, Tensor]:
        """Return the chunks and the guided prediction: Equations (2) to (4) of the paper, r² = σ² / (α² + σ²)."""
        alpha, sigma = row[ALPHA], row[SIGMA]
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            _, predicted = plain(row, x, denoise)
            x0 = row[X0_X] * x + row[X0_PREDICTED] * predicted
            error = self.weights * (self.known - x0.detach())
            (gradient,) = torch.autograd.grad(x0, x, error)  # a vector-Jacobian product
        limit = (alpha**2 + sigma**2) / (alpha * sigma) if alpha > 0 else self.max_weight
        weight = min(self.max_weight, limit)
        led = predicted + sigma * weight / row[X0_PREDICTED] * gradient
        return x.detach(), led.detach()


@dataclass(frozen=True, slots=True, eq=False)
class Inpaint:
    """Guide without derivatives: put the old chunk in before every step, with as much noise as there is then.

    Attributes:
        known: As of `Pull`.
        weights: (H, 1).
        noise: What sampling begins with, (B, H, A).
    """

    known: Tensor
    weights: Tensor
    noise: Tensor

    def __call__(self, row: Sequence[float], x: Tensor, denoise: Denoise) -> tuple[Tensor, Tensor]:
        """Return the chunks with the old one in them, and the prediction for them."""
        put = inpainted(row, x, known=self.known, noise=self.noise, weights=self.weights)
        return plain(row, put, denoise)
