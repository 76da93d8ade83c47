"""The door: which observations are let in, by their stamps and their poses."""

from dataclasses import dataclass

import numpy as np

from robomem.config import IntakeConfig
from robomem.errors import Reason
from robomem.geometry import Pose

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a stamp is rejected, None when it is not, and the stamp that now awaits confirmation."""

    rejected: Reason | None
    pending_stamp_ns: int | None = None


def judge_stamp(
    stamp_ns: int, *, last_ns: int | None, pending_ns: int | None, config: IntakeConfig
) -> Verdict:
    """Decide whether time goes on as it should.

    A far jump ahead is rejected once: one corrupt stamp must not make all that follow look late. When
    the next stamp lies beside the jump, time really went on, and it is accepted.

    Args:
        stamp_ns: The new stamp.
        last_ns: The newest accepted stamp of the source; None at its first.
        pending_ns: The jump rejected just before, None when there was none.
        config: The limits.
    """
    if last_ns is None:
        return Verdict(None)
    ahead_s = (stamp_ns - last_ns) / NS_PER_S
    if ahead_s < -config.max_stamp_regress_s:
        return Verdict(Reason.STAMP_BACKWARDS, pending_ns)
    if ahead_s <= config.max_stamp_jump_s:
        return Verdict(None)
    if (
        pending_ns is not None
        and 0 <= (stamp_ns - pending_ns) / NS_PER_S <= config.max_stamp_jump_s
    ):
        return Verdict(None)
    return Verdict(Reason.STAMP_JUMP, stamp_ns)


def is_in_bounds(T_map_cam: Pose, config: IntakeConfig) -> bool:
    """Tell whether a pose is near enough to the origin of map to be believed."""
    return bool((np.abs(T_map_cam[:3, 3]) <= config.max_coordinate_m).all())
