"""Learn to act as the expert does, from its demonstrations; Torabi et al., "Behavioral cloning", 2018."""

import math
import time
from pathlib import Path
from typing import cast

import torch
from torch import nn

from robomem.errors import ConfigError
from robomem.policy.training.agent import Losses
from robomem.policy.training.agents import make_agent
from robomem.policy.training.checkpoints import (
    Progressed,
    load_checkpoint,
    load_optimiser,
    load_weights,
    save_checkpoint,
)
from robomem.policy.training.demonstrations import Batch, Demonstrations, Recorded, on_device
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.sharing import Share

NORMALISED_EPISODES = 64  # enough for a mean and a spread
LAST_RATE = 0.02  # of the highest learning rate, at the end
RUNNING = 0.95  # share of the running loss that stays at each step


class Imitation:
    """One run of training, in memory; `runs.train` is the same with its files.

    Attributes:
        agent: What learns.
        progressed: How far it is.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        share: Share | None = None,
        *,
        recorded: Recorded | None = None,
        with_bf16: bool = False,
    ) -> None:
        self.settings = settings
        self._share = share or Share()
        self._with_bf16 = with_bf16
        self.demonstrations = Demonstrations(settings, recorded)
        with torch.random.fork_rng(self._share.cuda_devices):
            torch.manual_seed(settings.seed)
            self.agent = make_agent(settings, self.demonstrations.shape)
        self.agent.normalise(self.demonstrations.moments(NORMALISED_EPISODES))
        self.agent.to(self._share.device)
        self._model = self._share.wrapped(self.agent)
        self._optimiser = torch.optim.AdamW(
            self.agent.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.progressed = Progressed()

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0 to 1: of the steps or of the minutes, whichever is more."""
        minutes = self.settings.minutes
        spent = 0.0 if minutes is None else self.progressed.cpu_s / (60 * minutes)
        return min(max(self.progressed.step / self.settings.steps, spent), 1.0)

    @property
    def is_done(self) -> bool:
        """Whether the steps or the minutes are over, or the loss is low enough."""
        running = self.progressed.running_loss
        return self.fraction == 1 or (running is not None and running < self.settings.enough_loss)

    def step(self) -> dict[str, float]:
        """Learn from one batch; return what the log keeps of it.

        Raises:
            ConfigError: The loss is not finite any more.
        """
        begin_s = time.process_time()
        batch = self.demonstrations.batch(
            self.progressed.step, rank=self._share.rank, ranks=self._share.ranks
        )
        rate = self.settings.learning_rate * self._rate_factor()
        with torch.random.fork_rng(self._share.cuda_devices):
            torch.manual_seed(self._step_seed())  # nothing random needs to be kept for resuming
            losses = self._losses(on_device(batch, self._share.device))
        norm = self._descend(losses, rate)
        loss, spent_s = self._share.mean(losses.imitation.item(), time.process_time() - begin_s)
        if not math.isfinite(loss):
            raise ConfigError(
                f"the loss of step {self.progressed.step} is {loss}: lower the learning_rate"
            )
        self.progressed = Progressed(
            step=self.progressed.step + 1,
            cpu_s=self.progressed.cpu_s + spent_s,
            running_loss=self._running(loss),
        )
        return {
            "cpu_s": self.progressed.cpu_s,
            "loss": loss,
            "auxiliary": losses.auxiliary.item(),
            "attention": losses.attention.item(),
            "agreement": losses.agreement.item(),
            "learning_rate": rate,
            "gradient_norm": norm,
        }

    def save(self, path: Path, *, is_final: bool = False) -> None:
        """Write a checkpoint; a final one holds the weights only."""
        save_checkpoint(
            path,
            self.agent,
            settings=self.settings,
            shape=self.demonstrations.shape,
            progressed=self.progressed,
            optimiser=None if is_final else self._optimiser,
        )

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            FormatError: It is damaged, or of another policy.
        """
        checkpoint = load_checkpoint(path)
        load_weights(self.agent, checkpoint.model, origin=path)
        load_optimiser(self._optimiser, checkpoint.optimiser)
        self.progressed = checkpoint.progressed

    def _losses(self, batch: Batch) -> Losses:
        with torch.autocast(self._share.device.type, torch.bfloat16, enabled=self._with_bf16):
            return cast(Losses, self._model(batch))

    def _descend(self, losses: Losses, rate: float) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.agent.parameters(), self.settings.clip_norm)
        self._optimiser.step()
        return norm.item()

    def _rate_factor(self) -> float:
        """Return the share of the highest learning rate: a linear rise, then half a cosine."""
        rise = min((self.progressed.step + 1) / max(self.settings.warm_up, 1), 1.0)
        fall = 0.5 * (1 + math.cos(math.pi * self.fraction))
        return rise * (LAST_RATE + (1 - LAST_RATE) * fall)

    def _running(self, loss: float) -> float:
        running = self.progressed.running_loss
        return loss if running is None else RUNNING * running + (1 - RUNNING) * loss

    def _step_seed(self) -> int:
        return (self.settings.seed << 32) + (self.progressed.step << 8) + self._share.rank
