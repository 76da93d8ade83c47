"""Make chunks from noise: walk down a table of coefficients, asking the denoiser at each row."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomem.policy.diffusion.denoiser import Context, Denoiser
from robomem.policy.schedules import TIME, advance, estimate

Denoise = Callable[[Tensor, Tensor], Tensor]
"""Return the prediction for chunks (B, H, A) at times (B,)."""
Guide = Callable[[Sequence[float], Tensor, Denoise], tuple[Tensor, Tensor]]
"""Return chunks at a row of the table, moved perhaps, and the prediction for them, led to somewhere perhaps."""


def sample(
    denoise: Denoise, table: NDArray[np.float32], noise: Tensor, *, guide: Guide | None = None
) -> Tensor:
    """Return chunks (B, H, A), made from noise of that shape.

    Args:
        denoise: The network, with its context.
        table: Of `sampler_table`.
        noise: Normally distributed.
        guide: What asks the network in place of a plain call.
    """
    guide = guide or plain
    x, last_x0 = noise, torch.zeros_like(noise)
    for row in table.tolist():
        x, predicted = guide(row, x, denoise)
        x0 = estimate(row, x, predicted)
        x, last_x0 = advance(row, x, predicted, x0, last_x0), x0
    return x


def plain(row: Sequence[float], x: Tensor, denoise: Denoise) -> tuple[Tensor, Tensor]:
    """Return the chunks as they are, and what the network predicts for them."""
    return x, denoise(x, x.new_full((len(x),), row[TIME]))


def conditioned(
    denoiser: Denoiser, context: Context, *, nothing: Context | None = None, scale: float = 1.0
) -> Denoise:
    """Return the denoiser under a context, with classifier-free guidance where there is a scale.

    Ho and Salimans, "Classifier-free diffusion guidance", 2022: nothing + scale (context - nothing).

    Args:
        denoiser: The network.
        context: What the actions are conditioned on.
        nothing: The context of no token; only needed where the scale is not 1.
        scale: 0 ignores the context, 1 takes it as it is, more of it exaggerates it.
    """

    def plainly(x: Tensor, time: Tensor) -> Tensor:
        predicted: Tensor = denoiser(x, time, context)
        return predicted

    if scale == 1.0 or nothing is None:
        return plainly
    both = Context(
        torch.cat([nothing.keys_values, context.keys_values], dim=2),
        torch.cat([nothing.bias, context.bias]),
        torch.cat([nothing.pooled, context.pooled]),
    )

    def guided(x: Tensor, time: Tensor) -> Tensor:
        predicted = denoiser(torch.cat([x, x]), torch.cat([time, time]), both)
        without, with_it = predicted.chunk(2)
        towards: Tensor = without + scale * (with_it - without)
        return towards

    return guided
