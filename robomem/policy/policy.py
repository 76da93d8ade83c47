"""A diffusion policy that remembers: what it perceives, what its memory says of it, and a chunk of actions.

policy = DiffusionPolicy.from_pretrained("models/shell-reach")
policy.reset()
action = policy.select_action({"observation.state": state, "observation.stamp_s": stamp_s})

The memory is told of every observation with its stamp; the actions come by theirs. See docs/policy.md.
"""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from robomem.errors import ConfigError, DataError, StampError
from robomem.policy.config import PolicyConfig
from robomem.policy.diffusion.denoiser import Context, Denoiser
from robomem.policy.diffusion.guidance import Inpaint, Pull
from robomem.policy.diffusion.losses import Noising, masked_error
from robomem.policy.diffusion.sampling import Guide, conditioned, sample
from robomem.policy.encoder import Normaliser, ObservationEncoder
from robomem.policy.memories.layers import at_reads
from robomem.policy.memories.memory import Moments, State
from robomem.policy.memories.registry import make_memory
from robomem.policy.observation import (
    STATE,
    Batch,
    Perceived,
    Recalled,
    check_actions,
    chunks_of,
    perceived,
    reads_of,
    recalled_of,
)
from robomem.policy.pretrained import load_weights, read_config, save
from robomem.policy.prototypes import Prototypes
from robomem.policy.runtime.chunks import ActionChunks, prefix_weights
from robomem.policy.schedules import noise_schedule, sampler_table

CLOSE = 0.1  # of the range [-1, 1] of an action: within it, one counts as that of the demonstration


class Seen(NamedTuple):
    """What a policy acts on.

    Attributes:
        stamps_s: (B,) of the newest observations.
        key: (B, K) what is perceived and remembered.
        context: What the actions are conditioned on.
        nothing: The context without it, where there is guidance.
    """

    stamps_s: Tensor
    key: Tensor
    context: Context
    nothing: Context | None


class DiffusionPolicy(nn.Module):
    """Observation encoder, memory, and a denoiser of action chunks.

    To act call `reset`, then `select_action` with every observation; to train call `forward`. `encode`, `memory.step`,
    `tokens`, `denoiser` and `table` are the parts that an export is made of.

    Attributes:
        config: The settings.
        table: Coefficients of the sampler, (sampling steps, COLUMNS); another one may be set.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.normaliser = Normaliser(config.state_size, config.action_size)
        self.encoder = ObservationEncoder(
            state_size=config.state_size, images=config.images, width=width
        )
        self.memory = make_memory(
            config.memory, width, config.memory_tokens * width, **config.memory_settings
        )
        self.recalled = nn.Linear(config.recalled_size, width) if config.recalled_slots else None
        self.roles = nn.Parameter(0.02 * torch.randn(3, width))  # now, remembered, recalled
        self.denoiser = Denoiser(
            horizon=config.horizon,
            action_size=config.action_size,
            width=width,
            depth=config.depth,
            heads=config.heads,
        )
        schedule = noise_schedule(config.schedule, levels=config.levels)
        self.noising = Noising(schedule, config.prediction)
        self.table = sampler_table(
            schedule,
            sampler=config.sampler,
            prediction=config.prediction,
            steps=config.sampling_steps,
            spacing=config.spacing,
            clip=config.clip or torch.inf,
        )
        self.prototypes = _prototypes(config)
        self.generator = torch.Generator().manual_seed(0)
        self.reset()

    # ---- train ------------------------------------------------------------------------------------

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of demonstrations, and what to log of it.

        Args:
            batch: Observations (B, T, ...), or (B, ...) of one moment each; `reads` (B, R), the moments at which
                chunks begin, by default the last; `action` (B, R, H, A), or (B, H, A) of one each;
                `action_is_pad` (B, R, H) or (B, H), true where an action is none.

        Raises:
            DataError: A key is missing, a shape differs, or a number is not finite.
        """
        moments = self._moments(batch)
        reads = reads_of(batch, moments.stamps_s)
        now, remembered = self._read(moments, reads)
        tokens, mask = self.tokens(now, remembered, recalled_of(batch, self.config, reads.shape))
        kept = torch.rand(len(mask), 1, device=mask.device) >= self.config.context_dropout
        context = self.denoiser.prepare(tokens, mask & kept)
        chunks, is_pad = chunks_of(batch, self.config, reads.shape)
        draws = self.config.noise_draws
        x0 = self.normaliser.actions(chunks).repeat_interleave(draws, 0)
        noised = self.noising(x0)
        predicted = self.denoiser(noised.x, noised.times, context.repeat(draws))
        imitation = masked_error(
            predicted, noised.wanted, is_pad=is_pad.repeat_interleave(draws, 0)
        )
        auxiliary = self.memory.auxiliary_loss(moments)
        loss = imitation + self.config.auxiliary_weight * auxiliary
        is_close = (noised.data(predicted) - x0).detach().abs() < CLOSE
        told = {
            "loss": loss,
            "imitation": imitation,
            "auxiliary": auxiliary,
            "close": is_close.float().mean(),
        }
        return loss, {name: value.item() for name, value in told.items()}

    @torch.no_grad()
    def remember(self, batch: Batch, *, rng: np.random.Generator) -> None:
        """Choose the prototypes among demonstrations, after training; see `robomem.policy.prototypes`.

        Args:
            batch: As `forward` takes it.
            rng: Of the choice.

        Raises:
            ConfigError: The policy has no prototypes.
            DataError: There are too few demonstrations, or they are wrong.
        """
        if self.prototypes is None:
            raise ConfigError("the policy has no prototypes: set `prototypes` in its config")
        moments = self._moments(batch)
        reads = reads_of(batch, moments.stamps_s)
        keys = torch.cat(self._read(moments, reads), -1)
        chunks, is_pad = chunks_of(batch, self.config, reads.shape)
        is_whole = ~is_pad.any(1)
        self.prototypes.fit(keys[is_whole], self.normaliser.actions(chunks[is_whole]), rng=rng)

    def encode(self, observed: Perceived) -> Tensor:
        """Return features (..., width) of what was perceived."""
        features: Tensor = self.encoder(self.normaliser.states(observed.states), observed.images)
        return features

    def tokens(
        self, now: Tensor, remembered: Tensor, recalled: Recalled | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the tokens (B, M, width) that the actions are conditioned on, and which of them are there, (B, M).

        `denoiser.prepare` makes the context of them.

        Args:
            now: Features of the newest observation, (B, width).
            remembered: What the memory says at it, (B, memory tokens times width).
            recalled: Hits of the long-term memory, where the policy takes some.
        """
        parts = [now[:, None] + self.roles[0]]
        parts.append(remembered.view(now.shape[0], -1, self.config.width) + self.roles[1])
        mask = now.new_ones(now.shape[0], 1 + self.config.memory_tokens, dtype=torch.bool)
        if self.recalled is not None and recalled is not None:
            parts.append(self.recalled(recalled.features) + self.roles[2])
            mask = torch.cat([mask, recalled.mask], dim=1)
        return torch.cat(parts, dim=1), mask

    # ---- act --------------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None) -> None:
        """Begin an episode: nothing is remembered, no action is planned.

        Args:
            seed: Of the noise from now on; by default it goes on as it was.
        """
        self._state: State | None = None
        self._last_s: Tensor | None = None
        self._steps = 0
        self._plans: list[ActionChunks] = []
        if seed is not None:
            self.generator.manual_seed(seed)

    @torch.no_grad()
    def select_action(self, batch: Batch) -> Tensor:
        """Take an observation of each of B robots in; return what each is to do at its stamp, (B, A)."""
        seen = self._look(batch)
        if not self._plans:
            period_s, execute = self.config.period_s, self.config.execute
            self._plans = [ActionChunks(period_s=period_s, execute=execute) for _ in seen.stamps_s]
        robots = list(zip(self._plans, seen.stamps_s.tolist(), strict=True))
        if any(plan.is_due(stamp_s) for plan, stamp_s in robots):
            chunks = self.sample(seen).cpu().numpy()
            for (plan, stamp_s), chunk in zip(robots, chunks, strict=True):
                if plan.is_due(stamp_s):
                    plan.add(chunk, stamp_s)
        actions = [plan.at(stamp_s) for plan, stamp_s in robots]
        return torch.stack([torch.as_tensor(action) for action in actions]).to(seen.stamps_s.device)

    @torch.no_grad()
    def predict_action_chunk(
        self, batch: Batch, *, previous: Tensor | None = None, delay: int = 0
    ) -> Tensor:
        """Take an observation of each of B robots in; return what each is to do from its stamp on, (B, H, A).

        Args:
            batch: The observations.
            previous: What the chunk that is being done says from that stamp on, (B, N, A): the new one goes on
                from it (real-time chunking).
            delay: So many actions of it will be done before the new chunk is there.

        Raises:
            DataError: A key is missing, a shape differs, or a number is not finite.
            ConfigError: The delay is longer than what is left of the chunk.
        """
        if previous is not None:
            check_actions(previous, len(batch.get(STATE, previous)), self.config)
            prefix_weights(self.config.horizon, delay=delay, overlap=previous.shape[1])
        return self.sample(self._look(batch), previous=previous, delay=delay)

    # ---- the same without a state of its own ----------------------------------------------------------

    def look(self, batch: Batch, state: State | None, *, step: int = 0) -> tuple[Seen, State]:
        """Tell the memory of an observation of each of B robots; return what to act on, and the memory's state.

        Args:
            batch: The observations.
            state: As the last call returned it; None at the beginning.
            step: Stands for a stamp where the batch has none.
        """
        batch_size = len(batch[STATE]) if STATE in batch else 1
        clock_s = torch.full((batch_size,), step * self.config.period_s).to(self.roles)
        observed = perceived(batch, self.config, clock_s=clock_s)
        recalled = recalled_of(batch, self.config, (batch_size,))
        now = self.encode(observed)
        if state is None:
            state = self.memory.init_state(batch_size)
        moment = Moments(now, observed.stamps_s, observed.positions)
        remembered, state = self.memory.step(moment, state)
        tokens, mask = self.tokens(now, remembered, recalled)
        context, nothing = self.denoiser.prepare(tokens, mask), None
        if self.config.guidance_scale != 1.0:
            nothing = self.denoiser.prepare(tokens, torch.zeros_like(mask))
        return Seen(observed.stamps_s, torch.cat([now, remembered], -1), context, nothing), state

    def sample(self, seen: Seen, *, previous: Tensor | None = None, delay: int = 0) -> Tensor:
        """Return chunks of actions (B, H, A); see `predict_action_chunk`."""
        scale, clip = self.config.guidance_scale, self.config.clip
        denoise = conditioned(self.denoiser, seen.context, nothing=seen.nothing, scale=scale)
        shape = (len(seen.stamps_s), self.config.horizon, self.config.action_size)
        noise = torch.randn(shape, generator=self.generator).to(seen.stamps_s)
        guide = None if previous is None else self._guide(previous, noise, delay=delay)
        chunks = sample(denoise, self.table, noise, guide=guide)
        chunks = chunks if clip is None else chunks.clamp(-clip, clip)
        if self.prototypes is not None:
            chunks = self.prototypes(chunks, seen.key)
        return self.normaliser.denormalised(chunks)

    # ---- keep -------------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json, model.safetensors and stats.json into a folder."""
        save(Path(folder), self.config, self.state_dict(), stats=self.normaliser.stats())

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read a policy that `save_pretrained` wrote.

        Raises:
            PolicyFolderError: A file is missing, or the weights are not those of the settings.
            ConfigError: The settings are none.
        """
        policy = cls(read_config(Path(folder)))
        load_weights(policy, Path(folder))
        return policy.eval()

    # ---- parts ------------------------------------------------------------------------------------

    def _moments(self, batch: Batch) -> Moments:
        """Return what the memory is told of sequences, (B, T, ...)."""
        if STATE in batch and batch[STATE].ndim == 2:
            batch = {
                key: value[:, None]
                for key, value in batch.items()
                if key.startswith("observation.")
            }
        shape = batch[STATE].shape[:2] if STATE in batch else (1, 1)
        clock_s = self.config.period_s * torch.arange(shape[1]).expand(shape).to(self.roles)
        observed = perceived(batch, self.config, clock_s=clock_s)
        return Moments(self.encode(observed), observed.stamps_s, observed.positions)

    def _read(self, moments: Moments, reads: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of the moments that are read, (B R, width), and what is remembered at them."""
        remembered, _ = self.memory(moments, reads=reads)
        return at_reads(moments.features, reads).flatten(0, 1), remembered.flatten(0, 1)

    def _look(self, batch: Batch) -> Seen:
        """Look, and go on from what was remembered last; what does not go on from it changes nothing."""
        if self._last_s is not None and STATE in batch and len(batch[STATE]) != len(self._last_s):
            raise DataError(f"{len(self._last_s)} robots began the episode: reset the policy first")
        seen, state = self.look(batch, self._state, step=self._steps)
        if self._last_s is not None and bool((seen.stamps_s < self._last_s).any()):
            raise StampError("a stamp went backwards: reset the policy before another episode")
        self._state, self._last_s = state, seen.stamps_s
        self._steps += 1
        return seen

    def _guide(self, previous: Tensor, noise: Tensor, *, delay: int) -> Guide:
        overlap = previous.shape[1]
        known = torch.zeros_like(noise)
        known[:, :overlap] = self.normaliser.actions(previous.to(noise))
        weights = prefix_weights(self.config.horizon, delay=delay, overlap=overlap)
        column = torch.as_tensor(weights[:, None]).to(noise)
        if self.config.going_on == "inpaint":
            return Inpaint(known, column, noise)
        return Pull(known, column, self.config.max_pull)


def _prototypes(config: PolicyConfig) -> Prototypes | None:
    if not config.prototypes:
        return None
    assert config.clip is not None, "checked by the config"
    return Prototypes(
        config.prototypes,
        key_size=config.width * (1 + config.memory_tokens),
        chunk_shape=(config.horizon, config.action_size),
        falloff=config.prototype_falloff,
        limit=config.clip,
    )
