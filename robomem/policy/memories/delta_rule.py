"""The gated delta rule: a matrix that is told pairs, forgets at a rate of its own, and rewrites what a key held.

Yang et al., "Gated Delta Networks: Improving Mamba2 with Delta Rule", 2024, written with the matrix transposed:

    S_t = alpha_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T

with keys of unit length. Over a chunk, what each pair really adds, u_t = beta_t (v_t - alpha_t S_{t-1}^T k_t), solves
a triangular system, so a chunk takes a few products of matrices.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from robomem.policy.memories.layers import parted

CHUNK = 32


class Pairs(NamedTuple):
    """What the matrix is told, (..., E) a head; of a sequence (B, H, T, E).

    Attributes:
        keys: (..., E) of unit length.
        values: (..., E).
        strengths: (...) beta, 0 to 1; 0 tells nothing.
        log_keeps: (...) logarithm of alpha, 0 or less.
    """

    keys: Tensor
    values: Tensor
    strengths: Tensor
    log_keeps: Tensor


def tell(matrix: Tensor, pair: Pairs) -> Tensor:
    """Return the matrix (..., E, E) after one pair."""
    kept = matrix * pair.log_keeps.exp()[..., None, None]
    missing = pair.values - (pair.keys[..., None, :] @ kept)[..., 0, :]
    added = pair.strengths[..., None] * missing
    return kept + pair.keys[..., :, None] * added[..., None, :]


def tell_all(matrix: Tensor, pairs: Pairs, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Tell whole sequences.

    Args:
        matrix: (B, H, E, E) before.
        pairs: (B, H, T, E).
        queries: (B, H, T, E) each answered after the pair of its moment.

    Returns:
        the answers (B, H, T, E), and the matrix afterwards.
    """
    answers = []
    for chunk in _chunks(pairs, queries):
        answer, matrix = chunk.tell(matrix)
        answers.append(answer)
    return torch.cat(answers, dim=2)[:, :, : queries.shape[2]], matrix


class _Chunk(NamedTuple):
    """What of a chunk does not depend on the matrix before it.

    Attributes:
        added: (B, H, L, E) what the pairs would add to a matrix of zeros.
        known: (B, H, L, E) what they ask the matrix, to add so much less.
        minds: (B, H, L, L) how much each query minds what each pair added.
        queries: (B, H, L, E) fading as the matrix does.
        keys: (B, H, E, L) as they have faded when the chunk is over.
        kept: (B, H, 1, 1) what is left of the matrix when the chunk is over.
    """

    added: Tensor
    known: Tensor
    minds: Tensor
    queries: Tensor
    keys: Tensor
    kept: Tensor

    def tell(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Return the answers, (B, H, L, E), and the matrix after the chunk."""
        added = self.added - self.known @ matrix
        answers = self.queries @ matrix + self.minds @ added
        return answers, matrix * self.kept + self.keys @ added


def _chunks(pairs: Pairs, queries: Tensor) -> list[_Chunk]:
    keys, values, queries = (_cut(part) for part in (pairs.keys, pairs.values, queries))
    strengths, log_keeps = _cut(pairs.strengths[..., None]), _cut(pairs.log_keeps[..., None])
    kept = log_keeps.cumsum(dim=3)
    # What is left at r of what was told at i, exp of a sum of logarithms <= 0: nothing overflows.
    since = (kept - kept.transpose(-1, -2)).tril().exp().tril()
    alike = keys @ keys.transpose(-1, -2) * since
    told = torch.cat([strengths * values, strengths * kept.exp() * keys], dim=-1)
    solved = torch.linalg.solve_triangular(
        (strengths * alike).tril(-1), told, upper=False, unitriangular=True
    )
    added, known = solved.chunk(2, dim=-1)
    minds = queries @ keys.transpose(-1, -2) * since
    left = keys * (kept[..., -1:, :] - kept).exp()
    last = kept[..., -1:, :].exp()
    every = (added, known, minds, queries * kept.exp(), left.transpose(-1, -2), last)
    # Unbound, not sliced: the gradient of each slice would be as long as the sequence.
    return [_Chunk(*parts) for parts in zip(*(part.unbind(2) for part in every), strict=True)]


def _cut(rows: Tensor) -> Tensor:
    """Cut (B, H, T, E) into chunks, with zeros behind: (B, H, chunks, L, E)."""
    late = -rows.shape[2] % CHUNK
    return parted(functional.pad(rows, (0, 0, 0, late)), 2, -1, CHUNK)
