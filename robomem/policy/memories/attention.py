"""Attention of several heads whose keys are turned by their stamps, and a block of a transformer made of it.

Vaswani et al., "Attention Is All You Need", 2017, with the norms before each part.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robomem.policy.memories.layers import feed_forward, parted
from robomem.policy.memories.rotations import Rotation


class Entries(NamedTuple):
    """What attention holds of moments: keys and values, both (..., N, C)."""

    keys: Tensor
    values: Tensor

    def then(self, later: "Entries") -> "Entries":
        """Return these entries and the later ones behind them."""
        return Entries(
            torch.cat([self.keys, later.keys], dim=-2),
            torch.cat([self.values, later.values], dim=-2),
        )

    def newest(self, count: int) -> "Entries":
        """Return the last `count` entries."""
        first = self.keys.shape[-2] - count
        return Entries(self.keys[..., first:, :], self.values[..., first:, :])


class Heads(nn.Module):
    """Keys and values of several heads, the keys turned by their stamps, and what queries make of them."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.rotation = Rotation(size // heads)

    def entries(self, rows: Tensor, stamps_s: Tensor) -> Entries:
        """Return the keys and values of rows (..., C) at stamps (...)."""
        return Entries(self.turn(self.key(rows), stamps_s), self.value(rows))

    def turn(self, rows: Tensor, stamps_s: Tensor) -> Tensor:
        """Turn rows (..., C) by their stamps (...)."""
        turned: Tensor = self.rotation(parted(rows, -1, self.heads, -1), stamps_s)
        return turned.flatten(-2)

    def weights(self, queries: Tensor, keys: Tensor, visible: Tensor) -> Tensor:
        """Return how much each query (..., R, C) minds each key (..., N, C): (..., H, R, N).

        Args:
            queries: turned by `turn`.
            keys: of `entries`.
            visible: (..., R, N), true where a query may look; each may look somewhere.
        """
        hidden = visible.logical_not()[..., None, :, :]
        return self.logits(queries, keys).masked_fill(hidden, -math.inf).softmax(dim=-1)

    def logits(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the scaled products of queries (..., R, C) and keys (..., N, C): (..., H, R, N)."""
        scale = math.sqrt(queries.shape[-1] / self.heads)
        return self.split(queries / scale) @ self.split(keys).transpose(-1, -2)

    def blend(self, weights: Tensor, values: Tensor) -> Tensor:
        """Return the values (..., N, C) blended by weights (..., H, R, N): (..., R, C)."""
        return (weights @ self.split(values)).transpose(-2, -3).flatten(-2)

    def split(self, rows: Tensor) -> Tensor:
        """Give each head its part of rows (..., N, C): (..., H, N, C / H)."""
        return parted(rows, -1, self.heads, -1).transpose(-2, -3)


class Look(NamedTuple):
    """What a block made of rows, (..., R, C), and where they looked, (..., H, R, N)."""

    rows: Tensor
    weights: Tensor


class AttentionBlock(nn.Module):
    """Attention to entries that are held, and what is made of it."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.query = nn.Linear(size, size)
        self.attention = Heads(size, heads)
        self.out = nn.Linear(size, size)
        self.think = feed_forward(size)

    def entries(self, rows: Tensor, stamps_s: Tensor) -> Entries:
        """Return what is held of rows (..., C) at stamps (...)."""
        return self.attention.entries(self.norm(rows), stamps_s)

    def look(self, rows: Tensor, stamps_s: Tensor, entries: Entries, visible: Tensor) -> Look:
        """Let rows (..., R, C) at stamps (..., R) look at the entries that are `visible`, (..., R, N)."""
        queries = self.attention.turn(self.query(self.norm(rows)), stamps_s)
        weights = self.attention.weights(queries, entries.keys, visible)
        rows = rows + self.out(self.attention.blend(weights, entries.values))
        return Look(rows + self.think(rows), weights)
