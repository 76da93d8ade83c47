"""Reversible blocks: what went in can be computed from what came out, at any depth.

Gomez et al., "The Reversible Residual Network", 2017. Each block adds to one half a function of the other half, so
the inverse subtracts the same numbers, and only round-off is lost. No dropout: it would subtract other numbers.
"""

from typing import cast

import torch
from torch import Tensor, nn

from robomem.policy.memories.layers import feed_forward


class Coupling(nn.Module):
    """Blocks y_1 = x_1 + F(x_2), y_2 = x_2 + G(y_1) on tokens of two halves, (..., 2 d)."""

    def __init__(self, size: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(size) for _ in range(blocks))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Make a token (..., 2 d) of its halves (..., d)."""
        for block in cast("list[_Block]", self.blocks):
            first = first + block.of_second(second)
            second = second + block.of_first(first)
        return torch.cat([first, second], dim=-1)

    def invert(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the halves (..., d) that tokens (..., 2 d) were made of."""
        first, second = tokens.chunk(2, dim=-1)
        for block in reversed(cast("list[_Block]", list(self.blocks))):
            second = second - block.of_first(first)
            first = first - block.of_second(second)
        return first, second


class _Block(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.of_second = feed_forward(size)
        self.of_first = feed_forward(size)
