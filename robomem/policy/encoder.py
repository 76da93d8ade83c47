"""The senses of a policy: states and images, normalised, in one vector."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from robomem.policy.observation import ACTION, STATE

MEAN_RGB, STD_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
MAX_DEVIATIONS = 10.0
"""Farther out, a state is held: what was never seen shall not saturate all else."""
FLAT = 1e-6  # a channel that varies less is not scaled up

Stats = dict[str, dict[str, list[float]]]


class Normaliser(nn.Module):
    """Bring states to zero mean and unit variance, and actions to [-1, 1]; its numbers are saved with the weights."""

    def __init__(self, state_size: int, action_size: int) -> None:
        super().__init__()
        self.register_buffer("state_mean", torch.zeros(state_size))
        self.register_buffer("state_scale", torch.ones(state_size))
        self.register_buffer("action_middle", torch.zeros(action_size))
        self.register_buffer("action_reach", torch.ones(action_size))
        self.state_mean: Tensor
        self.state_scale: Tensor
        self.action_middle: Tensor
        self.action_reach: Tensor

    def fit(self, states: Tensor, actions: Tensor | None = None) -> None:
        """Take the numbers from demonstrations: states (N, D) and actions (N, A), unless these are in [-1, 1]."""
        scale = states.std(0, correction=0)
        self.state_mean.copy_(states.mean(0))
        self.state_scale.copy_(torch.where(scale > FLAT, scale, 1.0))
        if actions is None:
            return
        low, high = actions.amin(0), actions.amax(0)
        reach = (high - low) / 2
        self.action_middle.copy_((high + low) / 2)
        self.action_reach.copy_(torch.where(reach > FLAT, reach, 1.0))

    def states(self, states: Tensor) -> Tensor:
        """Return states normalised."""
        scaled = (states - self.state_mean) / self.state_scale
        return scaled.clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)

    def actions(self, actions: Tensor) -> Tensor:
        """Return actions normalised."""
        return (actions - self.action_middle) / self.action_reach

    def denormalised(self, actions: Tensor) -> Tensor:
        """Return normalised actions as the robot wants them."""
        return actions * self.action_reach + self.action_middle

    def stats(self) -> Stats:
        """Return the numbers in the form of LeRobot's stats.json."""
        state = {"mean": self.state_mean.tolist(), "std": self.state_scale.tolist()}
        low, high = (
            self.action_middle - self.action_reach,
            self.action_middle + self.action_reach,
        )
        return {STATE: state, ACTION: {"min": low.tolist(), "max": high.tolist()}}


class ObservationEncoder(nn.Module):
    """Turn the normalised state, and images, into one vector."""

    def __init__(
        self, *, state_size: int, images: Mapping[str, tuple[int, int, int]], width: int
    ) -> None:
        super().__init__()
        self.cameras = tuple(sorted(images))
        self.image_encoders = nn.ModuleList(
            ImageEncoder(images[camera][0], width) for camera in self.cameras
        )
        self.mlp = nn.Sequential(
            nn.Linear(state_size + width * len(self.cameras), 2 * width),
            nn.GELU(approximate="tanh"),
            nn.Linear(2 * width, width),
            nn.LayerNorm(width),
        )

    def forward(self, states: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        """Return features (..., width) of states (..., D) and images (..., C, H, W) by camera."""
        parts = [states]
        for camera, encoder in zip(self.cameras, self.image_encoders, strict=True):
            image = images[camera]
            flat = image.reshape(-1, *image.shape[-3:])
            parts.append(encoder(flat).view(*image.shape[:-3], -1))
        features: Tensor = self.mlp(torch.cat(parts, dim=-1))
        return features


class ImageEncoder(nn.Module):
    """A small CNN that ends in keypoints: where in the image each of its channels looks.

    The spatial softmax is that of Finn et al., "Deep spatial autoencoders for visuomotor learning", 2016.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        is_color = channels == len(MEAN_RGB)
        mean, std = (MEAN_RGB, STD_RGB) if is_color else ((0.5,) * channels, (0.5,) * channels)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self.mean: Tensor
        self.std: Tensor
        sizes = (channels, 16, 32, 64)
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(sizes)):
            layers += [
                nn.Conv2d(before, after, 5 if i == 0 else 3, stride=2, padding=1),
                nn.GroupNorm(8, after),
                nn.SiLU(),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.out = nn.Linear(2 * sizes[-1], width)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (N, width) of images (N, C, H, W), bytes or in [0, 1]."""
        scaled = images if images.is_floating_point() else images.to(self.mean.dtype) / 255
        maps = self.convolutions((scaled - self.mean) / self.std)
        features: Tensor = self.out(keypoints(maps))
        return features


def keypoints(maps: Tensor) -> Tensor:
    """Return the mean place (N, 2 C), y before x in [-1, 1], of the softmax of each of the maps (N, C, H, W)."""
    height, width = maps.shape[-2:]
    attention = maps.flatten(2).softmax(-1).view(maps.shape)
    y = torch.linspace(-1, 1, height, dtype=maps.dtype, device=maps.device)
    x = torch.linspace(-1, 1, width, dtype=maps.dtype, device=maps.device)
    return torch.cat([attention.sum(3) @ y, attention.sum(2) @ x], dim=-1)
