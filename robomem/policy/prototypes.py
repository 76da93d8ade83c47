"""Demonstrations worth remembering word for word: near to one the policy does what was done there, and provably so.

Memory-consistent neural networks: Agarwal et al., "Memory-consistent neural networks for imitation learning", 2024. With
d the distance to the nearest prototype and a its actions, f = a exp(-falloff d) + L (1 - exp(-falloff d)) sigma(g): here
L sigma(g) is the chunk that the denoiser made, held within ± L, and distances are between what the policy perceives and
remembers, so that what looks alike and is remembered otherwise is not near.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robomem.errors import ConfigError, DataError

EPOCHS = 20
LAST_RANGE = 0.01  # in ranks: from here on only the nearest prototype moves, as in k-means

Floats = NDArray[np.floating]


class Prototypes(nn.Module):
    """Keys and the chunks that were done there; empty until `fit`.

    Attributes:
        falloff: How fast what the denoiser says takes over, by unit of distance.
        limit: L, what no action exceeds.
    """

    keys: Tensor
    chunks: Tensor
    is_fitted: Tensor

    def __init__(
        self,
        count: int,
        *,
        key_size: int,
        chunk_shape: tuple[int, int],
        falloff: float = 10.0,
        limit: float = 1.0,
    ) -> None:
        super().__init__()
        self.falloff, self.limit = falloff, limit
        self.register_buffer("keys", torch.zeros(count, key_size))
        self.register_buffer("chunks", torch.zeros(count, *chunk_shape))
        self.register_buffer("is_fitted", torch.zeros((), dtype=torch.bool))

    def fit(self, keys: Tensor, chunks: Tensor, *, rng: np.random.Generator) -> None:
        """Choose prototypes among demonstrations: those nearest to the nodes of a neural gas.

        Args:
            keys: (N, K) what was perceived and remembered.
            chunks: (N, H, A) what was done then, within ± the limit.
            rng: Of the first nodes.

        Raises:
            DataError: There are fewer demonstrations than prototypes, or an action exceeds the limit.
        """
        if len(keys) < len(self.keys):
            raise DataError(f"{len(self.keys)} prototypes need as many chunks, got {len(keys)}")
        if not bool((chunks.abs() <= self.limit + 1e-6).all()):
            raise DataError(f"an action of a prototype is within ± {self.limit}")
        points = keys.detach().cpu().numpy()
        nodes = neural_gas(points, len(self.keys), rng=rng)
        chosen = torch.from_numpy(distances(nodes, points).argmin(1)).to(keys.device)
        self.keys.copy_(keys[chosen])
        self.chunks.copy_(chunks[chosen])
        self.is_fitted.fill_(value=True)

    def forward(self, chunks: Tensor, keys: Tensor) -> Tensor:
        """Return chunks (B, H, A) drawn to those of the nearest prototypes; as they are before `fit`.

        |f - a| <= (1 - exp(-falloff d)) (L + |a|), whatever the denoiser says.

        Args:
            chunks: What the denoiser made.
            keys: (B, K) what is perceived and remembered.
        """
        if not self.is_fitted:
            return chunks
        nearest, index = torch.cdist(keys, self.keys).min(dim=1)
        trust = torch.exp(-self.falloff * nearest)[:, None, None]
        free = chunks.clamp(-self.limit, self.limit)
        return trust * self.chunks[index] + (1 - trust) * free


def neural_gas(
    points: Floats, count: int, *, rng: np.random.Generator, epochs: int = EPOCHS
) -> Floats:
    """Return nodes (count, D) spread over points (N, D) as they are.

    Batch neural gas: Cottrell et al., "Batch and median neural gas", 2006. Every node is the mean of all points, weighted
    by exp(-rank / range), its rank among the nodes near each point; the range falls to where this is k-means.

    Raises:
        ConfigError: There are fewer points than nodes, or no node.
    """
    if not 1 <= count <= len(points):
        raise ConfigError(f"1 to {len(points)} nodes for as many points, got {count}")
    nodes: Floats = points[rng.choice(len(points), count, replace=False)].astype(np.float64)
    for reach in np.geomspace(max(count / 2, LAST_RANGE), LAST_RANGE, epochs):
        ranks = distances(points, nodes).argsort(1).argsort(1)
        weights = np.exp(-ranks / reach)
        total = weights.sum(0)
        nodes = np.where(total[:, None] > 1e-12, weights.T @ points / total[:, None], nodes)
    return nodes


def distances(a: Floats, b: Floats) -> Floats:
    """Return the squared distances (N, M) of points (N, D) and (M, D)."""
    squares: Floats = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return squares
