"""An exact window, and a compressed remainder that takes in whatever leaves it.

Fang et al., "Artificial Hippocampus Networks for Efficient Long-Context Modeling", 2025; the remainder is a gated
delta rule (`delta_rule`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomem.policy.memories.delta_rule import Pairs, tell, tell_all
from robomem.policy.memories.layers import at_reads, counts, output_head, parted, zeros
from robomem.policy.memories.memory import Moments, PolicyMemory, State
from robomem.policy.memories.window import WindowBlock, visible_at, visible_now

SLOW_FORGETTING = -6.0
"""Bias before training: the remainder keeps exp(-softplus(-6)), 0.9975, of itself a moment."""


@dataclass(frozen=True, slots=True)
class CompressedWindowSettings:
    """Settings of `CompressedWindow`.

    Attributes:
        size: C, numbers that a moment is encoded in.
        heads: H, of the window, and matrices of (C / H) x (C / H) of the remainder.
        window: W, moments that are held as they were, the present one among them.
    """

    size: int = 64
    heads: int = 4
    window: int = 32


class CompressedWindow(PolicyMemory):
    """Holds W moments, and H matrices of all that came before them."""

    def __init__(
        self, input_size: int, output_size: int, settings: CompressedWindowSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or CompressedWindowSettings()
        size, heads = self.settings.size, self.settings.heads
        self.embed = nn.Linear(input_size, size)
        self.window = WindowBlock(size, heads, self.settings.window)
        self.remainder = _Remainder(size, heads)
        self.head = output_head(size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return an empty window and matrices of nothing."""
        size, heads, window = self.settings.size, self.settings.heads, self.settings.window
        return {
            "rows": zeros(self, batch_size, window, size),
            "stamps_s": zeros(self, batch_size, window),
            "matrix": zeros(self, batch_size, heads, size // heads, size // heads),
            "held": counts(self, batch_size),
        }

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Tell the remainder what leaves the window, ask it, then look at the window."""
        row, window = self.embed(moment.features)[:, None], self.settings.window
        rows = torch.cat([state["rows"][:, 1:], row], dim=1)
        stamps_s = torch.cat([state["stamps_s"][:, 1:], moment.stamps_s[:, None]], dim=1)
        leaves = state["held"] >= window
        pairs = self.remainder.pairs(state["rows"][:, :1], leaves[:, None])
        matrix = tell(state["matrix"], Pairs(*(part[:, :, 0] for part in pairs)))
        answer = self.remainder.queries(row) @ matrix
        held = (state["held"] + 1).clamp(max=window)
        entries = self.window.entries(rows, stamps_s)
        asked = self.remainder.join(row, answer)
        looked = self.window.look(
            asked, stamps_s[:, -1:], entries, visible_now(held, window=window)
        ).rows
        after = {"rows": rows, "stamps_s": stamps_s, "matrix": matrix, "held": held}
        return self.head(looked[:, 0]), after

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Tell the remainder everything that leaves the window, chunk by chunk; look at the windows asked for."""
        state, window = state or self.init_state(len(moments.stamps_s)), self.settings.window
        new = self.embed(moments.features)
        rows = torch.cat([state["rows"], new], dim=1)
        stamps_s = torch.cat([state["stamps_s"], moments.stamps_s], dim=1)
        left = torch.arange(new.shape[1], device=new.device) >= window - state["held"][:, None]
        pairs = self.remainder.pairs(rows[:, : new.shape[1]], left)
        answers, matrix = tell_all(state["matrix"], pairs, self.remainder.queries(new))
        asked, entries = self.remainder.join(new, answers), self.window.entries(rows, stamps_s)
        if reads is None:
            looked = self.window.look_everywhere(asked, moments.stamps_s, entries, state["held"])
        else:
            visible = visible_at(reads, state["held"], window=window, entries=rows.shape[1])
            at = at_reads(asked, reads), at_reads(moments.stamps_s, reads)
            looked = self.window.look(*at, entries, visible).rows
        held = (state["held"] + new.shape[1]).clamp(max=window)
        kept = {"rows": rows[:, -window:], "stamps_s": stamps_s[:, -window:]}
        return self.head(looked), {**kept, "matrix": matrix, "held": held}


class _Remainder(nn.Module):
    """What the matrices are told and asked, (B, T, C) to (B, H, T, E) and back."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.query = nn.Linear(size, size)
        self.strength = nn.Linear(size, heads)
        self.forgetting = nn.Linear(size, heads)
        nn.init.constant_(self.forgetting.bias, SLOW_FORGETTING)
        self.out = nn.Linear(size, size)

    def pairs(self, rows: Tensor, are_told: Tensor) -> Pairs:
        """Return what rows (B, T, C) tell; those that are not told (B, T) leave the matrices as they are."""
        rows, told = self.norm(rows), are_told[:, None].to(rows.dtype)
        return Pairs(
            functional.normalize(self._split(self.key(rows)), dim=-1),
            self._split(self.value(rows)),
            torch.sigmoid(self.strength(rows)).transpose(1, 2) * told,
            -functional.softplus(self.forgetting(rows)).transpose(1, 2) * told,
        )

    def queries(self, rows: Tensor) -> Tensor:
        """Return what rows ask, of unit length."""
        return functional.normalize(self._split(self.query(self.norm(rows))), dim=-1)

    def join(self, rows: Tensor, answers: Tensor) -> Tensor:
        """Add answers (B, H, T, E) to rows (B, T, C)."""
        joined: Tensor = rows + self.out(answers.transpose(1, 2).flatten(2))
        return joined

    def _split(self, rows: Tensor) -> Tensor:
        return parted(rows, -1, self.heads, -1).transpose(1, 2)
