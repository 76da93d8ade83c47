"""The kernels of the search by meaning, all used once; see `robomem.warm`."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from robomem.episodic import similarity
from robomem.store.event_columns import DTYPES, NAMED, Columns, EventColumns
from robomem.store.event_words import EventWords
from robomem.store.stems import Stemmer

DIM = 64


def kernel_modules() -> Iterator[str]:
    """Yield the names of the modules that hold kernels."""
    yield similarity.__name__


def use_kernels() -> None:
    """Ask for what means the same among two events that come from a file, both very often."""
    arrays: Columns = {name: np.zeros(2, dtype) for name, dtype in DTYPES.items()}
    arrays["sketch"] = np.zeros((2, DIM // 64), np.uint64)
    codes: NDArray[np.int8] = np.ones((2, DIM), np.int8)
    codes.flags.writeable = False  # as what is mapped; to Numba that is another type
    columns = EventColumns(arrays, {name: [] for name in NAMED}, codes, EventWords(Stemmer()))
    vector = np.ones(DIM, np.float32)
    rows = np.arange(similarity.MOST + 1) // similarity.MOST
    similarity.cosines(columns, similarity.most_alike(columns, rows, vector), vector)
