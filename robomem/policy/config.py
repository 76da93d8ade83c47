"""The settings of a policy, kept beside its weights as config.json."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from robomem.errors import ConfigError
from robomem.policy.schedules import Prediction, Sampler, Spacing


class PolicyConfig(BaseModel):
    """What a diffusion policy is made of; a default for everything but the sizes of its task."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    state_size: PositiveInt
    """Numbers in `observation.state`."""
    action_size: PositiveInt
    images: dict[str, tuple[PositiveInt, PositiveInt, PositiveInt]] = {}
    """Cameras by name, each with channels, height and width of `observation.images.NAME`."""
    horizon: PositiveInt = 16
    """Actions in a chunk,"""
    execute: PositiveInt = 8
    """of which so many are done before the next chunk,"""
    period_s: PositiveFloat = 0.1
    """one every so many seconds."""
    memory: str = "none"
    """One of `robomem.policy.memories`."""
    memory_settings: dict[str, Any] = {}
    memory_tokens: PositiveInt = 1
    """What the memory says goes into the context as so many tokens."""
    recalled_slots: int = Field(default=0, ge=0)
    """So many hits of `Memory.recall` go into the context; see `robomem.working.recalled`."""
    recalled_size: PositiveInt = 39
    """Numbers that tell of one."""
    width: int = Field(default=128, ge=8, multiple_of=2)
    depth: PositiveInt = 4
    heads: PositiveInt = 4
    prediction: Prediction = "flow"
    schedule: Literal["flow", "cosine", "linear"] = "flow"
    levels: PositiveInt = 100
    """Of noise, in training."""
    sampler: Sampler = "euler"
    sampling_steps: PositiveInt = 10
    spacing: Spacing = "trailing"
    clip: PositiveFloat | None = 1.0
    """Estimates of the actions are held within ± this while sampling; actions are trained in [-1, 1]."""
    guidance_scale: float = Field(default=1.0, ge=0)
    """Of classifier-free guidance; 1 is none, and costs half as much."""
    going_on: Literal["pull", "inpaint"] = "pull"
    """How a new chunk is led on from the old one: by a gradient through the denoiser, or without one."""
    max_pull: PositiveFloat = 10.0
    """How hard the gradient may pull."""
    context_dropout: float = Field(default=0.1, ge=0, lt=1)
    """So often the context is left out in training: guidance needs it."""
    prototypes: int = Field(default=0, ge=0)
    """So many demonstrations are remembered word for word; see `robomem.policy.prototypes`."""
    prototype_falloff: PositiveFloat = 10.0
    auxiliary_weight: float = Field(default=0.1, ge=0)
    """In training, of the loss that a memory has of its own."""
    noise_draws: PositiveInt = 4
    """A chunk is trained on with so much different noise at once: the context is computed once for all."""

    @classmethod
    def from_json(cls, text: str) -> "PolicyConfig":
        """Read config.json.

        Raises:
            ConfigError: A setting is missing, unknown or out of range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as err:
            raise ConfigError(f"no policy's config.json: {err}") from err

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "PolicyConfig":
        """Return settings by their names.

        Raises:
            ConfigError: A setting is missing, unknown or out of range.
        """
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as err:
            raise ConfigError(f"no settings of a policy: {err}") from err

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.execute > self.horizon:
            raise ValueError("no more actions of a chunk are done than it has: execute <= horizon")
        if self.prototypes and self.clip is None:
            raise ValueError("prototypes need a clip: no action may exceed it")
        if self.width % self.heads:
            raise ValueError("the width is a multiple of the heads")
        return self
