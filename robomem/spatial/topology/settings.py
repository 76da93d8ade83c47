"""What a topology is made for: a robot, the heights that matter to it, how dense its places are."""

from dataclasses import dataclass

import numpy as np

from robomem.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologySettings:
    """The robot, and how places and rooms are found; metres.

    Attributes:
        radius_m: Of the robot, seen from above.
        floor_m: Height of the floor in map.
        body_m: What is occupied between these heights above the floor stands in the robot's way.
        walls_m: Between these heights above the floor there are walls and hardly any furniture: rooms show.
        reach_m: Every cell that the robot can be in sees a place within this distance.
        max_clearance_m: More clearance than this counts as this much.
        max_door_m: Two rooms do not meet in a passage wider than this.
        min_widening_m: And only where both widen by this much to a side beyond it.
        min_room_m2: What is smaller is part of the room beside it.
    """

    radius_m: float = 0.25
    floor_m: float = 0.0
    body_m: tuple[float, float] = (0.1, 1.2)
    walls_m: tuple[float, float] = (1.3, 1.9)
    reach_m: float = 1.5
    max_clearance_m: float = 2.0
    max_door_m: float = 1.3
    min_widening_m: float = 0.25
    min_room_m2: float = 1.0

    def __post_init__(self) -> None:
        lengths = (self.radius_m, self.reach_m, self.max_clearance_m, self.max_door_m)
        is_sound = (
            all(0 < length < 100 for length in lengths)
            and self.radius_m < self.max_clearance_m
            and 0 <= self.min_room_m2 < np.inf
            and np.isfinite(self.floor_m)
        )
        if not is_sound:
            raise ConfigError(f"a topology's lengths are positive, below 100 m: got {self}")
        for low, high in (self.body_m, self.walls_m):
            if not -np.inf < low < high < np.inf:
                raise ConfigError(f"a band of heights goes from low to high, got {low} to {high}")
