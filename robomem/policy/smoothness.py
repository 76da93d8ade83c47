"""How smooth a robot moves: at which frequencies its actions change."""

import numpy as np
from numpy.typing import ArrayLike

from robomem.errors import DataError


def frequency_score(actions: ArrayLike) -> float:
    """Return the mean frequency of actions (T, A), weighted by amplitude, as a share of the highest there can be.

    0 is no change at all, small is smooth, 1 is back and forth at every step. It is the measure of Mysore et al.,
    "Regularizing action policies for smooth control with reinforcement learning", 2021, Equation (7), divided by the
    sum of the amplitudes, so that neither the length nor the scale of the actions counts. A straight line is no
    constant: what goes once from one end to the other counts as the slow wave that it is.

    Raises:
        DataError: They are not (T, A) finite numbers, T at least 2.
    """
    series = np.asarray(actions, dtype=np.float64)
    if series.ndim != 2 or len(series) < 2 or not np.isfinite(series).all():
        raise DataError(f"actions are (T, A) finite numbers, T >= 2, got shape {series.shape}")
    amplitudes = np.abs(np.fft.rfft(series - series.mean(0), axis=0)).sum(1)
    total = float(amplitudes.sum())
    if total <= 1e-9 * (1 + float(np.abs(series).max())):  # round-off of a constant
        return 0.0
    frequencies = np.fft.rfftfreq(len(series), d=0.5)  # 1 is Nyquist's
    return float(amplitudes @ frequencies) / total
