"""What a policy is given, in the names that users of LeRobot know.

`observation.state` (..., D), `observation.images.NAME` (..., C, H, W) in [0, 1] or bytes, `observation.position` (..., 3)
metres in map, `observation.stamp_s` (..., 1) seconds since the episode began, `action` (..., A). (...) is (B,) when it
acts, and (B, T) of the sequences that it is trained on.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from robomem.errors import DataError
from robomem.policy.config import PolicyConfig

STATE = "observation.state"
IMAGES = "observation.images."
POSITION = "observation.position"
STAMP = "observation.stamp_s"
RECALLED = "observation.recalled"
RECALLED_MASK = "observation.recalled_mask"
ACTION = "action"
IS_PAD = "action_is_pad"
READS = "reads"

Batch = Mapping[str, Tensor]


class Perceived(NamedTuple):
    """What was perceived at moments of a batch: (...) is (B,) of one moment each, and (B, T) of sequences.

    Attributes:
        states: (..., D).
        images: By camera, (..., C, H, W).
        stamps_s: (...) since the episode began.
        positions: (..., 3) metres in map.
    """

    states: Tensor
    images: dict[str, Tensor]
    stamps_s: Tensor
    positions: Tensor


class Recalled(NamedTuple):
    """Hits of the long-term memory; `robomem.working.recalled` makes them.

    Attributes:
        features: (B, slots, F).
        mask: (B, slots), true where there is a hit.
    """

    features: Tensor
    mask: Tensor


def perceived(batch: Batch, config: PolicyConfig, *, clock_s: Tensor) -> Perceived:
    """Read a batch.

    Args:
        batch: By LeRobot's keys; position and stamp may be missing.
        config: Says how large everything is.
        clock_s: (...) what the stamps are where there are none; its shape is that of the batch, and its type
            that of the policy.

    Raises:
        DataError: A key is missing, a shape differs, or a number is not finite.
    """
    shape = clock_s.shape
    if not clock_s.numel():
        raise DataError(f"there is no moment in a batch of shape {tuple(shape)}")
    states = _read(batch, STATE, (*shape, config.state_size)).to(clock_s.dtype)
    images = {
        camera: _read(batch, IMAGES + camera, (*shape, *size))
        for camera, size in config.images.items()
    }
    stamps_s, positions = clock_s, states.new_zeros(*shape, 3)
    if STAMP in batch:
        stamps_s = _read(batch, STAMP, (*shape, 1)).squeeze(-1).to(clock_s.dtype)
    if POSITION in batch:
        positions = _read(batch, POSITION, (*shape, 3)).to(clock_s.dtype)
    return Perceived(states, images, stamps_s, positions)


def reads_of(batch: Batch, stamps_s: Tensor) -> Tensor:
    """Return the moments (B, R) at which chunks begin: the last, where the batch does not say.

    Args:
        batch: `reads`, perhaps.
        stamps_s: (B, T), for the shape and the device.

    Raises:
        DataError: They are no indices of moments.
    """
    size, length = stamps_s.shape
    if READS not in batch:
        return torch.full((size, 1), length - 1, device=stamps_s.device)
    reads = batch[READS]
    if reads.ndim != 2 or len(reads) != size or reads.is_floating_point():
        raise DataError(f"{READS} is ({size}, R) whole numbers, got {tuple(reads.shape)}")
    if reads.numel() and not 0 <= int(reads.min()) <= int(reads.max()) < length:
        raise DataError(f"{READS} names moments in [0, {length})")
    return reads


def recalled_of(batch: Batch, config: PolicyConfig, shape: Sequence[int]) -> Recalled | None:
    """Return the hits of each chunk, one after the other; None for a policy that takes none.

    Args:
        batch: `observation.recalled` (..., slots, F) and `observation.recalled_mask` (..., slots).
        config: Says how many.
        shape: (...) of the chunks.
    """
    if not config.recalled_slots:
        return None
    slots = (*shape, config.recalled_slots)
    features = _read(batch, RECALLED, (*slots, config.recalled_size))
    mask = _read(batch, RECALLED_MASK, slots)
    return Recalled(features.flatten(0, -3), mask.bool().flatten(0, -2))


def chunks_of(batch: Batch, config: PolicyConfig, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the chunks (B R, H, A) of demonstrations, and where they are padding, (B R, H).

    Raises:
        DataError: There are none, a shape differs, or a number is not finite.
    """
    if ACTION in batch and batch[ACTION].ndim == 3 and shape[1] == 1:
        batch = {**batch, ACTION: batch[ACTION][:, None]}
    chunks = _read(batch, ACTION, (*shape, config.horizon, config.action_size)).flatten(0, 1)
    if IS_PAD not in batch:
        return chunks, chunks.new_zeros(chunks.shape[:2], dtype=torch.bool)
    is_pad = batch[IS_PAD]
    if is_pad.numel() != chunks.shape[0] * chunks.shape[1]:
        raise DataError(f"{IS_PAD} is {(*shape, config.horizon)} here, got {tuple(is_pad.shape)}")
    return chunks, is_pad.reshape(chunks.shape[:2]).bool()


def check_actions(previous: Tensor, batch_size: int, config: PolicyConfig) -> None:
    """Check what is left of a chunk, (B, N, A), N at most the horizon.

    Raises:
        DataError: Its shape is another, or a number is not finite.
    """
    is_shaped = (
        previous.ndim == 3
        and len(previous) == batch_size
        and previous.shape[1] <= config.horizon
        and previous.shape[2] == config.action_size
    )
    if not is_shaped or not previous.isfinite().all():
        raise DataError(
            f"what is left of a chunk is ({batch_size}, up to {config.horizon}, {config.action_size}) "
            f"finite numbers, got {tuple(previous.shape)}"
        )


def _read(batch: Batch, key: str, shape: tuple[int, ...]) -> Tensor:
    if key not in batch:
        raise DataError(f"the policy wants {key}, and is given {', '.join(sorted(batch))}")
    value = batch[key]
    if not isinstance(value, Tensor):
        raise DataError(f"{key} is a tensor, got a {type(value).__name__}")
    if value.shape != shape:
        raise DataError(f"{key} has the shape {shape} here, got {tuple(value.shape)}")
    if value.is_floating_point() and not value.isfinite().all():
        raise DataError(f"{key} is not finite")
    return value
