"""A small policy: what is perceived is encoded, remembered, and turned into an action."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robomem.errors import ConfigError
from robomem.policy.memories import make_memory
from robomem.policy.memories.attentive import AttentiveMemory, dependency_loss
from robomem.policy.memories.layers import at_reads
from robomem.policy.memories.memory import Moments, State
from robomem.policy.training.demonstrations import Batch, dependencies
from robomem.policy.training.heads import make_head
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.tasks import TaskShape

WIDEST = 5.0
"""Standard deviations: a flag that is rarely set, or what was never seen, stays in bounds."""
LEAST_SCALE = 1e-3


class Losses(NamedTuple):
    """What a batch costs.

    Attributes:
        total: what is minimised.
        imitation: of the actions alone.
        auxiliary: of the memory's own, unweighted.
        attention: of attention to what the actions depended on, unweighted.
        agreement: share of the reads at which the policy does as the expert did.
    """

    total: Tensor
    imitation: Tensor
    auxiliary: Tensor
    attention: Tensor
    agreement: Tensor


class Agent(nn.Module, ABC):
    """What learns to act; its parameters are all that is learned.

    Attributes:
        shape: What it is told and may do.
    """

    shape: TaskShape

    @abstractmethod
    def normalise(self, moments: Moments) -> None:
        """Take the mean and the spread of moments (N, ...) for those of all that will be perceived."""

    @abstractmethod
    def forward(self, batch: Batch) -> Losses:
        """Return the losses of a batch."""

    @abstractmethod
    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Return what to do at one moment (B, D), and the state after it."""

    @abstractmethod
    def init_state(self, batch_size: int) -> State:
        """Return the state before the first moment."""

    @property
    def state_bytes(self) -> int:
        """Bytes of the state of one robot."""
        return sum(held.numel() * held.element_size() for held in self.init_state(1).values())

    def save_pretrained(self, folder: Path) -> None:
        """Write it into a folder as users of LeRobot know it, where it is such a policy."""

    @property
    def device(self) -> torch.device:
        """Where its parameters lie."""
        return next(self.parameters()).device


class DirectAgent(Agent):
    """Encoder, memory and a head that says one action at a time.

    Raises:
        ConfigError: There is no such memory, or it cannot be trained as the settings say.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, settings: TrainingSettings, shape: TaskShape) -> None:
        super().__init__()
        self.shape = shape
        self._auxiliary_weight = settings.auxiliary_weight
        self._attention_weight = settings.attention_weight
        self.sees_position = settings.sees_position
        size, perceived_size = settings.size, shape.state_size + 3 * settings.sees_position
        self.register_buffer("mean", torch.zeros(perceived_size))
        self.register_buffer("scale", torch.ones(perceived_size))
        self.encoder = nn.Sequential(
            nn.Linear(perceived_size, size), nn.LayerNorm(size), nn.SiLU(), nn.Linear(size, size)
        )
        self.memory = make_memory(settings.memory, size, size, **settings.memory_settings)
        self.head = make_head(2 * size, shape)
        if settings.attention_weight and not isinstance(self.memory, AttentiveMemory):
            raise ConfigError(f"memory {settings.memory} has no attention that could be supervised")

    def normalise(self, moments: Moments) -> None:
        """Take the mean and the spread of moments (N, ...) for those of all that will be perceived."""
        perceived = self._perceived(moments)
        self.mean.copy_(perceived.mean(0))
        self.scale.copy_(perceived.std(0).clamp(min=LEAST_SCALE))

    def forward(self, batch: Batch) -> Losses:
        """Return the losses of a batch."""
        moments = self.encoded(batch.moments)
        remembered, attention = self._remembered(moments, batch)
        context = torch.cat((remembered, at_reads(moments.features, batch.reads)), -1).float()
        weights = batch.weights / batch.weights.sum().clamp(min=1.0)
        imitation = (self.head.loss(context, batch.actions) * weights).sum()
        with torch.no_grad():
            agreement = (self.head.agrees(context, batch.actions) * weights).sum()
        auxiliary = self.memory.auxiliary_loss(moments)
        total = imitation + self._auxiliary_weight * auxiliary + self._attention_weight * attention
        return Losses(total, imitation, auxiliary, attention, agreement)

    def init_state(self, batch_size: int) -> State:
        """Return the state of the memory before the first moment."""
        return self.memory.init_state(batch_size)

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Return what to do at one moment (B, D), and the state of the memory after it."""
        moment = self.encoded(moment)
        remembered, state = self.memory.step(moment, state)
        action: Tensor = self.head.act(torch.cat((remembered, moment.features), -1))
        return action, state

    def encoded(self, moments: Moments) -> Moments:
        """Return moments whose states are encoded."""
        perceived = (self._perceived(moments) - self.mean) / self.scale
        return moments._replace(features=self.encoder(perceived.clamp(-WIDEST, WIDEST)))

    def _perceived(self, moments: Moments) -> Tensor:
        """Return what goes into the encoder, (..., D or D + 3)."""
        if not self.sees_position:
            return moments.features
        return torch.cat((moments.features, moments.positions), -1)

    def _remembered(self, moments: Moments, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what is remembered at the reads, (B, R, C), and the loss of where the memory looked for it."""
        if self._attention_weight and isinstance(self.memory, AttentiveMemory):
            attended = self.memory.attend(moments, reads=batch.reads)
            return attended.outputs, dependency_loss(attended.weights, dependencies(batch))
        remembered, _ = self.memory(moments, reads=batch.reads)
        return remembered, remembered.new_zeros(())
