"""A gripper that hangs over a table: it goes where it is told, at a limited speed, and closes on what is between.

Kinematic: no masses, no forces. The frame is map: the table's top is z = 0, x is to the right and y away from the
robot. The tip is the point between the ends of the fingers.
"""

import numpy as np
from numpy.typing import NDArray

from robomem_sim.tasks.task import Array

Vector = NDArray[np.float64]  # (3,)

STEP_M = 0.03  # farthest along each axis between two moments: 0.3 m/s at 10 Hz
CLOSING_M = 0.02  # the same of the opening
WIDEST_M = 0.1  # between the fingers
LEAST, MOST = np.array([-0.5, -0.4, 0.02]), np.array([0.5, 0.5, 0.5])  # what the tip reaches
UP = np.array([0.0, 0.0, 1.0])
HOME = np.array([0.0, -0.2, 0.25])
HOME_SPREAD_M = 0.05  # an episode begins that near to it, along each axis
OPEN, CLOSE = 1.0, -1.0  # what action[3] says
GAIN = 0.6  # of a way within one step's reach, what is gone at once: the expert slows down before it arrives
ARRIVED_M = 0.012  # so near to a point the expert begins to close the fingers there
CLOSING_WITHIN_M = 0.02  # and so near it goes on


class Gripper:
    """Where the tip is and how far apart the fingers are.

    Attributes:
        tip: (3,) metres in map.
        opening_m: between the fingers.
    """

    def __init__(self, tip: Vector) -> None:
        self.tip = tip.copy()
        self.opening_m = WIDEST_M

    def next_tip(self, action: Array) -> Vector:
        """Return where an action (4,) takes the tip if nothing is in the way."""
        return np.clip(self.tip + STEP_M * action[:3], LEAST, MOST)

    def move_fingers(self, action: Array, *, width_m: float = 0.0) -> bool:
        """Open them where action[3] > 0, else close them, not further than what is between them is wide.

        Returns:
            Whether they hold it.
        """
        opening_m = self.opening_m + CLOSING_M * float(action[3])
        self.opening_m = min(max(opening_m, width_m), WIDEST_M)
        return width_m > 0 and opening_m <= width_m

    def is_at(self, point: Vector) -> bool:
        """Return whether the tip is at a point (3,); fingers that have begun to close stay longer at it."""
        within_m = ARRIVED_M if self.opening_m == WIDEST_M else CLOSING_WITHIN_M
        return bool(((self.tip - point) ** 2).sum() <= within_m**2)

    def toward(self, point: Vector, *, grip: float) -> Array:
        """Return the action that goes straight to a point (3,), at full speed until it is near; grip is action[3]."""
        way = GAIN * (point - self.tip) / STEP_M
        longest = max(1.0, float(np.abs(way).max()))
        return np.array([*(way / longest), grip], dtype=np.float32)
