"""Attention over the last W moments, step by step from what is held or block by block over a sequence."""

import torch
from torch import Tensor
from torch.nn import functional

from robomem.policy.memories.attention import AttentionBlock, Entries
from robomem.policy.memories.layers import parted


class WindowBlock(AttentionBlock):
    """A block that attends to the last W moments, the present one among them.

    Attributes:
        window: W.
    """

    def __init__(self, size: int, heads: int, window: int) -> None:
        super().__init__(size, heads)
        self.window = window

    def look_everywhere(
        self, rows: Tensor, stamps_s: Tensor, entries: Entries, held: Tensor
    ) -> Tensor:
        """Let every row of a sequence look at its window, in blocks of at most W rows and as long as each other.

        Args:
            rows: (B, T, C).
            stamps_s: (B, T).
            entries: W + T: those before the sequence, then its own.
            held: (B,) how many of the W were lived.

        Returns:
            (B, T, C).
        """
        moments = rows.shape[1]
        blocks = -(-moments // self.window)
        size = -(-moments // blocks)
        late = blocks * size - moments
        looked = self.look(
            parted(functional.pad(rows, (0, 0, 0, late)), 1, blocks, size),
            parted(functional.pad(stamps_s, (0, late)), 1, blocks, size),
            Entries(*(_unfold(part, self.window + size, size, late) for part in entries)),
            visible_in_blocks(held, window=self.window, blocks=blocks, size=size),
        )
        return looked.rows.flatten(1, 2)[:, :moments]


def visible_now(held: Tensor, *, window: int) -> Tensor:
    """Say which of the last W entries, the present one among them, are of moments that were lived: (B, 1, W).

    Args:
        held: (B,) moments that were lived, the present one among them; W or more: all.
        window: W.
    """
    return (torch.arange(window, device=held.device) >= window - held[:, None])[:, None]


def visible_at(reads: Tensor, held: Tensor, *, window: int, entries: int) -> Tensor:
    """Say which of the entries (W before the sequence, then its own) a moment sees: (B, R, entries)."""
    index = torch.arange(entries, device=reads.device)
    newest = reads[..., None] + window
    lived = (index >= window - held[:, None])[:, None]
    return (index <= newest) & (index > newest - window) & lived


def visible_in_blocks(held: Tensor, *, window: int, blocks: int, size: int) -> Tensor:
    """Say which of its W + L entries each row of a block of L sees: (B, blocks, L, W + L)."""
    row = torch.arange(size, device=held.device)[:, None]
    index = torch.arange(window + size, device=held.device)
    band = (index > row) & (index <= row + window)
    first = torch.arange(blocks, device=held.device) * size
    lived = first[:, None] + index >= window - held[:, None, None]
    return band & lived[:, :, None]


def _unfold(rows: Tensor, length: int, step: int, late: int) -> Tensor:
    """Cut (B, N, C) into blocks that begin `step` apart, the end filled up by `late`: (B, blocks, length, C)."""
    return functional.pad(rows, (0, 0, 0, late)).unfold(1, length, step).transpose(-1, -2)
