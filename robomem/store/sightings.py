"""Where a thing is, by the sightings of it that hang on keyframes."""

from collections.abc import Callable, Iterable

import numpy as np

from robomem.geometry import Pose, transform
from robomem.store.rows import SightingRow
from robomem.types import Vector


def running_mean(
    sightings: Iterable[SightingRow], *, pose_of: Callable[[int], Pose], window: int
) -> Vector:
    """Return the mean place (3,) in map over about the last sightings, as they came in.

    Args:
        sightings: Of one thing, in the order of their keyframes.
        pose_of: The pose (4, 4) in map of a keyframe, by id.
        window: Over how many the mean runs: each weighs 1/n, n at most this.
    """
    mean, n = np.zeros(3), 0
    for sighting in sightings:
        p_map = transform(pose_of(sighting.keyframe_id), sighting.p_kf)
        for _ in range(min(sighting.count, 8 * window)):
            n = min(n + 1, window)
            mean = mean + (p_map - mean) / n
    return mean
