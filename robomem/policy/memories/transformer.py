"""A causal transformer whose layers look at a window of fixed length.

Vaswani et al., "Attention Is All You Need", 2017; Beltagy et al., "Longformer", 2020 (the window).
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from robomem.policy.memories.attention import Entries
from robomem.policy.memories.attentive import Attended, AttentiveMemory
from robomem.policy.memories.layers import at_reads, counts, output_head, zeros
from robomem.policy.memories.memory import Moments, State
from robomem.policy.memories.window import WindowBlock, visible_at, visible_now


@dataclass(frozen=True, slots=True)
class TransformerSettings:
    """Settings of `Transformer`.

    Attributes:
        size: C, numbers that a moment is encoded in.
        heads: of each layer.
        layers: blocks, one upon the other; each reaches `window` moments further back.
        window: W, moments that a layer looks at.
    """

    size: int = 64
    heads: int = 4
    layers: int = 2
    window: int = 128


class Transformer(AttentiveMemory):
    """Holds the keys and values of the last W moments, of every layer."""

    def __init__(
        self, input_size: int, output_size: int, settings: TransformerSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or TransformerSettings()
        size, heads, window = self.settings.size, self.settings.heads, self.settings.window
        self.embed = nn.Linear(input_size, size)
        self.blocks = nn.ModuleList(
            WindowBlock(size, heads, window) for _ in range(self.settings.layers)
        )
        self.head = output_head(size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return W empty places a layer."""
        shape = (batch_size, self.settings.layers, self.settings.window, self.settings.size)
        return {
            "keys": zeros(self, *shape),
            "values": zeros(self, *shape),
            "held": counts(self, batch_size),
        }

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Look at the W newest entries of every layer."""
        window = self.settings.window
        rows, stamps_s = self.embed(moment.features)[:, None], moment.stamps_s[:, None]
        held = (state["held"] + 1).clamp(max=window)
        visible = visible_now(held, window=window)
        kept = []
        for layer, block in enumerate(self._layers):
            entries = _layer(state, layer).newest(window - 1).then(block.entries(rows, stamps_s))
            rows = block.look(rows, stamps_s, entries, visible).rows
            kept.append(entries)
        return self.head(rows[:, 0]), _state(kept, held)

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Read everywhere, block by block, or in the last layer at `reads` only."""
        if reads is not None:
            return super().forward(moments, state, reads=reads)
        state = state or self.init_state(len(moments.stamps_s))
        rows, entries = self._run(moments, state)
        rows = self._layers[-1].look_everywhere(rows, moments.stamps_s, entries[-1], state["held"])
        return self.head(rows), self._after(entries, state)

    def attend(self, moments: Moments, state: State | None = None, *, reads: Tensor) -> Attended:
        """Read in the last layer at `reads`; the weights are its own."""
        state, window = state or self.init_state(len(moments.stamps_s)), self.settings.window
        rows, entries = self._run(moments, state)
        visible = visible_at(reads, state["held"], window=window, entries=entries[-1].keys.shape[1])
        rows, stamps_s = at_reads(rows, reads), at_reads(moments.stamps_s, reads)
        look = self._layers[-1].look(rows, stamps_s, entries[-1], visible)
        after = self._after(entries, state)
        return Attended(self.head(look.rows), after, look.weights[..., window:])

    @property
    def _layers(self) -> list[WindowBlock]:
        return cast("list[WindowBlock]", self.blocks)

    def _run(self, moments: Moments, state: State) -> tuple[Tensor, list[Entries]]:
        """Return the rows that enter the last layer, and every layer's entries, W + T of them."""
        rows = self.embed(moments.features)
        entries: list[Entries] = []
        for layer, block in enumerate(self._layers):
            if layer:
                below = self._layers[layer - 1]
                rows = below.look_everywhere(rows, moments.stamps_s, entries[-1], state["held"])
            entries.append(_layer(state, layer).then(block.entries(rows, moments.stamps_s)))
        return rows, entries

    def _after(self, entries: list[Entries], before: State) -> State:
        window = self.settings.window
        moments = entries[0].keys.shape[1] - window
        held = (before["held"] + moments).clamp(max=window)
        return _state([layer.newest(window) for layer in entries], held)


def _layer(state: State, layer: int) -> Entries:
    return Entries(state["keys"][:, layer], state["values"][:, layer])


def _state(layers: list[Entries], held: Tensor) -> State:
    keys = torch.stack([layer.keys for layer in layers], dim=1)
    values = torch.stack([layer.values for layer in layers], dim=1)
    return {"keys": keys, "values": values, "held": held}
