"""What every memory of a policy can do: begin, take one step, or run over whole sequences with the same result."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

State = dict[str, Tensor]
"""What a memory holds, by name; every tensor has the batch first and a shape that never changes."""


class Moments(NamedTuple):
    """What a memory is told: of one moment each (...) is (B,), of sequences (B, T).

    Attributes:
        features: (..., D) what was perceived, encoded.
        stamps_s: (...) time since the episode began, in seconds; it need not be regular.
        positions: (..., 3) where the robot was, in metres in map; zeros where nobody knows.
    """

    features: Tensor
    stamps_s: Tensor
    positions: Tensor


class PolicyMemory(nn.Module, ABC):
    """Turns what was perceived until now into what a policy needs of it.

    `step` over the moments of a sequence equals `forward` over the sequence. Nothing depends on later moments,
    so the padding at the end of a sequence changes no output before it.

    Attributes:
        input_size: D of what comes in.
        output_size: of what goes out.
        minds_places: whether it makes a difference to it where the robot was.
    """

    minds_places: ClassVar[bool] = False

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = output_size

    @abstractmethod
    def init_state(self, batch_size: int) -> State:
        """Return what is held before the first moment."""

    @abstractmethod
    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Take one moment (B, ...) in; return what is remembered at it, (B, output_size), and the state after it.

        The state that is given may be written into, as far as a step from it, whose state is thrown away, changes no
        other: who goes on from it twice clones it before.
        """

    @abstractmethod
    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Take sequences (B, T, ...) in, beginning from `state` or from nothing.

        Args:
            moments: B sequences of T moments.
            state: as `step` left it.
            reads: (B, R) indices of the moments at which something is asked; all T where it is None. A memory
                whose reading costs more than its writing need not read at the others.

        Returns:
            (B, R or T, output_size), and the state after the last moment.
        """

    def auxiliary_loss(self, moments: Moments) -> Tensor:
        """Return what a memory wants besides what a policy asks of it, to be added with a weight; most want nothing."""
        return moments.features.new_zeros(())

    @property
    def state_bytes(self) -> int:
        """Bytes that the state of one robot takes, whatever it has lived through."""
        return sum(held.numel() * held.element_size() for held in self.init_state(1).values())
