"""What each memory costs: CPU time to train, to run and to step, parameters, and the bytes of its state."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from robomem.policy.memories.memory import Moments, PolicyMemory
from robomem.policy.memories.registry import make_memory

STEP_S = 0.1
ROOM_M = 8.0
"""Edge of the square that the robot wanders in."""
STEPS = 20
"""Steps that are timed together."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is run over.

    Attributes:
        sequences: B.
        moments: T of each.
        size: D, of the features and of what comes out.
        reads: R of each sequence, the moments that an action is asked at.
    """

    sequences: int = 16
    moments: int = 512
    size: int = 64
    reads: int = 16


@dataclass(frozen=True, slots=True)
class Cost:
    """What a memory with default settings costs; times are of the process's CPU, the least of some tries.

    Attributes:
        memory: Its name.
        parameters: Numbers that are learned.
        state_bytes: Of one robot.
        train_ms: `forward` over the load and the gradient.
        forward_ms: `forward` over the load, no gradient.
        step_ms: One step of one robot.
    """

    memory: str
    parameters: int
    state_bytes: int
    train_ms: float
    forward_ms: float
    step_ms: float


def measure_cost(name: str, load: Load, *, tries: int = 3, seed: int = 0) -> Cost:
    """Time a memory with as many threads as torch has now."""
    generator = torch.Generator().manual_seed(seed)
    memory = make_memory(name, load.size, load.size)
    moments = _wandering(load, generator)
    reads = torch.randint(load.moments, (load.sequences, load.reads), generator=generator)

    def train() -> None:
        memory.zero_grad()
        memory(moments, reads=reads)[0].square().sum().backward()

    def forward() -> None:
        with torch.no_grad():
            memory(moments, reads=reads)

    return Cost(
        memory=name,
        parameters=sum(weight.numel() for weight in memory.parameters()),
        state_bytes=memory.state_bytes,
        train_ms=_least_ms(train, tries),
        forward_ms=_least_ms(forward, tries),
        step_ms=_least_ms(lambda: _step(memory, moments), tries) / STEPS,
    )


def _wandering(load: Load, generator: torch.Generator) -> Moments:
    shape = (load.sequences, load.moments)
    stamps_s = torch.arange(load.moments).mul(STEP_S).expand(shape).contiguous()
    positions = torch.rand(*shape, 3, generator=generator) * torch.tensor([ROOM_M, ROOM_M, 0.0])
    return Moments(torch.randn(*shape, load.size, generator=generator), stamps_s, positions)


@torch.no_grad()
def _step(memory: PolicyMemory, moments: Moments) -> Tensor:
    state, output = memory.init_state(1), moments.features
    for t in range(STEPS):
        output, state = memory.step(Moments(*(part[:1, t] for part in moments)), state)
    return output


def _least_ms(run: Callable[[], object], tries: int) -> float:
    spent = []
    for _ in range(tries):
        began = time.process_time()
        run()
        spent.append(time.process_time() - began)
    return 1e3 * min(spent)
