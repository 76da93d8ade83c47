"""Boxes, cylinders and balls: what everything in the house is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import trimesh
from numpy.typing import NDArray

Color = tuple[int, int, int]
Vector3 = tuple[float, float, float]

CYLINDER_SECTIONS = 20


@dataclass(frozen=True, slots=True)
class Part:
    """A primitive solid, upright. A cylinder or a ball fills its box.

    Attributes:
        shape: Which solid.
        center: Its centre, (x, y, z) metres.
        size: Its extent along x, y, z, metres.
        color: RGB, 0 to 255.
    """

    shape: Literal["box", "cylinder", "ball"]
    center: Vector3
    size: Vector3
    color: Color

    @property
    def is_round(self) -> bool:
        """Whether its footprint is a circle."""
        return self.shape != "box"


@dataclass(frozen=True, slots=True)
class Surface:
    """A horizontal rectangle that things can stand on, metres."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float
    z: float


def box(center: Vector3, size: Vector3, color: Color) -> Part:
    """Make a box."""
    return Part("box", center, size, color)


def cylinder(base: Vector3, diameter_m: float, height_m: float, color: Color) -> Part:
    """Make an upright cylinder from the centre of its base."""
    x, y, z = base
    return Part("cylinder", (x, y, z + height_m / 2), (diameter_m, diameter_m, height_m), color)


def ball(center: Vector3, diameter_m: float, color: Color) -> Part:
    """Make a ball."""
    return Part("ball", center, (diameter_m, diameter_m, diameter_m), color)


def placed(part: Part, at: Vector3, quarter_turns: int) -> Part:
    """Turn a part about z by quarter turns, counter-clockwise, then shift it."""
    x, y, z = part.center
    x, y = turned(x, y, quarter_turns)
    sx, sy, sz = part.size
    size = (sy, sx, sz) if quarter_turns % 2 else part.size
    return replace(part, center=(x + at[0], y + at[1], z + at[2]), size=size)


def placed_surface(surface: Surface, at: Vector3, quarter_turns: int) -> Surface:
    """Turn a surface about z by quarter turns, counter-clockwise, then shift it."""
    x0, y0 = turned(surface.x_min, surface.y_min, quarter_turns)
    x1, y1 = turned(surface.x_max, surface.y_max, quarter_turns)
    return Surface(
        min(x0, x1) + at[0], min(y0, y1) + at[1], max(x0, x1) + at[0], max(y0, y1) + at[1],
        surface.z + at[2],
    )  # fmt: skip


def turned(x: float, y: float, quarter_turns: int) -> tuple[float, float]:
    """Turn a point about the origin by quarter turns, counter-clockwise."""
    for _ in range(quarter_turns % 4):
        x, y = -y, x
    return x, y


def bounds(parts: Sequence[Part]) -> NDArray[np.float64]:
    """Return the corners (2, 3) of the smallest axis-aligned box around the parts, metres."""
    center = np.array([part.center for part in parts])
    half = np.array([part.size for part in parts]) / 2
    return np.array([(center - half).min(axis=0), (center + half).max(axis=0)])


def mesh_of(part: Part) -> trimesh.Trimesh:
    """Return the triangles of a part."""
    if part.shape == "box":
        mesh = trimesh.creation.box(extents=part.size)
    elif part.shape == "cylinder":
        mesh = trimesh.creation.cylinder(
            radius=part.size[0] / 2, height=part.size[2], sections=CYLINDER_SECTIONS
        )
    else:
        mesh = trimesh.creation.icosphere(subdivisions=2, radius=part.size[0] / 2)
    mesh.apply_translation(part.center)
    return mesh
