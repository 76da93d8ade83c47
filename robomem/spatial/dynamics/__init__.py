"""Persistent structure apart from transient motion.

motion_filter   scans in, taken apart: what stands and what moves      start here
ever_free       which space stayed free for long
motion          which points of a scan moved into such space, and the body around them
tracks          what moves from scan to scan, and what passed
kernels         the inner loops, compiled
"""

from robomem.spatial.dynamics.ever_free import EverFree, EverFreeRows, Noise, Rays
from robomem.spatial.dynamics.motion import Cluster, MotionDetector, MotionSettings
from robomem.spatial.dynamics.motion_filter import MotionFilter, Split
from robomem.spatial.dynamics.tracks import (
    Glimpse,
    Motion,
    News,
    NewsKind,
    Track,
    Tracker,
    TrackSettings,
    TrackState,
)

__all__ = [
    "Cluster",
    "EverFree",
    "EverFreeRows",
    "Glimpse",
    "Motion",
    "MotionDetector",
    "MotionFilter",
    "MotionSettings",
    "News",
    "NewsKind",
    "Noise",
    "Rays",
    "Split",
    "Track",
    "TrackSettings",
    "TrackState",
    "Tracker",
]
