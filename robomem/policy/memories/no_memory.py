"""No memory: what a policy makes of the present alone, to compare the others with."""

from dataclasses import dataclass

from torch import Tensor, nn

from robomem.policy.memories.layers import at_reads, feed_forward, output_head
from robomem.policy.memories.memory import Moments, PolicyMemory, State


@dataclass(frozen=True, slots=True)
class NoMemorySettings:
    """Settings of `NoMemory`.

    Attributes:
        size: numbers that a moment is encoded in.
    """

    size: int = 64


class NoMemory(PolicyMemory):
    """Encodes the moment and forgets it."""

    def __init__(
        self, input_size: int, output_size: int, settings: NoMemorySettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or NoMemorySettings()
        self.embed = nn.Linear(input_size, self.settings.size)
        self.think = feed_forward(self.settings.size)
        self.head = output_head(self.settings.size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return nothing: nothing is held."""
        return {}

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Encode the moment."""
        return self._encode(moment.features), state

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Encode the moments that are asked for, each alone."""
        return self._encode(at_reads(moments.features, reads)), state or {}

    def _encode(self, features: Tensor) -> Tensor:
        embedded = self.embed(features)
        encoded: Tensor = self.head(embedded + self.think(embedded))
        return encoded
