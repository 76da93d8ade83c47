"""Short-term memory of a live robot: what it perceived lately, where that is from where it stands now.

He et al., "Mem4Nav: Boosting Vision-and-Language Navigation in Urban Environments with a Hierarchical Spatial-Cognition
Long-Short Memory System", 2025: a fixed number of entries; read are those near a point in the robot's frame whose
embeddings are the most alike. `policy.memories.short_term` is the same rule inside a policy that is trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_embedding, checked_length, checked_pose, checked_vector
from robomem.errors import ConfigError, DataError, QueryError
from robomem.geometry import Pose, inverse, transform

NOWHERE = -1  # the keyframe of a slot that is empty


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One entry, as it is told to the robot.

    Attributes:
        slot: Where it is kept; the next entry may take its place.
        p_base: (3,) metres in the robot's frame.
        age_s: Since it was written.
        score: Cosine of its embedding and the question's.
        embedding: (D,) of unit length.
    """

    slot: int
    p_base: NDArray[np.float64]
    age_s: float
    score: float
    embedding: NDArray[np.float32]


class ShortTermMemory:
    """Entries with an embedding and a place; each hangs on a keyframe, so that corrections move it.

    When it is full, the entry goes whose lambda reads - (1 - lambda) (t - tau) is least: reads is how often it was
    read, t - tau the seconds since it was last read or written.

    Attributes:
        size: D of the embeddings.
        slots: K, entries that are held.
        frequency_weight: lambda, from 0 (what was longest unused goes) to 1 (what was read least often goes).
    """

    def __init__(self, size: int, *, slots: int = 128, frequency_weight: float = 0.5) -> None:
        if size < 1 or slots < 1 or not 0 <= frequency_weight <= 1:
            raise ConfigError(
                f"a short-term memory has 1 number or more an entry, 1 slot or more, and weighs frequency in [0, 1]: "
                f"got {size}, {slots}, {frequency_weight}"
            )
        self.size, self.slots, self.frequency_weight = size, slots, frequency_weight
        self.clear()

    def __len__(self) -> int:
        return int((self._keyframes != NOWHERE).sum())

    @property
    def nbytes(self) -> int:
        """Bytes it takes, whatever it holds."""
        arrays = (self._embeddings, self._p_kf, self._T_map_kf, self._keyframes)
        return sum(a.nbytes for a in (*arrays, self._written_s, self._used_s, self._reads))

    def clear(self) -> None:
        """Forget everything."""
        self._embeddings = np.zeros((self.slots, self.size), np.float32)
        self._p_kf = np.zeros((self.slots, 3))
        self._T_map_kf = np.zeros((self.slots, 4, 4))
        self._keyframes = np.full(self.slots, NOWHERE)
        self._written_s, self._used_s = np.zeros(self.slots), np.zeros(self.slots)
        self._reads = np.zeros(self.slots, np.int64)

    def write(
        self,
        embedding: ArrayLike,
        *,
        p_map: ArrayLike,
        keyframe_id: int,
        T_map_kf: ArrayLike,
        stamp_s: float,
    ) -> int:
        """Take an entry in; return its slot.

        Args:
            embedding: (D,) what was perceived.
            p_map: (3,) metres, where.
            keyframe_id: What it hangs on,
            T_map_kf: and the pose of that, (4, 4).
            stamp_s: When.

        Raises:
            DataError: A number is not finite, or the embedding has another size. Nothing has changed then.
        """
        vector = self._checked(embedding)
        place = checked_vector(p_map, 3, "p_map")
        T = checked_pose(T_map_kf, "T_map_kf")
        if keyframe_id < 0:
            raise DataError(f"a keyframe's id is 0 or more, got {keyframe_id}")
        slot = self._free_slot(_checked_stamp(stamp_s))
        self._embeddings[slot], self._p_kf[slot] = vector, transform(inverse(T), place)
        self._T_map_kf[slot], self._keyframes[slot] = T, keyframe_id
        self._written_s[slot] = self._used_s[slot] = stamp_s
        self._reads[slot] = 0
        return slot

    def read(
        self,
        query: ArrayLike,
        *,
        T_map_base: ArrayLike,
        stamp_s: float,
        near_base: ArrayLike = (0.0, 0.0, 0.0),
        radius_m: float = 3.0,
        k: int = 3,
    ) -> list[Held]:
        """Return at most k entries near a point, those most alike first; ties go to the lower slot.

        Args:
            query: (D,) what they are to be like.
            T_map_base: Pose of the robot, (4, 4).
            stamp_s: Now.
            near_base: (3,) metres in the robot's frame; by default the robot.
            radius_m: How far from it.
            k: How many.

        Raises:
            DataError, QueryError: A number is not finite or out of range. Nothing has changed then.
        """
        vector = self._checked(query)
        near = checked_vector(near_base, 3, "near_base")
        T_base_map = inverse(checked_pose(T_map_base, "T_map_base"))
        if k < 1:
            raise QueryError(f"k is 1 or more, got {k}")
        p_base = self._places(T_base_map)
        is_near = np.linalg.norm(p_base - near, axis=1) <= checked_length(radius_m, "radius_m")
        cosines = self._embeddings @ vector
        candidates = np.flatnonzero(is_near & (self._keyframes != NOWHERE))
        found = candidates[np.argsort(-cosines[candidates], kind="stable")[:k]]
        ages_s = _checked_stamp(stamp_s) - self._written_s
        self._reads[found] += 1
        self._used_s[found] = stamp_s
        return [
            Held(slot, p_base[slot], float(ages_s[slot]), float(cosines[slot]), embedding.copy())
            for slot, embedding in zip(found.tolist(), self._embeddings[found], strict=True)
        ]

    def correct(self, T_map_kfs: Mapping[int, ArrayLike]) -> int:
        """Move keyframes, and the entries that hang on them; return how many entries moved.

        Raises:
            FrameError: A pose is no rigid motion. Nothing has moved then.
        """
        poses = {k: checked_pose(T, f"T_map_kf of {k}") for k, T in T_map_kfs.items() if k >= 0}
        moved = np.isin(self._keyframes, list(poses))
        for slot in np.flatnonzero(moved):
            self._T_map_kf[slot] = poses[int(self._keyframes[slot])]
        return int(moved.sum())

    def _places(self, T_base_map: Pose) -> NDArray[np.float64]:
        """Return where every entry is, (K, 3) metres in the robot's frame."""
        turned = np.einsum("kij,kj->ki", self._T_map_kf[:, :3, :3], self._p_kf)
        return transform(T_base_map, turned + self._T_map_kf[:, :3, 3])

    def _free_slot(self, stamp_s: float) -> int:
        empty = np.flatnonzero(self._keyframes == NOWHERE)
        if len(empty):
            return int(empty[0])
        weight = self.frequency_weight
        return int(np.argmin(weight * self._reads - (1 - weight) * (stamp_s - self._used_s)))

    def _checked(self, embedding: ArrayLike) -> NDArray[np.float32]:
        vector = checked_embedding(embedding)
        if len(vector) != self.size:
            raise DataError(f"an embedding is {self.size} numbers here, got {len(vector)}")
        return vector


def _checked_stamp(stamp_s: float) -> float:
    if not np.isfinite(stamp_s):
        raise DataError(f"a stamp is a finite number of seconds, got {stamp_s}")
    return float(stamp_s)
