"""From what is remembered to an action."""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional

from robomem.policy.training.tasks import TaskShape

CLOSE = 0.1  # of a motion's range [-1, 1]: within it, it counts as the expert's


class Head(nn.Module, ABC):
    """What to do, given what is perceived and remembered."""

    @abstractmethod
    def loss(self, context: Tensor, actions: Tensor) -> Tensor:
        """Return how far from the expert's actions it is, (B, R), of contexts (B, R, C)."""

    @abstractmethod
    def act(self, context: Tensor) -> Tensor:
        """Return the actions of contexts (..., C)."""

    @abstractmethod
    def agrees(self, context: Tensor, actions: Tensor) -> Tensor:
        """Return 1.0 where it does as the expert did, (B, R)."""


class ChoiceHead(Head):
    """Chooses one of n actions; cross-entropy."""

    def __init__(self, context_size: int, choices: int) -> None:
        super().__init__()
        self.layers = _layers(context_size, choices)

    def loss(self, context: Tensor, actions: Tensor) -> Tensor:
        """Return the cross-entropy of actions (B, R)."""
        logits: Tensor = self.layers(context)
        return functional.cross_entropy(logits.movedim(-1, 1), actions, reduction="none")

    def act(self, context: Tensor) -> Tensor:
        """Return the most probable actions (...), int64."""
        logits: Tensor = self.layers(context)
        return logits.argmax(-1)

    def agrees(self, context: Tensor, actions: Tensor) -> Tensor:
        """Return 1.0 where the most probable action is the expert's."""
        return (self.act(context) == actions).float()


class MotionHead(Head):
    """Moves along A axes, each in [-1, 1]; squared error."""

    def __init__(self, context_size: int, motion_size: int) -> None:
        super().__init__()
        self.layers = _layers(context_size, motion_size)

    def loss(self, context: Tensor, actions: Tensor) -> Tensor:
        """Return the mean squared error of actions (B, R, A)."""
        moved: Tensor = self.layers(context)
        return functional.mse_loss(moved, actions, reduction="none").mean(-1)

    def act(self, context: Tensor) -> Tensor:
        """Return the actions (..., A), float32."""
        moved: Tensor = self.layers(context)
        return moved.clamp(-1.0, 1.0)

    def agrees(self, context: Tensor, actions: Tensor) -> Tensor:
        """Return 1.0 where every axis is close to the expert's."""
        return ((self.act(context) - actions).abs() < CLOSE).all(-1).float()


def make_head(context_size: int, shape: TaskShape) -> Head:
    """Return the head for what a task takes."""
    if shape.choices is not None:
        return ChoiceHead(context_size, shape.choices)
    assert shape.motion_size is not None
    return MotionHead(context_size, shape.motion_size)


def _layers(context_size: int, output_size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(context_size, context_size), nn.SiLU(), nn.Linear(context_size, output_size)
    )
