"""`robomem export`: write the map as a file that others read."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robomem.cli.opening import open_to_read
from robomem.cli.output import print_facts, print_json
from robomem.config import RouteConfig
from robomem.errors import QueryError
from robomem.spatial.octree import Octree
from robomem.spatial.octree.formats import nav2, octomap, ply
from robomem.spatial.octree.kernels.morton import Keys, LogOdds, brick_origins


def run(args: Namespace) -> int:
    """Write the file and say what is in it."""
    path = Path(args.file)
    with open_to_read(args.memory) as memory:
        layer = _layer(args, memory.config.spatial.voxel_size_m, memory.config.route)
        written = _WRITERS[path.suffix](path, memory.map, layer)
    size_bytes = sum(file.stat().st_size for file in written.files)
    if args.json:
        print_json(
            {
                "memory": args.memory,
                "files": [str(file) for file in written.files],
                "unit": written.unit,
                "occupied": written.occupied,
                "free": written.free,
                "resolution_m": layer.resolution_m,
                "z_min_m": layer.z_min_m,
                "z_max_m": layer.z_max_m,
                "bytes": size_bytes,
            }
        )
        return 0
    print_facts(
        [
            ("wrote", ", ".join(map(str, written.files))),
            (written.unit, f"{written.occupied:,} occupied, {written.free:,} free"),
            ("edge", f"{layer.resolution_m:g} m"),
            ("heights", layer.words),
            ("size", f"{size_bytes:,} bytes"),
        ]
    )
    return 0


@dataclass(frozen=True, slots=True)
class _Layer:
    """The voxels between two heights in map; None where there is no bound."""

    resolution_m: float
    z_min_m: float | None
    z_max_m: float | None

    @property
    def words(self) -> str:
        if self.z_min_m is None and self.z_max_m is None:
            return "all"
        parts = (("from", self.z_min_m), ("to", self.z_max_m))
        return " ".join(f"{word} {z:g}" for word, z in parts if z is not None) + " m"

    def contains(self, z: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which voxels are cut by the layer, as `Octree.slice_2d` counts them."""
        first = -np.inf if self.z_min_m is None else np.floor(self.z_min_m / self.resolution_m)
        end = np.inf if self.z_max_m is None else np.ceil(self.z_max_m / self.resolution_m)
        return np.asarray((z >= first) & (z < end))


@dataclass(frozen=True, slots=True)
class _Written:
    """The files, and how many of what they hold."""

    files: tuple[Path, ...]
    unit: str
    occupied: int
    free: int


def _layer(args: Namespace, resolution_m: float, route: RouteConfig) -> _Layer:
    """Return what to write: everything, but of a floor map what stands in the robot's way."""
    z_min_m, z_max_m = args.z_min, args.z_max
    if args.file.endswith(".yaml"):
        z_min_m = route.z_min_m if z_min_m is None else z_min_m
        z_max_m = route.z_max_m if z_max_m is None else z_max_m
    if z_min_m is not None and z_max_m is not None and z_min_m >= z_max_m:
        raise QueryError(f"--z-min {z_min_m:g} is not below --z-max {z_max_m:g}")
    return _Layer(resolution_m, z_min_m, z_max_m)


def _write_octomap(path: Path, octree: Octree, layer: _Layer) -> _Written:
    keys, log_odds = _bricks(octree, layer)
    octomap.write(path, keys=keys, log_odds=log_odds, resolution_m=layer.resolution_m)
    return _Written((path,), "voxels", int((log_odds > 0).sum()), int((log_odds < 0).sum()))


def _write_ply(path: Path, octree: Octree, layer: _Layer) -> _Written:
    points = octree.occupied()
    points = points[layer.contains(np.floor(points[:, 2] / layer.resolution_m).astype(np.int64))]
    ply.write_ply(path, points, log_odds=octree.log_odds(points))
    return _Written((path,), "points", len(points), 0)


def _write_nav2(path: Path, octree: Octree, layer: _Layer) -> _Written:
    assert layer.z_min_m is not None
    assert layer.z_max_m is not None
    grid = octree.slice_2d(layer.z_min_m, layer.z_max_m)
    nav2.write_nav2(path, grid)
    occupied, free = int((grid.values == 100).sum()), int((grid.values == 0).sum())
    return _Written((path, path.with_suffix(".pgm")), "cells", occupied, free)


def _bricks(octree: Octree, layer: _Layer) -> tuple[Keys, LogOdds]:
    """Return the bricks with what is in the layer: keys (N,), log-odds (N, 512) in units."""
    keys, log_odds = [np.empty(0, np.int64)], [np.empty((0, 8, 64), np.int16)]
    for rows in octree.rows():
        z = brick_origins(rows.keys)[:, 2, None] + np.arange(8)
        values = rows.values().reshape(-1, 8, 64)
        values[~layer.contains(z)] = 0
        is_known = values.any(axis=(1, 2))
        keys.append(rows.keys[is_known])
        log_odds.append(values[is_known])
    return np.concatenate(keys), np.concatenate(log_odds).reshape(-1, 512)


_WRITERS: dict[str, Callable[[Path, Octree, _Layer], _Written]] = {
    ".bt": _write_octomap,
    ".ot": _write_octomap,
    ".ply": _write_ply,
    ".yaml": _write_nav2,
}
