"""A topology as arrays, for a file."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.errors import FormatError
from robomem.spatial.topology.floor import FREE, MAX_CELLS, OCCUPIED, UNKNOWN, Cells, Values
from robomem.spatial.topology.kernels.flood import NONE, Labels

FARTHEST = 2**31  # cells from the origin


@dataclass(frozen=True, slots=True, eq=False)
class TopologyRows:
    """All that a topology is made of again.

    Attributes:
        resolution_m: The edge of a cell.
        first: Row and column of the first cell, (2,) int64.
        body: What stands in the robot's way, (H, W) int8: 100 occupied, 0 free, -1 unknown.
        walls: The same at the height of walls, (H, W) int8.
        rooms: The region of each cell, (H, W) int64, -1 where there is none.
        place_cells: Row and column of each place, (N, 2) int64.
        place_ids: Their numbers, (N,) int64.
        blocked_ids: The blocked passages, (B, 2) int64.
        barriers_map: The line that blocks each, from (x, y) to (x, y), (B, 2, 2) metres in map.
        next_ids: The next place's and the next region's number, (2,) int64.

    Raises:
        FormatError: They do not fit together.
    """

    resolution_m: float
    first: NDArray[np.int64]
    body: Values
    walls: Values
    rooms: Labels
    place_cells: Cells
    place_ids: NDArray[np.int64]
    blocked_ids: NDArray[np.int64]
    barriers_map: NDArray[np.float64]
    next_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        shape, places, blocks = np.shape(self.body), len(self.place_ids), len(self.blocked_ids)
        for name, wanted, kind in (
            ("first", (2,), np.int64),
            ("body", (*shape[:1], *shape[1:2]), np.int8),
            ("walls", shape, np.int8),
            ("rooms", shape, np.int64),
            ("place_cells", (places, 2), np.int64),
            ("place_ids", (places,), np.int64),
            ("blocked_ids", (blocks, 2), np.int64),
            ("barriers_map", (blocks, 2, 2), np.float64),
            ("next_ids", (2,), np.int64),
        ):
            array = getattr(self, name)
            if np.shape(array) != wanted or array.dtype != kind:
                raise FormatError(f"a topology's {name} is {wanted} {kind.__name__}: it is not")
        if not self._is_sound():
            raise FormatError("a topology's rows do not fit together")

    def _is_sound(self) -> bool:
        values = np.array([OCCUPIED, FREE, UNKNOWN])
        return bool(
            0 < self.resolution_m < np.inf
            and self.body.ndim == 2
            and self.body.size <= MAX_CELLS
            and (np.abs(self.first) < FARTHEST).all()
            and np.isin(self.body, values).all()
            and np.isin(self.walls, values).all()
            and (self.rooms >= NONE).all()
            and (self.rooms < self.next_ids[1]).all()
            and (self.next_ids < FARTHEST).all()
            and (np.abs(self.place_cells) < FARTHEST).all()
            and len(np.unique(self.place_ids)) == len(self.place_ids)
            and ((self.place_ids >= 0) & (self.place_ids < self.next_ids[0])).all()
            and np.isfinite(self.barriers_map).all()
        )
