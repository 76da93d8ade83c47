"""A frame stack: the last K moments side by side, as most policies that are called reactive have it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robomem.policy.memories.layers import at_reads, feed_forward, output_head, zeros
from robomem.policy.memories.memory import Moments, PolicyMemory, State


@dataclass(frozen=True, slots=True)
class FrameStackSettings:
    """Settings of `FrameStack`.

    Attributes:
        size: numbers that the stack is encoded in.
        frames: K, moments in the stack, the present one among them.
    """

    size: int = 64
    frames: int = 4


class FrameStack(PolicyMemory):
    """Encodes the last K moments; before the first ones there are zeros."""

    def __init__(
        self, input_size: int, output_size: int, settings: FrameStackSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or FrameStackSettings()
        self.embed = nn.Linear(self.settings.frames * input_size, self.settings.size)
        self.think = feed_forward(self.settings.size)
        self.head = output_head(self.settings.size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return K - 1 frames of zeros."""
        return {"frames": zeros(self, batch_size, self.settings.frames - 1, self.input_size)}

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Put the moment behind the others and encode them all."""
        frames = torch.cat([state["frames"], moment.features[:, None]], dim=1)
        return self._encode(frames.flatten(1)), {"frames": frames[:, 1:]}

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Encode every stack of K moments."""
        state = state or self.init_state(len(moments.features))
        frames = torch.cat([state["frames"], moments.features], dim=1)
        stacks = frames.unfold(1, self.settings.frames, 1).transpose(2, 3).flatten(2)
        kept = frames[:, frames.shape[1] - self.settings.frames + 1 :]
        return self._encode(at_reads(stacks, reads)), {"frames": kept}

    def _encode(self, stacks: Tensor) -> Tensor:
        embedded = self.embed(stacks)
        encoded: Tensor = self.head(embedded + self.think(embedded))
        return encoded
