"""Hierarchical attention: which chunks matter, then what within them.

Lampinen et al., "Towards mental time travel: a hierarchical memory for reinforcement learning agents", 2021.
"""

import math
from typing import NamedTuple, cast

from torch import Tensor, nn

from robomem.policy.memories.layers import feed_forward, parted
from robomem.policy.memories.window import Entries, Heads

HIDDEN = -1e9
"""A logit that no softmax minds; finite, since there may be no chunk to see at all."""


class Recollection(NamedTuple):
    """What was made of rows, (B, R, C), and where they looked, (B, H, R, G, S)."""

    rows: Tensor
    weights: Tensor


class ChunkReader(nn.Module):
    """Reads chunks several times over, each time with a question that the last answer has changed."""

    def __init__(self, size: int, heads: int, *, top_k: int, hops: int) -> None:
        super().__init__()
        self.top_k = top_k
        self.entry_norm = nn.LayerNorm(size)
        self.attention = Heads(size, heads)
        self.summary = nn.Linear(size, size)
        self.hops = nn.ModuleList(_Hop(size) for _ in range(hops))

    def entries(self, rows: Tensor, stamps_s: Tensor) -> Entries:
        """Return what is held of rows (..., C) at stamps (...)."""
        return self.attention.entries(self.entry_norm(rows), stamps_s)

    def forward(
        self, rows: Tensor, stamps_s: Tensor, chunks: Entries, visible: Tensor
    ) -> Recollection:
        """Read.

        Args:
            rows: (B, R, C) what is asked.
            stamps_s: (B, R) when.
            chunks: of G chunks with S moments each, (B, G, S, C).
            visible: (B, R, G) chunks that may be read; where there is none, nothing is added.
        """
        summaries = self.summary(chunks.values.mean(dim=-2))
        weights = rows.new_zeros(())
        for hop in cast("list[_Hop]", self.hops):
            asked = hop.norm(rows)
            chunk_weights = self._choose(hop.chunk_query(asked), summaries, visible)
            queries = self.attention.turn(hop.query(asked), stamps_s)
            weights = self._within(queries, chunks.keys) * chunk_weights[:, None, ..., None]
            found = self.attention.blend(weights.flatten(-2), chunks.values.flatten(1, 2))
            rows = rows + hop.out(found)
            rows = rows + hop.think(rows)
        return Recollection(rows, weights)

    def _choose(self, queries: Tensor, summaries: Tensor, visible: Tensor) -> Tensor:
        """Return the weights of the k chunks that fit best, and zeros elsewhere: (B, R, G)."""
        logits = queries @ summaries.transpose(-1, -2) / math.sqrt(queries.shape[-1])
        logits = logits.masked_fill(~visible, HIDDEN)
        least = logits.topk(min(self.top_k, logits.shape[-1]), dim=-1).values[..., -1:]
        chosen = visible & (logits >= least)
        return logits.masked_fill(~chosen, HIDDEN).softmax(dim=-1) * chosen

    def _within(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the weights within each chunk, which sum to one there: (B, H, R, G, S)."""
        logits = self.attention.logits(queries, keys.flatten(1, 2))
        return parted(logits, -1, *keys.shape[1:3]).softmax(dim=-1)


class _Hop(nn.Module):
    """One reading: what is asked of the chunks and within them, and what is made of the answer."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.chunk_query = nn.Linear(size, size)
        self.query = nn.Linear(size, size)
        self.out = nn.Linear(size, size)
        self.think = feed_forward(size)
