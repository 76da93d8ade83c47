"""Hits of the long-term memory as tokens of a fixed number and size, for a policy: what, where from here, how long ago.

tokens = recalled_tokens(memory.recall(query), T_map_base=T_map_base, now_ns=now_ns)
observation |= {"observation.recalled": tokens.features, "observation.recalled_mask": tokens.mask}

A token is told by stamps and poses, not by steps: a frame that comes late or never changes nothing in it.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_pose, checked_stamp
from robomem.errors import ConfigError, DataError
from robomem.geometry import inverse, transform
from robomem.labels import fold
from robomem.types import Hit, Vector
from robomem.working.short_term import Held

WORDS_SIZE = 32
FIXED = 7  # place (3), distance, whether there is a place, age, score
AGE_UNIT_S, REACH_M = 10.0, 2.0
"""From about here on, ages and distances are told by their logarithm."""

Floats = NDArray[np.float32]
Embed = Callable[[str], ArrayLike]


@dataclass(frozen=True, slots=True, eq=False)
class RecalledTokens:
    """Hits as a policy takes them.

    Attributes:
        features: (slots, FIXED + E) float32, zeros where there is no hit.
        mask: (slots,) true where there is one.
    """

    features: Floats
    mask: NDArray[np.bool_]


def recalled_tokens(
    hits: Iterable[Hit],
    *,
    T_map_base: ArrayLike,
    now_ns: int,
    slots: int = 8,
    embed: Embed | None = None,
    size: int = WORDS_SIZE,
) -> RecalledTokens:
    """Return the first hits as tokens.

    Each is: its place in the robot's frame, on a scale that bends from 2 m on; its distance, on the same scale; 1 where
    it has a place; log(1 + age / 10 s); its score; what it is called or says, as an embedding.

    Args:
        hits: Best first, of `Memory.recall` or of an `Answer`.
        T_map_base: Pose of the robot, (4, 4).
        now_ns: What ages count from; what is from later has age 0.
        slots: How many tokens.
        embed: Turns words into (E,) numbers; by default they are hashed.
        size: E.

    Raises:
        ConfigError: Slots or size is less than 1.
        DataError: The pose or the stamp is none, or an embedding has another size.
    """
    _check_sizes(slots, size)
    T_base_map = inverse(checked_pose(T_map_base, "T_map_base"))
    now_ns = checked_stamp(now_ns)
    embed = embed or (lambda text: hashed_words(text, size))
    rows = []
    for hit in islice(hits, slots):
        p_map = hit.evidence.p_map if hit.entity is None else hit.entity.p_map
        p_base = None if p_map is None else transform(T_base_map, np.asarray(p_map))
        age_s = (now_ns - hit.evidence.stamp_ns) * 1e-9
        said = _checked(embed(words_of(hit)), size)
        rows.append(_token(p_base, age_s=age_s, score=hit.score, said=said))
    return _filled(rows, slots, FIXED + size)


def held_tokens(held: Iterable[Held], *, size: int, slots: int = 8) -> RecalledTokens:
    """Return entries of a `ShortTermMemory` as tokens of the same kind; their embeddings have (size,) numbers.

    Raises:
        ConfigError: Slots or size is less than 1.
        DataError: An embedding has another size.
    """
    _check_sizes(slots, size)
    rows = []
    for entry in islice(held, slots):
        said = _checked(entry.embedding, size)
        rows.append(_token(entry.p_base, age_s=entry.age_s, score=entry.score, said=said))
    return _filled(rows, slots, FIXED + size)


def words_of(hit: Hit) -> str:
    """Return what a hit is called, or else says."""
    if hit.entity is not None:
        return hit.entity.label
    if hit.event is not None:
        return hit.event.label or hit.event.text
    return hit.fact or hit.room or hit.evidence.text


def hashed_words(text: str, size: int = WORDS_SIZE) -> Floats:
    """Return words as (size,) signed sums of unit length, the same in every process; zeros where there is no word.

    Weinberger et al., "Feature hashing for large scale multitask learning", 2009.
    """
    vector = np.zeros(size, np.float32)
    for word in fold(text):
        digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        vector[(digest >> 1) % size] += 1.0 if digest & 1 else -1.0
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm else vector


def _token(p_base: Vector | None, *, age_s: float, score: float, said: Floats) -> Floats:
    place = np.zeros(5)
    if p_base is not None:
        distance_m = float(np.linalg.norm(p_base))
        bent = np.log1p(distance_m / REACH_M)
        place = np.array([*(p_base / max(distance_m, 1e-9) * bent), bent, 1.0])
    age = np.log1p(max(age_s, 0.0) / AGE_UNIT_S)
    return np.array([*place, age, score, *said], dtype=np.float32)


def _filled(rows: Sequence[Floats], slots: int, size: int) -> RecalledTokens:
    features = np.zeros((slots, size), np.float32)
    if rows:
        features[: len(rows)] = rows
    return RecalledTokens(features, np.arange(slots) < len(rows))


def _check_sizes(slots: int, size: int) -> None:
    if slots < 1 or size < 1:
        raise ConfigError(f"1 slot and 1 number of an embedding or more, got {slots} and {size}")


def _checked(said: ArrayLike, size: int) -> Floats:
    vector = np.asarray(said, dtype=np.float32)
    if vector.shape != (size,) or not np.isfinite(vector).all():
        raise DataError(f"an embedding is {size} finite numbers here, got shape {vector.shape}")
    return vector
