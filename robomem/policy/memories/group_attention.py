"""Hierarchical attention: which groups of moments matter, then what within them.

Lampinen et al., "Towards mental time travel: a hierarchical memory for reinforcement learning agents", 2021, whose
groups are chunks of time; Cho et al., "Spatially-Aware Transformer for Embodied Agents", 2024, whose are places.
"""

import math
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from robomem.policy.memories.attention import Entries, Heads
from robomem.policy.memories.layers import HIDDEN, at_rows, feed_forward, parted

MOST_LOGIT = 30.0
"""Logits within a group bend towards it: their exponentials then sum without overflow in whatever order."""


class Groups(Protocol):
    """Which of N moments belong together, in G groups."""

    def sums(self, numbers: Tensor) -> Tensor:
        """Add the numbers (B, ..., R, N) of each group: (B, ..., R, G)."""

    def spread(self, numbers: Tensor) -> Tensor:
        """Give each moment the number of its group: (B, ..., R, G) to (B, ..., R, N)."""


class EqualGroups:
    """Groups of `size` moments, one after the other."""

    def __init__(self, size: int) -> None:
        self._size = size

    def sums(self, numbers: Tensor) -> Tensor:
        """Add the numbers (..., N) of each group: (..., G)."""
        return parted(numbers, -1, -1, self._size).sum(dim=-1)

    def spread(self, numbers: Tensor) -> Tensor:
        """Give each moment the number of its group: (..., G) to (..., N)."""
        return numbers.repeat_interleave(self._size, dim=-1)


class NamedGroups:
    """Groups that each moment says the number of, (B, N)."""

    def __init__(self, group: Tensor, count: int) -> None:
        groups = torch.arange(count, device=group.device)
        self._members = (group[..., None] == groups).float()

    def sums(self, numbers: Tensor) -> Tensor:
        """Add the numbers (B, ..., R, N) of each group: (B, ..., R, G)."""
        return numbers @ self._like(numbers)

    def spread(self, numbers: Tensor) -> Tensor:
        """Give each moment the number of its group: (B, ..., R, G) to (B, ..., R, N)."""
        return numbers @ self._like(numbers).transpose(-1, -2)

    def _like(self, numbers: Tensor) -> Tensor:
        members = self._members.to(numbers.dtype)
        return members if numbers.dim() == 3 else members[:, None]


class Chunks(NamedTuple):
    """G groups of S moments, the ones of a group side by side, with what their values are like on average.

    Attributes:
        past: (B, G S, C).
        means: (B, G, C) of the values of each group.
        is_full: (B, G) whether a group may be read.
    """

    past: Entries
    means: Tensor
    is_full: Tensor

    def entries(self, chosen: Tensor) -> Entries:
        """Return the moments of the chosen groups (B, K): (B, K S, C)."""
        groups = self.means.shape[1]
        return Entries(
            *(at_rows(parted(part, 1, groups, -1), chosen).flatten(1, 2) for part in self.past)
        )


class Recollection(NamedTuple):
    """What was made of rows, (B, R, C), and where they looked, (B, H, R, N)."""

    rows: Tensor
    weights: Tensor


class GroupReader(nn.Module):
    """Reads the past several times over, each time with a question that the last answer has changed."""

    def __init__(self, size: int, heads: int, *, top_k: int, hops: int) -> None:
        super().__init__()
        self.top_k = top_k
        self.entry_norm = nn.LayerNorm(size)
        self.attention = Heads(size, heads)
        self.hops = nn.ModuleList(_Hop(size) for _ in range(hops))

    def entries(self, rows: Tensor, stamps_s: Tensor) -> Entries:
        """Return what is held of rows (..., C) at stamps (...)."""
        return self.attention.entries(self.entry_norm(rows), stamps_s)

    def forward(
        self, rows: Tensor, stamps_s: Tensor, past: Entries, visible: Tensor, groups: Groups
    ) -> Recollection:
        """Read.

        Args:
            rows: (B, R, C) what is asked.
            stamps_s: (B, R) when.
            past: of N moments, (B, N, C).
            visible: (B, R, N) moments that may be read; where there is none, nothing is added.
            groups: of the N moments.
        """
        seen = visible.to(rows.dtype)
        weights = seen[:, None]
        for hop in cast("list[_Hop]", self.hops):
            asked = hop.norm(rows)
            share = groups.spread(self._choose(hop.group_query(asked), past.values, seen, groups))
            queries = self.attention.turn(hop.query(asked), stamps_s)
            weights = self._within(queries, past.keys, seen, groups) * share[:, None]
            rows = hop.answer(rows, self.attention.blend(weights, past.values))
        return Recollection(rows, weights)

    def read_chunks(self, rows: Tensor, stamps_s: Tensor, chunks: Chunks) -> Tensor:
        """Read as `forward` does where each robot asks once, and touch only the groups that are read.

        Args:
            rows: (B, 1, C) what is asked.
            stamps_s: (B, 1) when.
            chunks: that are held.

        Returns:
            (B, 1, C).
        """
        groups = EqualGroups(chunks.past.keys.shape[1] // chunks.means.shape[1])
        for hop in cast("list[_Hop]", self.hops):
            asked = hop.norm(rows)
            fits = _fits(hop.group_query(asked), chunks.means)[:, 0]
            best = fits.masked_fill(~chunks.is_full, HIDDEN).topk(min(self.top_k, fits.shape[-1]))
            seen = chunks.is_full.gather(1, best.indices)[:, None].to(rows.dtype)
            share = groups.spread(best.values.softmax(dim=-1)[:, None] * seen)
            past = chunks.entries(best.indices)
            queries = self.attention.turn(hop.query(asked), stamps_s)
            weights = self._within(queries, past.keys, groups.spread(seen), groups)
            rows = hop.answer(rows, self.attention.blend(weights * share[:, None], past.values))
        return rows

    def _choose(self, queries: Tensor, values: Tensor, seen: Tensor, groups: Groups) -> Tensor:
        """Return the weights of the k groups whose means fit best, and zeros elsewhere: (B, R, G)."""
        fits = _fits(queries, values)
        members = groups.sums(seen)
        logits = groups.sums(fits * seen) / members.clamp(min=1.0)
        logits = logits.masked_fill(members == 0.0, HIDDEN)
        least = logits.topk(min(self.top_k, logits.shape[-1]), dim=-1).values[..., -1:]
        chosen = (members > 0.0) & (logits >= least)
        return logits.masked_fill(~chosen, HIDDEN).softmax(dim=-1) * chosen

    def _within(self, queries: Tensor, keys: Tensor, seen: Tensor, groups: Groups) -> Tensor:
        """Return the weights within each group, which sum to one there: (B, H, R, N)."""
        logits = MOST_LOGIT * torch.tanh(self.attention.logits(queries, keys) / MOST_LOGIT)
        weights = logits.exp() * seen[:, None]
        totals = groups.spread(groups.sums(weights))
        return weights / totals.masked_fill(totals == 0.0, 1.0)


class _Hop(nn.Module):
    """One reading: what is asked of the groups and within them, and what is made of the answer."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.group_query = nn.Linear(size, size)
        self.query = nn.Linear(size, size)
        self.out = nn.Linear(size, size)
        self.think = feed_forward(size)

    def answer(self, rows: Tensor, found: Tensor) -> Tensor:
        """Return what is made of rows (B, R, C) and of what was found for them."""
        rows = rows + self.out(found)
        thought: Tensor = rows + self.think(rows)
        return thought


def _fits(queries: Tensor, values: Tensor) -> Tensor:
    """Return how well values (B, N, C) fit queries (B, R, C): (B, R, N)."""
    return queries @ values.transpose(-1, -2) / math.sqrt(queries.shape[-1])
