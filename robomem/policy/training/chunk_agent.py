"""A diffusion policy that learns by imitation: chunks of the expert's motion, from any moment on that they count."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from robomem.errors import ConfigError
from robomem.policy.config import PolicyConfig
from robomem.policy.memories.memory import Moments, State
from robomem.policy.observation import ACTION, IS_PAD, POSITION, READS, STAMP, STATE
from robomem.policy.policy import DiffusionPolicy
from robomem.policy.training.agent import Agent, Losses
from robomem.policy.training.demonstrations import Batch
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.tasks import TaskShape

CHUNKS = 8  # of an episode that a batch learns from; the context of each is computed once
PLAN, PLAN_STAMP_S = "plan", "plan_stamp_s"  # in the state, beside the memory's


class ChunkAgent(Agent):
    """A `DiffusionPolicy` under the protocol of agents; what it plans is a part of its state.

    Raises:
        ConfigError: The task does not take motions, or there is no such setting or memory.

    Attributes:
        policy: What `save_pretrained` keeps.
    """

    def __init__(self, settings: TrainingSettings, shape: TaskShape) -> None:
        super().__init__()
        if shape.motion_size is None:
            raise ConfigError("a diffusion policy moves: this task takes one of n actions")
        if settings.attention_weight:
            raise ConfigError("a diffusion policy has no supervision of its attention")
        self.shape = shape
        self.policy = DiffusionPolicy(_config(settings, shape))

    def normalise(self, moments: Moments) -> None:
        """Take the mean and the spread of states; motions are in [-1, 1] already."""
        self.policy.normaliser.fit(moments.features)

    def forward(self, batch: Batch) -> Losses:
        """Return the losses of a batch: of a few chunks of each episode, drawn at random."""
        horizon = self.policy.config.horizon
        starts = torch.multinomial(_counts(batch, horizon), CHUNKS, replacement=True)
        moments = starts[..., None] + torch.arange(horizon, device=starts.device)
        is_pad = moments >= batch.lengths[:, None, None]
        moments = moments.clamp(max=batch.course.shape[1] - 1)
        rows = torch.arange(len(starts), device=starts.device)[:, None, None]
        chunks = {ACTION: batch.course[rows, moments], IS_PAD: is_pad, READS: starts}
        total, told = self.policy({**_observations(batch.moments), **chunks})
        imitation, auxiliary, close = total.new_tensor(
            [told["imitation"], told["auxiliary"], told["close"]]
        )
        return Losses(total, imitation, auxiliary, torch.zeros_like(imitation), close)

    def init_state(self, batch_size: int) -> State:
        """Return the state before the first moment: nothing is remembered, nothing planned."""
        config, like = self.policy.config, self.policy.roles
        plan = like.new_zeros(batch_size, config.horizon, config.action_size)
        stamps_s = like.new_full((batch_size,), -torch.inf)
        return {**self.policy.memory.init_state(batch_size), PLAN: plan, PLAN_STAMP_S: stamps_s}

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Return what is planned for a moment (B, D); a new chunk where enough of the last one is done."""
        config = self.policy.config
        plan, plan_stamps_s = state[PLAN], state[PLAN_STAMP_S]
        seen, remembered = self.policy.look(_observations(moment), state)
        done = ((seen.stamps_s - plan_stamps_s) / config.period_s).round()
        is_due = (done >= config.execute) | (done < 0)
        if is_due.any():
            plan = torch.where(is_due[:, None, None], self.policy.sample(seen), plan)
            plan_stamps_s = torch.where(is_due, seen.stamps_s, plan_stamps_s)
        index = torch.where(is_due, 0.0, done).long()
        actions = plan[torch.arange(len(plan), device=plan.device), index]
        return actions, {**remembered, PLAN: plan, PLAN_STAMP_S: plan_stamps_s}

    def save_pretrained(self, folder: Path) -> None:
        """Write config.json, model.safetensors and stats.json."""
        self.policy.save_pretrained(folder)


def _config(settings: TrainingSettings, shape: TaskShape) -> PolicyConfig:
    given: dict[str, Any] = {
        "state_size": shape.state_size,
        "action_size": shape.motion_size,
        "period_s": shape.period_s,
        "memory": settings.memory,
        "memory_settings": dict(settings.memory_settings),
        "width": settings.size,
        "auxiliary_weight": settings.auxiliary_weight,
        **settings.policy_settings,
    }
    return PolicyConfig.of(given)


def _observations(moments: Moments) -> dict[str, Tensor]:
    return {
        STATE: moments.features,
        STAMP: moments.stamps_s[..., None],
        POSITION: moments.positions,
    }


def _counts(batch: Batch, horizon: int) -> Tensor:
    """Return 1.0 for the moments (B, T) from which on a chunk has an action that counts."""
    counts = torch.zeros_like(batch.moments.stamps_s).scatter_add(1, batch.reads, batch.weights)
    ahead = functional.pad(counts.clamp(max=1.0), (0, horizon - 1))[:, None]
    reaching = functional.max_pool1d(ahead, horizon, stride=1)[:, 0]
    return torch.where(reaching.sum(1, keepdim=True) > 0, reaching, 1.0)
