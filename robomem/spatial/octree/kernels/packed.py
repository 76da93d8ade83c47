"""A voxel of a small grid in one integer, and which voxels come after it on the rays of a camera.

From low to high a code has the coordinates x, y and z, a field each, with a guard bit on top that is 0. So
one subtraction compares all three: a guard that is set before and gone after says that its field was the
smaller one (Lamport, "Multiple byte processing with full-word instructions", CACM 1975).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit_inline

Codes = NDArray[np.int32] | NDArray[np.int64]
Cell = tuple[int, int, int]


class Packing(NamedTuple):
    """How codes are laid out: the bits of a field with its guard, the guards, and the bits below them."""

    bits: int
    guards: int
    fields: int


class Aim(NamedTuple):
    """What the end of a ray must be for the ray to pass a voxel, if the voxel is on its way at all.

    A ray's path never goes back along an axis. So of two voxels on it the later one is the one that lies at
    or beyond the other along every axis, away from the camera's voxel.

    Attributes:
        voxel: Its code.
        flip: The fields in which beyond is lower; flipped, it is higher everywhere.
        need: What a flipped end needs at least: 0 along an axis on which the voxel is level with the
            camera's, for there a ray may end on either side.
        guards: As in `Packing`.
        fields: As in `Packing`.
    """

    voxel: int
    flip: int
    need: int
    guards: int
    fields: int


def packing(bits: int) -> Packing:
    """Lay out codes with fields of so many bits."""
    ones = 1 | 1 << bits | 1 << 2 * bits
    return Packing(bits, ones << (bits - 1), ones * ((1 << (bits - 1)) - 1))


@jit_inline
def pack(x: int, y: int, z: int, bits: int) -> int:
    """Return the code of a voxel."""
    return x | (y << bits) | (z << 2 * bits)


@jit_inline
def unpack(code: int, bits: int) -> Cell:
    """Return the voxel of a code; what is above the fields does not matter."""
    top = (1 << bits) - 1
    return code & top, (code >> bits) & top, (code >> 2 * bits) & top


@jit_inline
def aim_at(x: int, y: int, z: int, size: int, home: Cell, packing: Packing) -> Aim:
    """Aim at the voxel of a cube, given by its lowest one and its edge, that is nearest to the camera's."""
    hx, hy, hz = home
    last, bits = size - 1, packing.bits
    x, y, z = min(max(hx, x), x + last), min(max(hy, y), y + last), min(max(hz, z), z + last)
    top = (1 << (bits - 1)) - 1
    flip = pack(top if x < hx else 0, top if y < hy else 0, top if z < hz else 0, bits)
    level = pack(top if x == hx else 0, top if y == hy else 0, top if z == hz else 0, bits)
    voxel = pack(x, y, z, bits)
    return Aim(voxel, flip, (voxel ^ flip) & ~level, packing.guards, packing.fields)


@jit_inline
def is_beyond(code: int, aim: Aim) -> bool:
    """Tell whether a voxel lies at or beyond the one aimed at along every axis."""
    kind = type(code)  # in 32 bits a loop over codes takes twice as many at once
    guards = kind(aim.guards)
    rest = kind(kind(kind(code ^ kind(aim.flip)) | guards) - kind(aim.need))
    return kind(rest & guards) == guards


@jit_inline
def is_left(end: int, aim: Aim) -> bool:
    """Tell whether a ray that ends there leaves the voxel aimed at behind, if it is on its way."""
    kind = type(end)
    is_other = kind(end & kind(aim.fields)) != kind(aim.voxel)
    return is_beyond(end, aim) & is_other


@jit_inline
def may_be_left(low: int, high: int, aim: Aim) -> bool:
    """Tell, from the lowest and the highest coordinates of some ends, whether one may be beyond."""
    return is_beyond((np.int64(high) & ~aim.flip) | (np.int64(low) & aim.flip), aim)
