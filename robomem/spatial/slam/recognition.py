"""Which older places a place looks like: by grams, or by the package map-closures."""

from typing import Protocol

import numpy as np

from robomem.errors import MissingExtraError
from robomem.spatial.slam.descriptors import PlaceIndex, describe
from robomem.spatial.slam.local_map import LocalMap
from robomem.spatial.slam.settings import SlamConfig

# Not in the extra: its requirements exclude current releases of numpy and pydantic, which it runs with.
MAP_CLOSURES_COMMAND = "pip install --no-deps map-closures==2.2.0"
DENSITY_CELL_VOXELS = 1.0  # its own default fits voxels of half a metre


class PlaceRecognizer(Protocol):
    """Remembers places, numbered in the order they come."""

    def recognize(self, local: LocalMap, *, limit: int, before: int) -> list[int]:
        """Return the places before a number that are most like this one, best first, and remember it."""


def recognizer_of(config: SlamConfig) -> PlaceRecognizer:
    """Return the recognizer that is configured; raises MissingExtraError where it is not installed."""
    return Grams(config) if config.descriptor == "gram" else DensityMaps(config)


class Grams:
    """Recognizes by the descriptors of this package: for a depth camera, and short-range clouds."""

    def __init__(self, config: SlamConfig) -> None:
        self._config = config
        self._index = PlaceIndex()

    def recognize(self, local: LocalMap, *, limit: int, before: int) -> list[int]:
        """See `PlaceRecognizer`."""
        descriptor = describe(
            local.points,
            local.colors,
            radius_m=self._config.max_range_m,
            voxel_size_m=self._config.voxel_size_m,
        )
        found = self._index.query(descriptor, limit=limit, before=before)
        self._index.add(descriptor)
        return [candidate.place for candidate in found]


class DensityMaps:
    """Recognizes by features of density maps seen from above: for a LiDAR that sees far.

    Gupta et al., "Effectively detecting loop closures using point cloud density maps", 2024.
    """

    def __init__(self, config: SlamConfig) -> None:
        try:
            from map_closures.config import MapClosuresConfig
            from map_closures.map_closures import MapClosures
        except ImportError as err:
            raise MissingExtraError(
                f"map-closures is not installed: {MAP_CLOSURES_COMMAND}"
            ) from err
        resolution_m = DENSITY_CELL_VOXELS * config.voxel_size_m
        self._maps = MapClosures(MapClosuresConfig(density_map_resolution=resolution_m))
        self._count = 0

    def recognize(self, local: LocalMap, *, limit: int, before: int) -> list[int]:
        """See `PlaceRecognizer`."""
        points = np.ascontiguousarray(local.points, dtype=np.float64)
        found = self._maps.get_top_k_closures(self._count, points, limit) if len(points) else []
        self._count += 1
        best = sorted(found, key=lambda closure: -closure.number_of_inliers)
        return [closure.source_id for closure in best if closure.source_id < before]
