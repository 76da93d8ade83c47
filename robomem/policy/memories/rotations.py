"""Time in attention: queries and keys turned by their stamps, so that what they share depends on how long ago it was.

Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021; here by seconds instead of by
steps, so that a late or a lost frame shifts nothing. Half of each head is turned and tells when, half is not and
tells what.
"""

import math

import torch
from torch import Tensor, nn

SHORTEST_PERIOD_S = 0.2
LONGEST_PERIOD_S = 2000.0


class Rotation(nn.Module):
    """Turns pairs of numbers by angles that grow with the stamps.

    The periods are spaced geometrically from `SHORTEST_PERIOD_S` to `LONGEST_PERIOD_S`.

    Attributes:
        rates: (E / 4,) radians a second.
    """

    rates: Tensor

    def __init__(self, head_size: int) -> None:
        super().__init__()
        pairs = head_size // 4
        decades = torch.linspace(math.log(SHORTEST_PERIOD_S), math.log(LONGEST_PERIOD_S), pairs)
        self.register_buffer("rates", 2.0 * math.pi * torch.exp(-decades), persistent=False)

    def forward(self, heads: Tensor, stamps_s: Tensor) -> Tensor:
        """Turn the first half of each head.

        Args:
            heads: (..., H, E).
            stamps_s: (...) seconds.
        """
        angles = stamps_s[..., None, None] * self.rates
        cosines, sines = torch.cos(angles), torch.sin(angles)
        pairs = len(self.rates)
        first, second = heads[..., :pairs], heads[..., pairs : 2 * pairs]
        turned = (first * cosines - second * sines, first * sines + second * cosines)
        return torch.cat([*turned, heads[..., 2 * pairs :]], dim=-1)
