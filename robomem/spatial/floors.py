"""The topology of each floor of the map: found when somebody asks, then kept up to date with the map."""

import io
import logging
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robomem.config import RouteConfig
from robomem.errors import FormatError, UnreachableError
from robomem.geometry import Points
from robomem.spatial import grid_planner
from robomem.spatial.stored_map import StoredMap
from robomem.store.folder import write_atomically

if TYPE_CHECKING:
    from robomem.spatial.topology.topology_graph import TopologyGraph

logger = logging.getLogger(__name__)

SAME_FLOOR_M = 0.1
STOREY_M = 2.5  # a sensor higher than this above a floor was on another one


class Floors:
    """One topology a floor. That of the floor at `route.floor_m` is kept in a file: its numbers, and what is blocked.

    Args:
        file: That file.
        stored_map: The map.
        config: The robot, and at which heights things stand in its way.
    """

    def __init__(self, file: Path, stored_map: StoredMap, config: RouteConfig) -> None:
        self._file, self._map, self._config = file, stored_map, config
        self._floors: dict[int, tuple[TopologyGraph, int]] = {}  # with the version of the map

    def at(self, floor_m: float, *, driven_map: Points) -> "TopologyGraph":
        """Return the topology of the floor at a height, as the map is now.

        Args:
            floor_m: In map.
            driven_map: Where the robot's sensors were, (N, 3) metres: its footprint there is free.
        """
        octree = self._map.octree
        above_m = driven_map[:, 2] - floor_m
        driven_map = driven_map[(above_m > -SAME_FLOOR_M) & (above_m < STOREY_M)]
        level = round((floor_m - self._config.floor_m) / SAME_FLOOR_M)
        topology, version = self._floors.get(level, (None, -1))
        if topology is None:
            topology = self._loaded() if level == 0 else None
            topology = topology or self._new(floor_m)
        if version != self._map.version:
            box = self._map.changed_since(version)
            if box is None:
                topology.remake(octree, driven_map=driven_map)
            else:
                topology.update(octree, box, driven_map=driven_map)
        self._floors[level] = topology, self._map.version
        return topology

    def route(
        self,
        start_map: tuple[float, float],
        goal_map: tuple[float, float],
        *,
        floor_m: float,
        radius_m: float,
        standoff_m: float,
        driven_map: Points,
    ) -> Points:
        """Return waypoints (N, 3) in map through free space on a floor; see `Memory.route`.

        Where places do not lead, for a robot narrower than the one that they are found for or through a door
        that it just fits, and nothing is blocked, the way is searched for cell by cell.
        """
        topology = self.at(floor_m, driven_map=driven_map)
        settings = topology.settings
        if settings.radius_m <= radius_m <= settings.max_clearance_m:
            try:
                return topology.route(
                    start_map, goal_map, radius_m=radius_m, standoff_m=standoff_m
                ).waypoints_map
            except UnreachableError:
                if topology.blocked:
                    raise
        path = grid_planner.plan(
            self._map.octree.slice_2d(floor_m + settings.body_m[0], floor_m + settings.body_m[1]),
            start_map,
            goal_map,
            radius_m=radius_m,
            standoff_m=standoff_m,
            driven_map=driven_map,
        )
        return np.column_stack([path, np.full(len(path), floor_m)])

    def save(self) -> None:
        """Keep the floor's numbers, and what is blocked on it."""
        if 0 not in self._floors:
            return
        rows = self._floors[0][0].to_rows()
        buffer = io.BytesIO()
        arrays = {f.name: np.asarray(getattr(rows, f.name)) for f in fields(rows)}
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_atomically(self._file, buffer.getvalue())

    def _new(self, floor_m: float) -> "TopologyGraph":
        from robomem.spatial.topology.settings import TopologySettings
        from robomem.spatial.topology.topology_graph import TopologyGraph

        c = self._config
        settings = TopologySettings(
            radius_m=c.radius_m,
            floor_m=floor_m,
            body_m=(c.z_min_m, c.z_max_m),
            walls_m=(c.wall_min_m, c.wall_max_m),
        )
        return TopologyGraph(self._map.octree.resolution_m, settings)

    def _loaded(self) -> "TopologyGraph | None":
        """Return what was kept; None where nothing was, or it is damaged: it can be found anew."""
        from robomem.spatial.topology.rows import TopologyRows

        if not self._file.exists():
            return None
        new = self._new(self._config.floor_m)
        try:
            with np.load(io.BytesIO(self._file.read_bytes()), allow_pickle=False) as arrays:
                columns = {f.name: arrays[f.name] for f in fields(TopologyRows)}
            columns["resolution_m"] = float(columns["resolution_m"])
            return new.from_rows(TopologyRows(**columns), new.settings)
        except (
            EOFError,
            OSError,
            ValueError,
            KeyError,
            TypeError,
            zipfile.BadZipFile,
            FormatError,
        ) as err:
            logger.warning("%s is damaged (%s): blocked passages are open again", self._file, err)
            return None
