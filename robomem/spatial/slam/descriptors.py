"""Descriptors of places that stay the same when the robot comes from elsewhere, and their index.

A place is a local map from above: how much stands in each cell of the floor plane. Its Radon transform
turns a shift into a shift along each row and a turn into a shift of the rows; the magnitudes of the
Fourier transform of the rows forget the shift: Lu et al., "One RING to rule them all", 2022. Beside it
stand histograms of heights and colours, which tell apart rooms of one shape.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.spatial.slam.local_map import CODE_BITS, voxel_codes

ANGLES = 60  # over half a turn, 3 degrees each
OFFSETS = 64
FREQUENCIES = 12  # of the lowest ones, without the constant: walls, not the noise of their cells
COLOR_LEVELS = 4  # per channel
HEIGHTS = 16
MIN_HEIGHT = 4  # voxels on top of each other, of what stands
GRAM_WEIGHT, COLOR_WEIGHT, HEIGHT_WEIGHT = 0.6, 0.25, 0.15

Spectrum = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Descriptor:
    """A place in 1.7 kB.

    Attributes:
        gram: Magnitudes per direction and frequency, (ANGLES, FREQUENCIES), of unit norm as a whole.
        heights: How the points spread over heights, (HEIGHTS,), square roots of shares.
        colors: The same over colours, (COLOR_LEVELS**3,); zeros without colour.
    """

    gram: NDArray[np.float16]
    heights: NDArray[np.float16]
    colors: NDArray[np.float16]

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self.gram.nbytes + self.heights.nbytes + self.colors.nbytes


def describe(
    points: Points, colors: NDArray[np.uint8], *, radius_m: float, voxel_size_m: float
) -> Descriptor:
    """Describe a local map.

    Args:
        points: (N, 3) metres, z up.
        colors: RGB of pixels of it, (M, 3).
        radius_m: How far it reaches.
        voxel_size_m: It has one point in a voxel of this size.
    """
    sinogram = _radon(upright_columns(points, voxel_size_m), radius_m)
    spectrum = np.abs(np.fft.rfft(sinogram, axis=1))[:, 1 : FREQUENCIES + 1]
    z = points[:, 2]
    heights, _ = np.histogram(z, bins=HEIGHTS, range=(-radius_m / 2, radius_m / 2))
    levels = colors.astype(np.intp) * COLOR_LEVELS // 256
    codes = levels @ np.array([COLOR_LEVELS**2, COLOR_LEVELS, 1])
    counts = np.bincount(codes, minlength=COLOR_LEVELS**3)
    return Descriptor(
        gram=(spectrum / max(np.linalg.norm(spectrum), 1e-9)).astype(np.float16),
        heights=np.sqrt(heights / max(heights.sum(), 1)).astype(np.float16),
        colors=np.sqrt(counts / max(counts.sum(), 1)).astype(np.float16),
    )


def upright_columns(points: Points, voxel_size_m: float) -> NDArray[np.float64]:
    """Return where something stands, as rows of x, y, and how many voxels are on top of each other.

    Floor and ceiling are one voxel high everywhere and say nothing of where one is.
    """
    codes = np.unique(voxel_codes(points, voxel_size_m))
    columns, heights = np.unique(codes >> CODE_BITS, return_counts=True)
    columns, heights = columns[heights >= MIN_HEIGHT], heights[heights >= MIN_HEIGHT]
    cells = np.stack([columns >> CODE_BITS, columns % (1 << CODE_BITS)], axis=-1) - (
        1 << CODE_BITS - 1
    )
    return np.column_stack([(cells + 0.5) * voxel_size_m, heights])


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that may be the one asked for.

    Attributes:
        place: Its number, in the order places were added.
        similarity: 1 at the most.
    """

    place: int
    similarity: float


class PlaceIndex:
    """Places by descriptor, numbered in the order they are added."""

    def __init__(self) -> None:
        self._size = 0
        self._spectra = np.zeros((16, ANGLES // 2 + 1, FREQUENCIES), np.complex64)
        self._histograms = np.zeros((16, HEIGHTS + COLOR_LEVELS**3), np.float32)

    def __len__(self) -> int:
        return self._size

    def add(self, descriptor: Descriptor) -> None:
        """Add a place."""
        if self._size == len(self._spectra):
            self._spectra = np.concatenate([self._spectra, np.zeros_like(self._spectra)])
            self._histograms = np.concatenate([self._histograms, np.zeros_like(self._histograms)])
        self._spectra[self._size] = np.fft.rfft(descriptor.gram.astype(np.float64), axis=0)
        self._histograms[self._size] = np.concatenate([descriptor.heights, descriptor.colors])
        self._size += 1

    def query(self, descriptor: Descriptor, *, limit: int, before: int) -> list[Candidate]:
        """Return the most similar of the first `before` places, best first."""
        spectrum = np.fft.rfft(descriptor.gram.astype(np.float64), axis=0)
        products = (spectrum * np.conj(self._spectra[:before])).sum(axis=2)
        correlation = np.fft.irfft(products, n=ANGLES, axis=1)  # over turns
        heights = self._histograms[:before, :HEIGHTS] @ descriptor.heights.astype(np.float32)
        colors = self._histograms[:before, HEIGHTS:] @ descriptor.colors.astype(np.float32)
        has_color = self._histograms[:before, HEIGHTS:].any(axis=1) & descriptor.colors.any()
        color_weight = COLOR_WEIGHT * has_color
        total = (
            GRAM_WEIGHT * correlation.max(axis=1) + HEIGHT_WEIGHT * heights + color_weight * colors
        )
        similarity = total / (GRAM_WEIGHT + HEIGHT_WEIGHT + color_weight)
        best = np.argsort(-similarity, kind="stable")[:limit]
        return [Candidate(int(i), float(similarity[i])) for i in best]


def _radon(columns: NDArray[np.float64], radius_m: float) -> NDArray[np.float64]:
    """Return how much stands along the lines of each direction and offset, (ANGLES, OFFSETS)."""
    angles = np.arange(ANGLES) * np.pi / ANGLES
    offsets = columns[:, :2] @ np.stack([np.cos(angles), np.sin(angles)])
    span_m = 2 * radius_m  # half of it for what the middle is off
    bins = np.floor((offsets + span_m) * OFFSETS / (2 * span_m)).astype(np.int64) % OFFSETS
    codes = bins + OFFSETS * np.arange(ANGLES)
    weights = np.repeat(columns[:, 2], ANGLES)
    counts = np.bincount(codes.ravel(), weights, ANGLES * OFFSETS)
    return counts.reshape(ANGLES, OFFSETS).astype(np.float64)
