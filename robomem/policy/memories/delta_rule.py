"""The gated delta rule: a matrix that is told pairs, forgets at a rate of its own, and rewrites what a key held.

Yang et al., "Gated Delta Networks: Improving Mamba2 with Delta Rule", 2024, Equation (10):

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
    moments = queries.shape[2]
    chunks = _Chunks(pairs, queries)
    answers = []
    for i in range(-(-moments // CHUNK)):
        answer, matrix = chunks.tell(i, matrix)
        answers.append(answer)
    return torch.cat(answers, dim=2)[:, :, :moments], matrix


class _Chunks:
    """Everything of the chunks that does not depend on the matrix before them, (B, H, chunks, L, ...)."""

    def __init__(self, pairs: Pairs, queries: Tensor) -> None:
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
        size = values.shape[-1]
        self._added, self._known = solved[..., :size], solved[..., size:]
        self._mind = queries @ keys.transpose(-1, -2) * since
        self._queries = queries * kept.exp()
        self._keys = keys * (kept[..., -1:, :] - kept).exp()
        self._kept = kept[..., -1:, :].exp()

    def tell(self, i: int, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Return the answers of chunk i, (B, H, L, E), and the matrix after it."""
        added = self._added[:, :, i] - self._known[:, :, i] @ matrix
        answers = self._queries[:, :, i] @ matrix + self._mind[:, :, i] @ added
        return answers, matrix * self._kept[:, :, i] + self._keys[:, :, i].transpose(-1, -2) @ added


def _cut(rows: Tensor) -> Tensor:
    """Cut (B, H, T, E) into chunks, with zeros behind: (B, H, chunks, L, E)."""
    late = -rows.shape[2] % CHUNK
    return parted(functional.pad(rows, (0, 0, 0, late)), 2, -1, CHUNK)
