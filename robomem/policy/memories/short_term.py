"""Short-term memory around the robot: what is near is read by likeness, what is seldom read goes.

He et al., "Mem4Nav: Boosting Vision-and-Language Navigation in Urban Environments with a Hierarchical
Spatial-Cognition Long-Short Memory System", 2025. Entries are read relative to where the robot is; a moment has no
heading, so its frame is turned as map is.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomem.policy.memories.attention import AttentionBlock
from robomem.policy.memories.layers import (
    at_reads,
    counts,
    output_head,
    parted,
    squared_distances,
    zeros,
)
from robomem.policy.memories.memory import Moments, PolicyMemory, State

OUT_OF_REACH = -2.0
"""The likeness of an entry that is not there or too far: less than any cosine."""


@dataclass(frozen=True, slots=True)
class ShortTermSettings:
    """Settings of `ShortTerm`.

    Attributes:
        size: C, numbers that a moment is encoded in.
        heads: of the attention over the entries that are found.
        slots: K, moments that are held.
        radius_m: entries further from the robot are not read.
        top_k: entries that are read, those most alike to the present.
        frequency_weight: lambda, from 0 (what was longest unread goes) to 1 (what was read least often goes).
    """

    size: int = 64
    heads: int = 4
    slots: int = 128
    radius_m: float = 3.0
    top_k: int = 3
    frequency_weight: float = 0.5


class Use(NamedTuple):
    """How the K entries were used.

    Attributes:
        reads: (B, K) how often each was read.
        last_s: (B, K) when it was last read, or written.
        held: (B,) how many of the K are held; they are the first ones.
    """

    reads: Tensor
    last_s: Tensor
    held: Tensor


class Turn(NamedTuple):
    """What happens to the entries at one moment.

    Attributes:
        found: (B, k) entries that are read.
        is_found: (B, k) false where fewer are within reach.
        slot: (B,) where the moment is written.
        use: after it.
    """

    found: Tensor
    is_found: Tensor
    slot: Tensor
    use: Use


class ShortTerm(PolicyMemory):
    """Holds K moments with their positions; reads the k most alike within a radius, then writes the moment.

    When it is full the entry goes whose lambda reads - (1 - lambda) (t - tau) is least, tau being when it was last
    read or written.
    """

    minds_places = True

    def __init__(
        self, input_size: int, output_size: int, settings: ShortTermSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or ShortTermSettings()
        size = self.settings.size
        self.embed = nn.Linear(input_size, size)
        self.where = nn.Linear(3, size)
        self.block = AttentionBlock(size, self.settings.heads)
        self.head = output_head(size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return empty slots."""
        slots = (batch_size, self.settings.slots)
        return {
            "rows": zeros(self, *slots, self.settings.size),
            "stamps_s": zeros(self, *slots),
            "positions": zeros(self, *slots, 3),
            "reads": zeros(self, *slots),
            "last_s": zeros(self, *slots),
            "held": counts(self, batch_size),
        }

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Read what is near and alike, then write the moment."""
        row = self.embed(moment.features)
        with torch.no_grad():
            fits = self._fits(
                row[:, None], moment.positions[:, None], state["rows"], state["positions"]
            )
            turn = self._turn(_use(state), fits[:, 0], moment.stamps_s)
        now = Moments(row[:, None], moment.stamps_s[:, None], moment.positions[:, None])
        past = Moments(state["rows"], state["stamps_s"], state["positions"])
        output = self._read(now, past, turn.found[:, None], turn.is_found[:, None])[:, 0]
        here = turn.slot[:, None] == torch.arange(self.settings.slots, device=row.device)
        held = Moments(
            torch.where(here[..., None], now.features, past.features),
            torch.where(here, now.stamps_s, past.stamps_s),
            torch.where(here[..., None], now.positions, past.positions),
        )
        return output, _state(held, turn.use)

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Decide moment by moment what is found and what goes; read where it is asked, all at once."""
        state = state or self.init_state(len(moments.stamps_s))
        now = moments._replace(features=self.embed(moments.features))
        past = Moments(
            torch.cat([state["rows"], now.features], dim=1),
            torch.cat([state["stamps_s"], now.stamps_s], dim=1),
            torch.cat([state["positions"], now.positions], dim=1),
        )
        with torch.no_grad():
            fits = self._fits(now.features, now.positions, past.features, past.positions)
            turns, which = self._decide(_use(state), fits, moments.stamps_s)
        found = torch.stack([turn.found for turn in turns], dim=1)
        is_found = torch.stack([turn.is_found for turn in turns], dim=1)
        asked = Moments(*(at_reads(part, reads) for part in now))
        output = self._read(asked, past, at_reads(found, reads), at_reads(is_found, reads))
        return output, _state(Moments(*(at_reads(part, which) for part in past)), turns[-1].use)

    def _decide(self, use: Use, fits: Tensor, stamps_s: Tensor) -> tuple[list[Turn], Tensor]:
        """Take turns over fits (B, T, K + T).

        Returns:
            the turns, what they found counted among the K + T, and which of these the slots hold then, (B, K).
        """
        slots = self.settings.slots
        which = torch.arange(slots, device=fits.device).repeat(len(fits), 1)
        turns = []
        for t, fit in enumerate(fits.unbind(1)):
            turn = self._turn(use, fit.gather(1, which), stamps_s[:, t])
            turns.append(turn._replace(found=which.gather(1, turn.found)))
            which = which.scatter(1, turn.slot[:, None], slots + t)
            use = turn.use
        return turns, which

    def _fits(self, rows: Tensor, positions: Tensor, past: Tensor, where: Tensor) -> Tensor:
        """Return how alike rows (B, R, C) are to past ones (B, N, C) within the radius: (B, R, N)."""
        units = functional.normalize(past, dim=-1)
        alike = functional.normalize(rows, dim=-1) @ units.transpose(1, 2)
        away = squared_distances(positions, where)
        return alike.masked_fill(away > self.settings.radius_m**2, OUT_OF_REACH)

    def _turn(self, use: Use, fits: Tensor, stamp_s: Tensor) -> Turn:
        """Find the k most alike, (B, K), and choose the slot of the moment."""
        slots, weight = self.settings.slots, self.settings.frequency_weight
        index = torch.arange(slots, device=fits.device)
        fits = fits.masked_fill(index >= use.held[:, None], OUT_OF_REACH)
        best, found = fits.topk(min(self.settings.top_k, slots), dim=1)
        is_found = best > OUT_OF_REACH
        read = torch.zeros_like(use.reads).scatter(1, found, is_found.to(use.reads.dtype))
        last_s = torch.where(read > 0.0, stamp_s[:, None], use.last_s)
        reads = use.reads + read
        worth = weight * reads - (1.0 - weight) * (stamp_s[:, None] - last_s)
        slot = torch.where(use.held < slots, use.held, worth.argmin(dim=1))
        here = slot[:, None] == index
        after = Use(
            reads.masked_fill(here, 0.0),
            torch.where(here, stamp_s[:, None], last_s),
            (use.held + 1).clamp(max=slots),
        )
        return Turn(found, is_found, slot, after)

    def _read(self, now: Moments, past: Moments, found: Tensor, is_found: Tensor) -> Tensor:
        """Let moments (B, R, ...) look at themselves and at what they found of N past ones, (B, R, k)."""
        index = found.flatten(1)
        chosen = Moments(*(parted(at_reads(part, index), 1, *found.shape[1:]) for part in past))
        away = (chosen.positions - now.positions[:, :, None]) / self.settings.radius_m
        rows = torch.cat([chosen.features + self.where(away), now.features[:, :, None]], dim=2)
        stamps_s = torch.cat([chosen.stamps_s, now.stamps_s[..., None]], dim=2)
        entries = self.block.entries(rows, stamps_s)
        visible = functional.pad(is_found, (0, 1), value=True)[:, :, None]
        looked = self.block.look(rows[:, :, -1:], stamps_s[:, :, -1:], entries, visible).rows
        output: Tensor = self.head(looked[:, :, 0])
        return output


def _use(state: State) -> Use:
    return Use(state["reads"], state["last_s"], state["held"])


def _state(held: Moments, use: Use) -> State:
    kept = {"rows": held.features, "stamps_s": held.stamps_s, "positions": held.positions}
    return {**kept, **use._asdict()}
