"""Small pictures without a renderer: boxes and discs, painted one over the other."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3)
Colour = tuple[int, int, int]

IMAGE_PX = 48
TABLE, CLOTH, BALL, HAND = (196, 164, 132), (60, 60, 66), (214, 40, 40), (30, 30, 30)
FINGER_M = 0.03


class Canvas:
    """A picture of a square of the world, seen along one axis; two numbers of a point count, right and up.

    Attributes:
        image: (48, 48, 3) as painted until now.
    """

    def __init__(self, centre: tuple[float, float], *, half_m: float, colour: Colour) -> None:
        pixels = (2 * np.arange(IMAGE_PX) + 1) / IMAGE_PX - 1  # centres of pixels, in [-1, 1]
        self._right = centre[0] + half_m * pixels[None, :]
        self._up = centre[1] - half_m * pixels[:, None]
        self.image: Image = np.full((IMAGE_PX, IMAGE_PX, 3), colour, dtype=np.uint8)

    def disc(self, centre: tuple[float, float], *, radius_m: float, colour: Colour) -> None:
        """Paint a disc."""
        off = (self._right - centre[0]) ** 2 + (self._up - centre[1]) ** 2
        self.image[off <= radius_m**2] = colour

    def box(self, least: tuple[float, float], most: tuple[float, float], colour: Colour) -> None:
        """Paint a box from its lower left to its upper right corner."""
        columns = (self._right >= least[0]) & (self._right <= most[0])
        rows = (self._up >= least[1]) & (self._up <= most[1])
        self.image[rows & columns] = colour

    def hand(self, centre: tuple[float, float], *, opening_m: float) -> None:
        """Paint two fingers, left and right of the tip."""
        right, up = centre
        for side in (-1, 1):
            at = right + side * opening_m / 2
            self.box((at - FINGER_M / 2, up - FINGER_M), (at + FINGER_M / 2, up + FINGER_M), HAND)
