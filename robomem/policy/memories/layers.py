"""Parts that several memories are made of: zeros of a module's kind, rows at the reads, feed-forward, outputs."""

import torch
from torch import Tensor, nn

HIDDEN = -1e9
"""A logit that no softmax minds; finite, since there may be nothing else to see."""


def zeros(module: nn.Module, *shape: int) -> Tensor:
    """Return zeros of `shape` with the type and on the device of a module's parameters."""
    return next(module.parameters()).new_zeros(shape)


def counts(module: nn.Module, *shape: int) -> Tensor:
    """Return whole zeros of `shape` on the device of a module's parameters."""
    return zeros(module, *shape).long()


def at_reads(rows: Tensor, reads: Tensor | None) -> Tensor:
    """Pick the rows (B, T, ...) that are asked for: (B, R, ...), or all where `reads` is None."""
    if reads is None:
        return rows
    index = reads.reshape(*reads.shape, *[1] * (rows.dim() - 2))
    return rows.gather(1, index.expand(*reads.shape, *rows.shape[2:]))


def at_rows(rows: Tensor, chosen: Tensor) -> Tensor:
    """Pick as `at_reads` does, where a row is long: it is copied whole, and not number by number."""
    first = torch.arange(len(rows), device=rows.device)[:, None] * rows.shape[1]
    picked = rows.flatten(0, 1).index_select(0, (first + chosen).flatten())
    return picked.reshape(*chosen.shape, *rows.shape[2:])


def parted(rows: Tensor, dim: int, *sizes: int) -> Tensor:
    """Cut one dimension of `rows` into several of `sizes`."""
    dim %= rows.dim()
    return rows.reshape(*rows.shape[:dim], *sizes, *rows.shape[dim + 1 :])


def squared_distances(points: Tensor, others: Tensor) -> Tensor:
    """Return how far points (B, R, 3) are from others (B, N, 3), squared: (B, R, N).

    From differences and not from products, since far from the origin these round everything near away.
    """
    x, y, z = (
        there[:, :, None] - here[:, None]
        for there, here in zip(points.unbind(-1), others.unbind(-1), strict=True)
    )
    return x.square().addcmul(y, y).addcmul(z, z)


def feed_forward(size: int) -> nn.Sequential:
    """Return the two layers of a transformer's block, with its norm before them: (..., C) to (..., C)."""
    return nn.Sequential(
        nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size)
    )


def output_head(size: int, output_size: int) -> nn.Sequential:
    """Return the last layer of a memory, with its norm before it: (..., C) to (..., output_size)."""
    return nn.Sequential(nn.LayerNorm(size), nn.Linear(size, output_size))
