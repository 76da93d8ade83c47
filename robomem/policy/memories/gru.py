"""A gated recurrent unit, the common recurrent baseline.

Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robomem.policy.memories.layers import at_reads, output_head, zeros
from robomem.policy.memories.memory import Moments, PolicyMemory, State


@dataclass(frozen=True, slots=True)
class GRUSettings:
    """Settings of `GRU`.

    Attributes:
        size: numbers that a moment is encoded in, and that are held.
    """

    size: int = 64


class GRU(PolicyMemory):
    """Holds one vector, and gates what enters it."""

    def __init__(
        self, input_size: int, output_size: int, settings: GRUSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or GRUSettings()
        self.embed = nn.Linear(input_size, self.settings.size)
        self.cell = nn.GRU(self.settings.size, self.settings.size, batch_first=True)
        self.head = output_head(self.settings.size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return a vector of zeros."""
        return {"hidden": zeros(self, batch_size, self.settings.size)}

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Gate the moment into the vector, and encode both."""
        embedded = self.embed(moment.features)
        hidden = torch.gru_cell(
            embedded,
            state["hidden"],
            self.cell.get_parameter("weight_ih_l0"),
            self.cell.get_parameter("weight_hh_l0"),
            self.cell.get_parameter("bias_ih_l0"),
            self.cell.get_parameter("bias_hh_l0"),
        )
        return self.head(embedded + hidden), {"hidden": hidden}

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run the unit over the whole sequence."""
        state = state or self.init_state(len(moments.features))
        embedded = self.embed(moments.features)
        hidden, last = self.cell(embedded, state["hidden"][None].contiguous())
        return self.head(at_reads(embedded + hidden, reads)), {"hidden": last[0]}
