"""How the view memory lies in memory: the arrays that kernels are given.

A sample is a surfel as one view (keyframe) saw it, kept in that view's frame. The samples of all views
in one cell of the map whose normals point the same way make one surfel: a list, its best sample first, whose
place and normal are the surfel's. What is in a list does not depend on the order in which it was filled.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EMPTY = -1
QUANTA = 64  # steps of a stored coordinate to a cell's edge
FARTHEST_CELLS = 511  # int16 holds QUANTA times as much
NORMAL_UNITS = 127  # a unit normal in int8
BEST_QUALITY = 255
# A view is worth half as much where this many of its pixels cover a metre: a mug is then 20 pixels wide.
HALF_PIXELS_PER_M = 250.0
KEY_BITS = 20
KEY_REACH = 1 << (KEY_BITS - 1)  # cells -KEY_REACH .. KEY_REACH - 1 along each axis have a key

Positions = NDArray[np.int16]
Normals = NDArray[np.int8]
Floats = NDArray[np.float64]
Slots = NDArray[np.int32]


class Pinhole(NamedTuple):
    """A camera: focal lengths and principal point in pixels, size of its image."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int


class Views(NamedTuple):
    """The keyframes, by slot.

    Attributes:
        ids: (V,) int64.
        T_map_kf: Their poses, (V, 4, 4).
        cameras: (V, 6): fx, fy, cx, cy, width, height.
        blocks: First of their samples and one more than the last, (V, 2) int64.
    """

    ids: NDArray[np.int64]
    T_map_kf: Floats
    cameras: Floats
    blocks: NDArray[np.int64]


class Samples(NamedTuple):
    """What views saw, view by view.

    Attributes:
        p_kf: (S, 3) int16, in 1 / QUANTA of a cell, in the frame of the view.
        n_kf: Unit normals towards the camera, (S, 3) int8, times NORMAL_UNITS.
        quality: How well it was seen, (S,) uint8; see `judge`.
        viewer: Slot of the view, (S,) int32.
        surfel: (S,) int32; EMPTY where it is in no list.
        next: The next sample of the same surfel, (S,) int32; EMPTY at the end.
    """

    p_kf: Positions
    n_kf: Normals
    quality: NDArray[np.uint8]
    viewer: Slots
    surfel: Slots
    next: Slots


class Surfels(NamedTuple):
    """The lists, by slot.

    Attributes:
        keys: Cell and direction of the normal, (N,) int64.
        heads: The best sample of each, (N,) int32.
        counts: How many samples each has, (N,) int32.
        floors: No sample of a full list has less quality, (N,) uint8.
        p_map: Place of the best one, (N, 3) float32.
        n_map: Normal of the best one, (N, 3) float32.
    """

    keys: NDArray[np.int64]
    heads: Slots
    counts: Slots
    floors: NDArray[np.uint8]
    p_map: NDArray[np.float32]
    n_map: NDArray[np.float32]
