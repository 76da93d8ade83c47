"""What is trained, on what, for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from robomem.errors import ConfigError

Setting = bool | int | float | str
"""The value of one setting of a task or a memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """One run; with the same settings and versions it ends with the same weights.

    Attributes:
        task: A gymnasium id.
        task_settings: Of the task, by name.
        mixture: Settings of the task that differ in some of the episodes: of n, each in one of n + 1.
        dataset: The digest of the data set whose episodes are learned from; "" asks the expert of the task.
        memory: What the policy remembers with, one of `robomem.policy.memories`.
        memory_settings: Of the memory, by name.
        seed: Of the weights, of the demonstrations and of their order.
        steps: Batches to learn from.
        minutes: Of CPU time, to end earlier than that; such a run cannot be repeated bit for bit.
        batch: Episodes a step.
        episodes: Different demonstrations there are, each collected when it is first needed.
        noise: Spread of what disturbs the expert's motions, so that it shows how to come back (DART: Laskey et
            al., 2017); choices are never disturbed.
        sees_position: Whether the encoder is told where the robot is; a memory that minds places always is.
        policy: "direct" says one action at a time; "diffusion", for motions, chunks of them.
        policy_settings: Of a diffusion policy, by the names of `PolicyConfig`.
        size: Of an encoded moment, and of what is remembered.
        learning_rate: The highest.
        warm_up: Steps until it is reached; from there it falls as a cosine.
        weight_decay: Of AdamW.
        clip_norm: Longest gradient.
        enough_loss: End where the running mean of the loss is below it.
        auxiliary_weight: Of the loss that a memory has of its own.
        attention_weight: Of the loss of attention to what the expert's action depended on.
    """

    task: str
    task_settings: Mapping[str, Setting] = field(default_factory=dict)
    mixture: tuple[Mapping[str, Setting], ...] = ()
    dataset: str = ""
    memory: str = "hcam"
    memory_settings: Mapping[str, Setting] = field(default_factory=dict)
    seed: int = 0
    steps: int = 2000
    minutes: float | None = None
    batch: int = 32
    episodes: int = 4096
    noise: float = 0.0
    sees_position: bool = True
    policy: Literal["direct", "diffusion"] = "direct"
    policy_settings: Mapping[str, Setting] = field(default_factory=dict)
    size: int = 64
    learning_rate: float = 1e-3
    warm_up: int = 50
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    enough_loss: float = 0.0
    auxiliary_weight: float = 0.1
    attention_weight: float = 0.0

    def __post_init__(self) -> None:
        """Raise ConfigError where a setting is out of range."""
        for name in ("steps", "batch", "episodes", "size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is 1 or more, got {getattr(self, name)}")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} is above 0, got {getattr(self, name)}")
        for name in (
            "noise",
            "warm_up",
            "weight_decay",
            "enough_loss",
            "auxiliary_weight",
            "attention_weight",
        ):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} is 0 or more, got {getattr(self, name)}")
        if self.minutes is not None and not self.minutes > 0:
            raise ConfigError(f"minutes are above 0, got {self.minutes}")
        if not 0 <= self.seed < 2**20:
            raise ConfigError(f"a seed is 0 to {2**20 - 1}, got {self.seed}")
        if self.batch > self.episodes:
            raise ConfigError(
                f"a batch of {self.batch} needs as many episodes, got {self.episodes}"
            )


def settings_from(values: Mapping[str, object]) -> TrainingSettings:
    """Return settings that were typed, or kept as JSON.

    Raises:
        ConfigError: There is one that this version does not know, or it is of another type or out of range.
    """
    unknown = values.keys() - {known.name for known in fields(TrainingSettings)}
    if unknown:
        raise ConfigError(f"unknown settings of a training: {', '.join(sorted(unknown))}")
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as err:
        first = err.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"setting {name} of a training: {first['msg']}") from err


_ADAPTER = TypeAdapter(TrainingSettings)
