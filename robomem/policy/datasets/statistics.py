"""Statistics of columns, for normalisation: of an episode, and of all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.policy.datasets.layout import IMAGE, Columns, Feature

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
MAX_IMAGES = 100  # of an episode, evenly spaced: more tell nothing new of brightness

Statistics = dict[str, NDArray[Any]]


def of_episode(columns: Columns, features: Mapping[str, Feature]) -> dict[str, Statistics]:
    """Return min, max, mean, std, count and quantiles of every column; images are told in [0, 1], (3, 1, 1)."""
    return {key: _of_column(columns[key], feature) for key, feature in features.items()}


def together(parts: Sequence[Statistics]) -> Statistics:
    """Return the statistics of several episodes together; the quantiles are means, weighted by the counts.

    Mean and variance as in Chan et al., "Updating formulae and a pairwise algorithm for computing sample
    variances", 1979.
    """
    counts = np.array([part["count"][0] for part in parts], float)
    shares = counts / counts.sum()

    def weighted(values: list[NDArray[Any]]) -> NDArray[Any]:
        mean: NDArray[Any] = np.tensordot(shares, np.stack(values), 1)
        return mean

    mean = weighted([part["mean"] for part in parts])
    variance = weighted([part["std"] ** 2 + (part["mean"] - mean) ** 2 for part in parts])
    return {
        "min": np.min([part["min"] for part in parts], axis=0),
        "max": np.max([part["max"] for part in parts], axis=0),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": np.array([int(counts.sum())]),
        **{name: weighted([part[name] for part in parts]) for name in QUANTILES},
    }


def _of_column(column: NDArray[Any], feature: Feature) -> Statistics:
    if feature.dtype == IMAGE:
        kept = np.unique(np.linspace(0, len(column) - 1, MAX_IMAGES).astype(int))
        values = column[kept].astype(np.float64).reshape(-1, 3) / 255
        shape: tuple[int, ...] = (3, 1, 1)
        count = len(kept)
    else:
        values = column.astype(np.float64).reshape(len(column), -1)
        shape, count = feature.shape, len(column)
    found = {
        "min": values.min(0),
        "max": values.max(0),
        "mean": values.mean(0),
        "std": values.std(0),
        **dict(zip(QUANTILES, np.quantile(values, list(QUANTILES.values()), axis=0), strict=True)),
    }
    return {name: value.reshape(shape) for name, value in found.items()} | {
        "count": np.array([count])
    }
