"""How many observations a reversible token holds: by counting floats, and measured.

What is written are N observations of n independent numbers each; what is read is the best linear guess of all of
them from the token. Of its 2 d floats v holds the newest n numbers and h, d floats, all the others: of the mean
square of n N numbers at least 1 - (n + d) / (n N) is missed, however the writer is trained, and that the blocks can
be inverted changes nothing about it. A reader that is not linear could find more digits in a float, and would need
all of them to be exact.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robomem.policy.memories.memory import Moments
from robomem.policy.memories.reversible import Reversible, ReversibleSettings

FORGOTTEN = 1.0 / 3.0
LIVES = 256
"""Lives that the reader is judged by."""
ROUND_OFF = 1e-5
"""What a reader takes for the noise of a float of a token, relative to what is written there."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a token of 2 d floats holds of N observations of n numbers.

    Attributes:
        size: d.
        observation: n.
        writes: N.
        least_missed: share of the mean square that must be missed, by counting.
        missed: share that is missed, measured.
    """

    size: int
    observation: int
    writes: int
    least_missed: float
    missed: float


def measure_capacity(*, size: int, observation: int, writes: int, seed: int = 0) -> Capacity:
    """Write N observations at one place, in float32, and read them back.

    The gates forget a third in N visits, the weights are random.

    Args:
        size: d, at least `observation`.
        observation: n.
        writes: N.
        seed: of the weights and of the observations.
    """
    generator = torch.Generator().manual_seed(seed)
    memory = _writer(size, observation, writes, generator)
    seen = torch.randn(LIVES, writes, observation, generator=generator)
    with torch.no_grad():
        here = Moments(seen, torch.zeros(seen.shape[:2]), torch.zeros(*seen.shape[:2], 3))
        history, newest = memory.coupling.invert(memory(here)[1]["tokens"][:, 0])
        read = history.double() @ _reader(memory, observation, writes)
        read = torch.cat([read, newest[:, :observation].double()], dim=1)
        missed = (read - seen.flatten(1)).square().mean() / seen.square().mean()
    least = max(0.0, 1.0 - (observation + size) / (observation * writes))
    return Capacity(size, observation, writes, least, float(missed))


def _reader(memory: Reversible, observation: int, writes: int) -> Tensor:
    """Return the best linear reader of h (d): to the N - 1 observations before the newest, the oldest first."""
    gates = torch.sigmoid(memory.gate.bias.double())
    kept = torch.complex(*memory.kept.weight[:, :observation].double().chunk(2))
    ages = torch.arange(writes - 1, dtype=gates.dtype).flip(0)[:, None]
    shares = torch.polar(gates * (1.0 - gates) ** ages, ages * memory.turns.double())
    told = (shares[:, :, None] * kept).movedim(0, 1).flatten(1)
    written = torch.cat([told.real, told.imag])
    scale = written.square().sum(dim=1, keepdim=True).sqrt()
    written = written / scale
    noise = ROUND_OFF**2 * torch.eye(len(scale), dtype=gates.dtype)
    reader: Tensor = torch.linalg.solve(written @ written.T + noise, written) / scale
    return reader


def _writer(size: int, observation: int, writes: int, generator: torch.Generator) -> Reversible:
    """Return a memory that passes observations on as they are, with gates that what is seen does not move."""
    memory = Reversible(observation, 1, ReversibleSettings(size=size, places=1))
    kept = torch.randn(size, observation, generator=generator)
    with torch.no_grad():
        for layer in (memory.embed, memory.gate, memory.kept):
            layer.weight.zero_()
            layer.bias.zero_()
        memory.embed.weight.copy_(torch.eye(size, observation))
        memory.gate.bias.fill_(math.log(FORGOTTEN / writes))
        memory.kept.weight[:, :observation] = kept
    return memory
