"""What the voxels of the octree are: a code into a codebook of embeddings each, fused over views."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import DataError, QueryError, Reason
from robomem.spatial.octree.codebook import Codebook
from robomem.spatial.octree.kernels import semantics
from robomem.spatial.octree.kernels.morton import Keys, Slots
from robomem.spatial.octree.kernels.semantics import Codes, Voxels, Weights

VOXELS = 512
LEAST_BLOCKS = 64  # below that, nothing is worth giving back


class SemanticBlocks:
    """Blocks of 512 codes and weights, of those bricks only in which something was named.

    A voxel's code is what most views said of it, code 0 where none did; its weight is by how much.
    """

    def __init__(self, codebook: Codebook) -> None:
        self.codebook = codebook
        self._keys: Keys = np.empty(0, np.int64)  # sorted
        self._rows: Slots = np.empty(0, np.int32)  # the block of each
        self._spare: Slots = np.empty(0, np.int32)  # blocks of no brick, all zero
        self._codes: Codes = np.zeros((0, VOXELS), np.uint16)
        self._weights: Weights = np.zeros((0, VOXELS), np.uint8)

    def __len__(self) -> int:
        """Count the bricks."""
        return len(self._keys)

    @property
    def keys(self) -> Keys:
        """The Morton keys of the bricks, sorted."""
        return self._keys.copy()

    @property
    def memory_bytes(self) -> int:
        """What the blocks and the codebook take in memory."""
        arrays = self._keys, self._rows, self._spare, self._codes, self._weights
        return sum(array.nbytes for array in arrays) + self.codebook.memory_bytes

    def observe(self, brick_keys: Keys, voxels: Voxels, codes: Codes) -> None:
        """Fuse one view, as `reduce_view` gives it: keys (M,), voxels (M,), codes (M,) of the codebook."""
        self._check_codes(codes)
        is_named = codes != 0
        rows = self._rows_for(brick_keys[is_named])
        semantics.fuse(self._codes, self._weights, rows, voxels[is_named], codes[is_named])

    def codes_at(self, brick_keys: Keys, voxels: Voxels) -> Codes:
        """Return the codes (N,) of voxels, by the keys of their bricks (N,) and where they lie there (N,)."""
        rows, is_held = self._find(brick_keys)
        codes = np.zeros(len(brick_keys), np.uint16)
        codes[is_held] = self._codes[rows, voxels[is_held]]
        return codes

    def similar(self, embedding: ArrayLike, *, min_similarity: float) -> tuple[Keys, Voxels]:
        """Return the voxels whose code resembles an embedding (D,), by key: keys (M,), voxels (M,)."""
        is_wanted = self.wanted(embedding, min_similarity=min_similarity)
        bricks, voxels = semantics.select(self._codes, self._rows, is_wanted)
        return self._keys[bricks], voxels

    def wanted(self, embedding: ArrayLike, *, min_similarity: float) -> NDArray[np.bool_]:
        """Tell of every code, 0 first, whether it resembles an embedding (D,) by that cosine or more."""
        if not -1 <= min_similarity <= 1:
            raise QueryError(f"min_similarity {min_similarity}: expected -1 to 1, a cosine")
        is_alike = self.codebook.similarity(embedding) >= min_similarity
        return np.concatenate([[False], is_alike])

    def take(self, keys: Keys) -> tuple[Codes, Weights]:
        """Return what bricks (N,) hold, for a file: codes (N, 512), weights (N, 512); zeros for no block."""
        rows, is_held = self._find(keys)
        codes = np.zeros((len(keys), VOXELS), np.uint16)
        weights = np.zeros((len(keys), VOXELS), np.uint8)
        codes[is_held], weights[is_held] = self._codes[rows], self._weights[rows]
        return codes, weights

    def put(self, keys: Keys, codes: Codes, weights: Weights) -> None:
        """Set bricks (N,), each once, to what `take` gave; one without a code gets no block."""
        shape = (len(keys), VOXELS)
        if codes.shape != shape or weights.shape != shape:
            raise DataError(f"expected blocks of {shape}, got {codes.shape} and {weights.shape}")
        self._check_codes(codes)
        self.drop(keys)
        is_named = codes.any(axis=1)
        rows = self._rows_for(keys[is_named])
        self._codes[rows], self._weights[rows] = codes[is_named], weights[is_named]

    def drop(self, keys: Keys) -> None:
        """Forget bricks (N,), such as went to disk; those without a block change nothing."""
        rows, _ = self._find(keys)
        self._codes[rows] = 0
        self._weights[rows] = 0
        is_kept = ~np.isin(self._rows, rows)
        self._spare = np.concatenate([self._rows[~is_kept], self._spare])
        self._keys, self._rows = self._keys[is_kept], self._rows[is_kept]
        if len(self._spare) > len(self._keys) + LEAST_BLOCKS:
            self._compact()

    def _check_codes(self, codes: Codes) -> None:
        highest = int(codes.max(initial=0))
        if highest > len(self.codebook):
            raise DataError(
                f"code {highest} of a codebook of {len(self.codebook)}: give it its rows first",
                reason=Reason.OUT_OF_BOUNDS,
            )

    def _find(self, keys: Keys) -> tuple[Slots, NDArray[np.bool_]]:
        """Return the blocks of those bricks that have one, and which (N,) have."""
        at = np.searchsorted(self._keys, keys)
        is_held = at < len(self._keys)
        is_held[is_held] = self._keys[at[is_held]] == keys[is_held]
        return self._rows[at[is_held]], is_held

    def _rows_for(self, keys: Keys) -> Slots:
        """Return the blocks (N,) of bricks, new ones where they have none."""
        rows, is_held = self._find(keys)
        if is_held.all():
            return rows
        new = np.unique(keys[~is_held])
        self._reserve(len(new))
        at = np.searchsorted(self._keys, new)
        self._keys = np.insert(self._keys, at, new)
        self._rows = np.insert(self._rows, at, self._spare[: len(new)])
        self._spare = self._spare[len(new) :]
        return self._find(keys)[0]

    def _reserve(self, count: int) -> None:
        """Have spare blocks for so many bricks."""
        have = len(self._codes)
        short = count - len(self._spare)
        if short <= 0:
            return
        more = max(short, have // 4, LEAST_BLOCKS)
        self._codes = np.concatenate([self._codes, np.zeros((more, VOXELS), np.uint16)])
        self._weights = np.concatenate([self._weights, np.zeros((more, VOXELS), np.uint8)])
        fresh = np.arange(have, have + more, dtype=np.int32)
        self._spare = np.concatenate([self._spare, fresh])

    def _compact(self) -> None:
        """Give spare blocks back to the system."""
        self._codes, self._weights = self._codes[self._rows], self._weights[self._rows]
        self._rows = np.arange(len(self._keys), dtype=np.int32)
        self._spare = np.empty(0, np.int32)
