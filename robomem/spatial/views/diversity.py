"""Views that are good, and unlike each other: non-maximum suppression whose threshold relaxes."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points

FIRST_ANGLE_RAD = float(np.deg2rad(45.0))
FIRST_FRACTION = 0.7  # of the best score
RELAXATION = 1.2
LAST_ANGLE_RAD = 0.02
RAD_PER_M = 0.1  # VMem's weight of translation in the distance of poses


def in_diverse_order(scores: NDArray[np.float64], rays: Points, eyes: Points) -> Iterator[int]:
    """Yield views, the best one first, then each the best of those unlike all before it.

    What is asked of a view, an angle to the others and a fraction of the best score, relaxes when no view
    has it: so however many are taken, the first ones are the same.

    Args:
        scores: (N,), descending.
        rays: Directions in which they saw it, (N, 3), of unit length.
        eyes: Where they stood, (N, 3) metres.

    Li et al., "VMem: Consistent Interactive Video Scene Generation with Surfel-Indexed View Memory", 2025.
    """
    nearest = np.full(len(scores), np.inf)  # to those that were yielded; -1 for these themselves
    angle_rad, fraction = FIRST_ANGLE_RAD, FIRST_FRACTION
    for _ in range(len(scores)):
        while True:
            is_asked = (nearest >= angle_rad) & (scores >= fraction * scores[0])
            if is_asked.any():
                break
            angle_rad, fraction = angle_rad / RELAXATION, fraction / RELAXATION
            if angle_rad < LAST_ANGLE_RAD:
                angle_rad = fraction = 0.0
        chosen = int(is_asked.argmax())
        yield chosen
        distance = np.arccos(np.clip(rays @ rays[chosen], -1.0, 1.0))
        distance += RAD_PER_M * np.linalg.norm(eyes - eyes[chosen], axis=1)
        nearest = np.minimum(nearest, distance)
        nearest[chosen] = -1.0
