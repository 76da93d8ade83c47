"""What the view memory answers, and what of it is kept on disk."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.spatial.views.layout import Normals, Positions


@dataclass(frozen=True, slots=True)
class View:
    """A keyframe that saw something.

    Attributes:
        keyframe_id: Which.
        score: How well it shows it, in [0, 1]: from near, head-on, and whole.
        coverage: The part of what is known of its surface that this keyframe saw, in [0, 1].
        distance_m: From the camera to what it saw of it.
    """

    keyframe_id: int
    score: float
    coverage: float
    distance_m: float


@dataclass(frozen=True, slots=True)
class CovisibleView:
    """A keyframe that saw what is in view of a pose.

    Attributes:
        keyframe_id: Which.
        shared: The part that it saw, in (0, 1]: of the pixels that show a surface known to anyone.
    """

    keyframe_id: int
    shared: float


@dataclass(frozen=True, slots=True, eq=False)
class ViewRow:
    """What one keyframe saw, in its own frame; where it was is not in it.

    Attributes:
        keyframe_id: Which.
        camera: fx, fy, cx, cy in pixels, width, height; (6,).
        quantum_m: The unit of `p_kf`.
        p_kf: Surfels, (N, 3) int16.
        n_kf: Their normals towards the camera, (N, 3) int8; 127 is 1.
    """

    keyframe_id: int
    camera: NDArray[np.float64]
    quantum_m: float
    p_kf: Positions
    n_kf: Normals
