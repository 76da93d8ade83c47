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
from torch.nn import functional

from robomem.policy.memories.memory import Moments
from robomem.policy.memories.reversible import Reversible, ReversibleSettings

NOISE = 1e-3
"""Of what is written, relative: weights are sought that can be read through it, not only in exact arithmetic."""
TRIES = 150
RATE = 0.05
LIVES = 256
"""Lives that the reader is judged by."""
ROUND_OFF = 1e-6
"""What a reader takes for the relative noise of a float of a token."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a token of 2 d floats holds of N observations of n numbers.

    Attributes:
        size: d.
        observation: n.
        writes: N.
        least_missed: share of the mean square that must be missed, by counting.
        missed: share that is missed, by the weights that were found.
    """

    size: int
    observation: int
    writes: int
    least_missed: float
    missed: float


def measure_capacity(*, size: int, observation: int, writes: int, seed: int = 0) -> Capacity:
    """Write N observations at one place with weights that suit them, in float32, and read them back.

    Args:
        size: d, at least `observation`.
        observation: n.
        writes: N.
        seed: of the weights and of the observations.
    """
    generator = torch.Generator().manual_seed(seed)
    gates, kept = _weights(size, observation, writes, generator)
    memory = _writer(gates, kept)
    seen = torch.randn(LIVES, writes, observation, generator=generator)
    with torch.no_grad():
        here = Moments(seen, torch.zeros(seen.shape[:2]), torch.zeros(*seen.shape[:2], 3))
        history, newest = memory.coupling.invert(memory(here)[1]["tokens"][:, 0])
        read = history.double() @ _reader(gates, kept, writes)
        read = torch.cat([read, newest[:, :observation].double()], dim=1)
        missed = (read - seen.flatten(1)).square().mean() / seen.square().mean()
    least = max(0.0, 1.0 - (observation + size) / (observation * writes))
    return Capacity(size, observation, writes, least, float(missed))


def _reader(gates: Tensor, kept: Tensor, writes: int) -> Tensor:
    """Return the best linear reader of h (d): to the N - 1 observations before the newest, the oldest first."""
    written = (_shares(gates, writes).flip(0)[:, :, None] * kept).movedim(0, 1).flatten(1)
    scale = written.square().sum(dim=1, keepdim=True).sqrt()
    written = written / scale
    noise = ROUND_OFF**2 * torch.eye(len(scale), dtype=gates.dtype)
    reader: Tensor = torch.linalg.solve(written @ written.T + noise, written) / scale
    return reader


def _shares(gates: Tensor, writes: int) -> Tensor:
    """Return how much h keeps of an observation, the newest before v first: a (1 - a)^j, (N - 1, d)."""
    ages = torch.arange(writes - 1, dtype=gates.dtype)[:, None]
    return torch.sigmoid(gates) * torch.exp(-ages * functional.softplus(gates))


def _weights(
    size: int, observation: int, writes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return gates (d,) and weights W (d, n) that keep as much of N - 1 observations as a gradient finds."""
    slowest = -math.log(writes + 1.0) - 2.0
    gates = torch.linspace(slowest, 2.0, size, dtype=torch.float64).requires_grad_()
    kept = torch.randn(size, observation, generator=generator, dtype=torch.float64).requires_grad_()
    optimizer = torch.optim.Adam([gates, kept], lr=RATE)
    for _ in range(TRIES if writes > 1 else 0):
        optimizer.zero_grad()
        _missed(gates, kept, writes).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return gates.detach(), kept.detach()


def _missed(gates: Tensor, kept: Tensor, writes: int) -> Tensor:
    """Return what the best linear reader of h misses of the N - 1 observations in it.

    The covariance of h is that of W times that of the shares, number by number; a reader of covariance K through
    noise s misses 1 - tr(K (K + s)^-1) / (n (N - 1)).
    """
    shares = _shares(gates, writes)
    covariance = (kept @ kept.T) * (shares.T @ shares)
    scale = covariance.diagonal().sqrt()
    covariance = covariance / (scale[:, None] * scale)
    noise = NOISE**2 * torch.eye(len(scale), dtype=gates.dtype)
    told = torch.linalg.solve(covariance + noise, covariance).diagonal().sum()
    missed: Tensor = 1.0 - told / (kept.shape[1] * (writes - 1))
    return missed


def _writer(gates: Tensor, kept: Tensor) -> Reversible:
    """Return a memory with these gates, whatever is seen, and weights."""
    size, observation = kept.shape
    memory = Reversible(observation, 1, ReversibleSettings(size=size, places=1))
    with torch.no_grad():
        for layer in (memory.embed, memory.gate, memory.kept):
            layer.weight.zero_()
            layer.bias.zero_()
        memory.embed.weight.copy_(torch.eye(size, observation))
        memory.gate.bias.copy_(gates)
        memory.kept.weight[:, :observation] = kept
    return memory
