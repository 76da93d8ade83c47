"""Which events mean about the same as a query: exactly among few, by the signs of their numbers among many.

The signs of two vectors differ in about angle / pi of all places (Charikar, "Similarity estimation techniques
from rounding algorithms", 2002), and 384 of them are compared in four nanoseconds.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

from robomem.jit import jit
from robomem.store.embeddings import inverse_norms, query_codes, sketches
from robomem.store.event_columns import EventColumns
from robomem.store.event_words import Rows

MOST = 1 << 16  # so many events are compared exactly; of more those whose signs are most alike
LINE = 64  # bytes that are fetched at once
AHEAD = 8  # rows are all over memory: the fetching of one is begun while so many before it are multiplied


def most_alike(columns: EventColumns, rows: Rows, vector: NDArray[np.float32]) -> Rows:
    """Return the rows that can be most like a vector (D,), in order: all of few, MOST of many."""
    if len(rows) <= MOST:
        return rows
    sketch = sketches(query_codes(vector)[None])[0]
    apart = np.empty(len(rows), np.uint16)
    counts = np.zeros(64 * len(sketch) + 1, np.int64)
    _count_apart(columns["sketch"], rows, sketch, apart, counts)
    limit = int(np.searchsorted(np.cumsum(counts), MOST))
    is_near = apart < limit
    as_near = np.flatnonzero(apart == limit)
    is_near[as_near[len(as_near) - (MOST - np.count_nonzero(is_near)) :]] = True  # the newest
    return rows[is_near]


def cosines(columns: EventColumns, rows: Rows, vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cosines (N,) of rows with a vector (D,), the same on every machine."""
    query = query_codes(vector)
    products = np.empty(len(rows), np.int32)
    loaded = int(np.searchsorted(rows, len(columns.loaded_codes)))
    _multiply(columns.loaded_codes, rows[:loaded], query, products[:loaded])
    _multiply(
        columns.new_codes, rows[loaded:] - len(columns.loaded_codes), query, products[loaded:]
    )
    norm = inverse_norms(query[None])[0]
    return products * (columns["inverse_norm"][rows].astype(np.float64) * np.float64(norm))


@intrinsic  # type: ignore[untyped-decorator]  # Numba is untyped
def _ones(_: Any, word: Any) -> Any:
    """Count the ones of 64 bits."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        (value,) = args
        count = builder.module.declare_intrinsic("llvm.ctpop", [value.type])
        return builder.call(count, args)

    return types.uint64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch(_: Any, codes: Any, row: Any, column: Any) -> Any:
    """Begin to fetch a number of an array into the cache, and what is beside it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = make_array(signature.args[0])(context, builder, args[0])
        at = cgutils.get_item_pointer(
            context, builder, signature.args[0], array, [*args[1:]], wraparound=False
        )
        at = builder.bitcast(at, ir.IntType(8).as_pointer())
        flags = [ir.IntType(32)(flag) for flag in (0, 3, 1)]  # read, keep, data
        kind = ir.FunctionType(ir.VoidType(), [at.type, *(flag.type for flag in flags)])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [at.type], kind)
        builder.call(fetch, [at, *flags])
        return context.get_dummy_value()

    return types.void(codes, types.intp, types.intp), generate


@jit
def _count_apart(
    sketches: NDArray[np.uint64],
    rows: Rows,
    query: NDArray[np.uint64],
    apart: NDArray[np.uint16],
    counts: NDArray[np.int64],
) -> None:
    for i in range(len(rows)):
        ones = np.uint64(0)
        for word in range(len(query)):
            ones += _ones(sketches[rows[i], word] ^ query[word])
        apart[i] = ones
        counts[ones] += 1


@jit
def _multiply(
    codes: NDArray[np.int8], rows: Rows, query: NDArray[np.int16], products: NDArray[np.int32]
) -> None:
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            for k in range(0, len(query), LINE):
                _prefetch(codes, rows[i + AHEAD], k)
        total = np.int32(0)
        row = rows[i]
        for k in range(len(query)):
            total += np.int32(codes[row, k]) * np.int32(query[k])
        products[i] = total
