"""A codebook of embeddings: a voxel then carries two bytes, not hundreds of floats.

Shi et al., "Language Embedded 3D Gaussians", CVPR 2024, quantise embeddings to a codebook for memory's
sake. Here it is learnt as the robot goes, by leader clustering (Hartigan, "Clustering algorithms", 1975).
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import ConfigError, DataError, FormatError, Reason
from robomem.spatial.octree.kernels.semantics import Codes

Rows = NDArray[np.int8]
Scales = NDArray[np.float32]
Embeddings = NDArray[np.float32]
Cosines = NDArray[np.float32]

NO_CODE = 0
HIGHEST_CODE = 65535
LONGEST_DIM = 65536  # what a damaged header may ask for
HIGHEST_SIMILARITY = 0.999  # above it an embedding may differ from its own quantised self
UNIT_TOLERANCE = 1e-3  # a unit vector in float16 is off by less
LEVELS = 127
EXACT_FLOAT32 = 2**24  # integers up to here are float32
QUERY_BLOCK, CODE_BLOCK = 256, 2048  # rows multiplied at once: 2 MB of products

MAGIC = b"RMCODES1"
HEADER = struct.Struct(
    "<8sIIdII"
)  # magic, dim, capacity, min_similarity, codes, CRC-32 of the rest


class Codebook:
    """Codes of unit embeddings. A code, once born, stays what it is; 0 is none.

    Rows are int8, D + 4 bytes a code. Embeddings are quantised before they are compared: their products
    are then integers, exact in any order of summation, so codes depend neither on how embeddings are
    batched nor on the BLAS.
    """

    def __init__(
        self, dim: int, *, capacity: int = HIGHEST_CODE, min_similarity: float = 0.9
    ) -> None:
        if not 1 <= dim <= LONGEST_DIM:
            raise ConfigError(f"embeddings of {dim} numbers: expected 1 to {LONGEST_DIM}")
        if not 1 <= capacity <= HIGHEST_CODE:
            raise ConfigError(f"a codebook of {capacity} codes: expected 1 to {HIGHEST_CODE}")
        if not 0 <= min_similarity <= HIGHEST_SIMILARITY:
            raise ConfigError(
                f"min_similarity {min_similarity}: expected 0 to {HIGHEST_SIMILARITY}, a cosine"
            )
        self.dim = dim
        self.capacity = capacity
        self.min_similarity = min_similarity
        self._count = 0
        self._rows: Rows = np.empty((0, dim), np.int8)
        self._scales: Scales = np.empty(0, np.float32)
        self._least = np.float32(min_similarity)
        is_exact = dim * LEVELS**2 <= EXACT_FLOAT32
        self._exact = np.dtype(np.float32 if is_exact else np.float64)

    def __len__(self) -> int:
        """Count the codes: they are 1 to that."""
        return self._count

    @property
    def memory_bytes(self) -> int:
        """What the codes take in memory."""
        return self._rows.nbytes + self._scales.nbytes

    def assign(self, embeddings: ArrayLike) -> Codes:
        """Return the code of each embedding; one that resembles no code becomes a code itself.

        The nearest code by cosine is taken, of equal ones the lowest, where it is at least
        `min_similarity` or the codebook is full.

        Args:
            embeddings: (N, D), unit length.

        Returns:
            (N,), never 0.
        """
        rows, scales = quantise(self._checked(embeddings))
        codes = np.empty(len(rows), np.uint16)
        for i in range(0, len(rows), QUERY_BLOCK):
            block = slice(i, i + QUERY_BLOCK)
            codes[block] = self._assign_block(rows[block], scales[block])
        return codes

    def decode(self, codes: ArrayLike) -> Embeddings:
        """Return the embeddings (N, D) of codes (N,): unit length, zeros for 0."""
        indices = np.asarray(codes, dtype=np.int64) - 1
        if indices.ndim != 1 or ((indices < -1) | (indices >= self._count)).any():
            raise DataError(
                f"codes are (N,), 0 to {self._count}, as this codebook gave them",
                reason=Reason.OUT_OF_BOUNDS,
            )
        embeddings = np.zeros((len(indices), self.dim), np.float32)
        is_known = indices >= 0
        known = indices[is_known]
        embeddings[is_known] = self._rows[known] * self._scales[known, None]
        return embeddings

    def similarity(self, embedding: ArrayLike) -> Cosines:
        """Return the cosine of an embedding (D,) with every code: that of code c is at c - 1."""
        rows, scales = quantise(self._checked(np.asarray(embedding)[None]))
        cosines = [block[0] for _, block in self._cosines_with_codes(rows, scales)]
        return np.concatenate([np.empty(0, np.float32), *cosines])

    def rows_since(self, count: int) -> tuple[Rows, Scales]:
        """Return what was born since there were so many codes: rows (N, D), scales (N,)."""
        if not 0 <= count <= self._count:
            raise DataError(f"there are {self._count} codes, not {count}")
        born = slice(count, self._count)
        return self._rows[born].copy(), self._scales[born].copy()

    def append(self, rows: Rows, scales: Scales) -> None:
        """Add codes that another codebook gave by `rows_since`; all or none."""
        if not self._are_rows(rows, scales):
            raise DataError(f"these are no rows (N, {self.dim}) of a codebook and their scales")
        if self._count + len(rows) > self.capacity:
            raise DataError(
                f"{self._count} codes and {len(rows)} more: expected at most {self.capacity}",
                reason=Reason.OUT_OF_BOUNDS,
            )
        self._add(rows, scales)

    def forget_since(self, count: int) -> None:
        """Take back the codes that were born since there were so many; no voxel may carry them."""
        self._count = min(self._count, count)

    def to_bytes(self) -> bytes:
        """Return the codebook whole, for a file."""
        rows, scales = self.rows_since(0)
        content = rows.tobytes() + scales.astype("<f4").tobytes()
        settings = self.dim, self.capacity, self.min_similarity, self._count
        checksum = zlib.crc32(HEADER.pack(MAGIC, *settings, 0) + content)
        return HEADER.pack(MAGIC, *settings, checksum) + content

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Build it from `to_bytes`; raises FormatError when any byte of it is wrong."""
        if len(data) < HEADER.size or not data.startswith(MAGIC):
            raise FormatError(f"a codebook begins with {MAGIC!r}, this with {data[:8]!r}")
        _, *settings, count, checksum = HEADER.unpack_from(data)
        content = data[HEADER.size :]
        if zlib.crc32(HEADER.pack(MAGIC, *settings, count, 0) + content) != checksum:
            raise FormatError("the codebook is damaged: its checksum differs")
        dim, capacity, min_similarity = settings
        if len(content) != count * (dim + 4):
            raise FormatError(f"{count} codes of {dim} numbers are not {len(content)} bytes")
        try:
            book = cls(dim, capacity=capacity, min_similarity=min_similarity)
            rows = np.frombuffer(content, np.int8, count * dim).reshape(count, dim)
            book.append(rows, np.frombuffer(content, "<f4", offset=count * dim).astype(np.float32))
        except (ConfigError, DataError) as err:
            raise FormatError(f"the codebook was written wrong: {err}") from err
        return book

    def _are_rows(self, rows: Rows, scales: Scales) -> bool:
        return (
            rows.dtype == np.int8
            and scales.dtype == np.float32
            and rows.shape == (len(scales), self.dim)
            and bool((np.abs(rows.astype(np.int16)).max(axis=1) == LEVELS).all())
            and bool((scales == _scales_of(rows)).all())
        )

    def _checked(self, embeddings: ArrayLike) -> Embeddings:
        with np.errstate(over="ignore"):  # what float32 cannot hold has no unit length
            array = np.asarray(embeddings, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != self.dim:
            raise DataError(f"embeddings are (N, {self.dim}), these are {array.shape}")
        length = np.sqrt(np.einsum("nd,nd->n", array, array, dtype=np.float64))
        if not (np.abs(length - 1) <= UNIT_TOLERANCE).all():  # NaN too
            raise DataError("embeddings are finite and of unit length: divide them by their norm")
        return array

    def _assign_block(self, rows: Rows, scales: Scales) -> Codes:
        """Find the nearest codes, then let codes be born in order, each a rival to what follows it."""
        codes, best = self._nearest(rows, scales)
        if (best >= self._least).all():
            return codes
        among = self._cosines(rows, scales, rows, scales)
        born: list[int] = []
        for i in range(len(rows)):
            code = self._count + len(born) + 1
            if best[i] >= self._least or code > self.capacity:
                continue
            born.append(i)
            codes[i] = code
            is_nearer = among[i + 1 :, i] > best[i + 1 :]
            codes[i + 1 :][is_nearer] = code
            best[i + 1 :][is_nearer] = among[i + 1 :, i][is_nearer]
        self._add(rows[born], scales[born])
        return codes

    def _nearest(self, rows: Rows, scales: Scales) -> tuple[Codes, Cosines]:
        """Return the nearest code of each row, of equal ones the lowest, and their cosine."""
        codes, best = np.zeros(len(rows), np.uint16), np.full(len(rows), -np.inf, np.float32)
        for first_code, cosines in self._cosines_with_codes(rows, scales):
            nearest = cosines.argmax(axis=1)
            cosine = cosines[np.arange(len(rows)), nearest]
            is_nearer = cosine > best
            codes[is_nearer] = nearest[is_nearer] + first_code
            best[is_nearer] = cosine[is_nearer]
        return codes, best

    def _cosines_with_codes(self, rows: Rows, scales: Scales) -> Iterator[tuple[int, Cosines]]:
        """Yield the first code of each block of codes and the cosines (N, block) with it."""
        for i in range(0, self._count, CODE_BLOCK):
            block = slice(i, min(i + CODE_BLOCK, self._count))
            yield i + 1, self._cosines(rows, scales, self._rows[block], self._scales[block])

    def _cosines(self, rows: Rows, scales: Scales, others: Rows, of_others: Scales) -> Cosines:
        """Return the cosines (N, M) of quantised embeddings: products of integers, then scaled."""
        products = rows.astype(self._exact) @ others.astype(self._exact).T
        return products.astype(np.float32) * of_others * scales[:, None]

    def _add(self, rows: Rows, scales: Scales) -> None:
        count = self._count + len(rows)
        if count > len(self._rows):
            room = min(max(2 * len(self._rows), count), self.capacity) - self._count
            kept = slice(self._count)
            self._rows = np.concatenate([self._rows[kept], np.empty((room, self.dim), np.int8)])
            self._scales = np.concatenate([self._scales[kept], np.empty(room, np.float32)])
        self._rows[self._count : count] = rows
        self._scales[self._count : count] = scales
        self._count = count


def quantise(embeddings: Embeddings) -> tuple[Rows, Scales]:
    """Return embeddings (N, D) as int8: row times scale is the embedding, of unit length again."""
    largest = np.abs(embeddings).max(axis=1, keepdims=True)
    rows = np.rint(embeddings * (LEVELS / largest)).astype(np.int8)
    return rows, _scales_of(rows)


def _scales_of(rows: Rows) -> Scales:
    squares = np.einsum("nd,nd->n", rows, rows, dtype=np.int64)
    scales: Scales = (1 / np.sqrt(squares)).astype(np.float32)
    return scales
