"""What a policy is shown, checked against what it wants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import FormatError, Reason, StampError
from robomem.policy.runtime.manifest import Spec

STATE, IMAGES = "observation.state", "observation.images."
POSITION, STAMP = "observation.position", "observation.stamp_s"
RECALLED, RECALLED_MASK = "observation.recalled", "observation.recalled_mask"
OPTIONAL = {POSITION: Spec("float32", (3,)), STAMP: Spec("float32", (1,))}

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """An observation of each of B robots.

    Attributes:
        arrays: What the policy wants, (B, ...).
        stamps_s: (B,) since the episode began.
        positions: (B, 3) metres in map; zeros where nobody knows.
    """

    arrays: Arrays
    stamps_s: NDArray[np.float32]
    positions: NDArray[np.float32]

    @property
    def batch(self) -> int:
        """Return B."""
        return len(self.stamps_s)


def seen(
    observation: Mapping[str, ArrayLike], wanted: Mapping[str, Spec], *, clock_s: float
) -> Seen:
    """Return an observation as the graphs take it: float32, and with a batch.

    Args:
        observation: By LeRobot's keys, of one robot or with a batch first. Images are (C, H, W), bytes or in [0, 1].
            Keys that nobody asks for are left out.
        wanted: What has to be there.
        clock_s: The stamp, where the observation has none.

    Raises:
        FormatError: A key is missing, a shape differs, or a number is not finite; its reason says which.
    """
    missing = sorted(wanted.keys() - observation.keys())
    if missing:
        raise FormatError(
            f"the policy wants {', '.join(missing)}, and is shown {', '.join(sorted(observation))}",
            reason=Reason.OBSERVATION_KEYS,
        )
    arrays = {key: _batched(key, observation[key], spec) for key, spec in wanted.items()}
    told = {
        key: _batched(key, observation[key], spec)
        for key, spec in OPTIONAL.items()
        if key in observation
    }
    batches = {key: len(array) for key, array in (arrays | told).items()}
    if len(set(batches.values())) != 1:
        raise FormatError(
            f"an observation is of so many robots at once, got {batches}",
            reason=Reason.OBSERVATION_SHAPE,
        )
    batch = next(iter(batches.values()))
    stamps_s = told[STAMP][:, 0] if STAMP in told else np.full(batch, clock_s, np.float32)
    return Seen(arrays, stamps_s, told.get(POSITION, np.zeros((batch, 3), np.float32)))


def check_order(stamps_s: NDArray[np.float32], last_s: NDArray[np.float32] | None) -> None:
    """Raise an error where an observation is of other robots than the last one, or older."""
    if last_s is None:
        return
    if stamps_s.shape != last_s.shape:
        raise FormatError(
            f"there were {len(last_s)} robots and are {len(stamps_s)}: reset in between",
            reason=Reason.OBSERVATION_SHAPE,
        )
    if (stamps_s < last_s).any():
        raise StampError(
            f"an observation of {stamps_s.tolist()} s comes after {last_s.tolist()} s: reset in between",
            reason=Reason.STAMP_BACKWARDS,
        )


def _batched(key: str, value: ArrayLike, spec: Spec) -> NDArray[Any]:
    """Return an array (B, ...) of the type that is wanted."""
    try:
        array = np.asarray(value)
    except ValueError as err:  # ragged
        raise FormatError(f"{key} is no array: {err}", reason=Reason.OBSERVATION_SHAPE) from err
    if array.shape == spec.shape:
        array = array[None]
    if array.shape[1:] != spec.shape or array.ndim != len(spec.shape) + 1 or not len(array):
        raise FormatError(
            f"{key} is {spec.shape}, of one robot or with a batch first, got {array.shape}",
            reason=Reason.OBSERVATION_SHAPE,
        )
    if array.dtype.kind not in "biuf":
        raise FormatError(
            f"{key} holds numbers, got {array.dtype}", reason=Reason.OBSERVATION_SHAPE
        )
    if key.startswith(IMAGES) and array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    with np.errstate(over="ignore"):
        numbers: NDArray[Any] = array.astype(spec.dtype)
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise FormatError(f"{key} is not finite", reason=Reason.VALUE_INVALID)
    return numbers
