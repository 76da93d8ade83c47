"""The settings of loop closure, each with its unit in its name."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt


class SlamConfig(BaseModel):
    """Loop closure. The defaults suit rooms and a depth camera; a LiDAR outdoors wants ten times the lengths."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_range_m: PositiveFloat = 5.0
    """Farther returns are not used."""
    voxel_size_m: PositiveFloat = 0.1
    """Local maps are thinned out to one point in a voxel of this size."""
    local_map_length_m: PositiveFloat = 1.0
    """A local map is what was seen along this much of the path; it moves as one."""
    local_map_keyframes: PositiveInt = 24
    """A local map ends at the latest after this many keyframes."""
    break_m: PositiveFloat = 3.0
    """Two keyframes in a row farther apart than this are not joined by odometry: the robot was carried."""
    drift_ratio: PositiveFloat = 0.05
    """What odometry is believed to err by, in metres per metre: its standard deviation."""
    drift_rad_per_m: PositiveFloat = 0.02
    """The same of its heading."""
    drift_rad_per_rad: PositiveFloat = 0.03
    """The same while turning."""
    descriptor: Literal["gram", "map_closures"] = "gram"
    """How places are recognised: by grams and histograms, or by the package map-closures (LiDAR)."""
    candidates: NonNegativeInt = 3
    """How many of the most similar older places are looked at."""
    min_gap_m: PositiveFloat = 3.0
    """Those are farther back along the path than this."""
    neighbours: NonNegativeInt = 3
    """How many older places nearby are looked at besides, by odometry and the loops found so far."""
    min_overlap: float = Field(default=0.5, gt=0, le=1)
    """The least part of what stands in each of two local maps that stands in the other too."""
    min_overlap_nearby: float = Field(default=0.3, gt=0, le=1)
    """The same for what odometry and the loops found so far lead to."""
    max_residual_m: PositiveFloat = 0.05
    """Root mean square distance of the points in common from the surface of the other map."""
    max_seen_through: float = Field(default=0.01, ge=0, le=1)
    """The most of what stands in one that rays of the other may have passed through."""
    max_sigma_m: PositiveFloat = 0.25
    """What they have in common must fix one on the other this well in every direction."""
    support_m: PositiveFloat = 8.0
    """A loop counts where odometry of at most this length, and other loops, lead to the same."""
    min_horizon: PositiveFloat = 1.2
    """Elsewhere it counts with other loops that agree: what stands in common spans as much of the horizon
    as this, taken together. Two looks all round will do, or six of a camera that looks ahead."""
