"""The order in which the range coder codes the symbols of a block."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncodec.entropy.tables import Values, ValueType

# No part of the format: more symbols than the processor's cache holds are sorted in pieces, whose
# places fit 16 bits, unless they have so many rows that to put these together takes longer.
CACHED = 1 << 17
"""Up to how many symbols the processor's cache holds, whatever is done with them."""
_PIECE, _CUT_ROWS = 1 << 16, 256

Rows: TypeAlias = NDArray[np.unsignedinteger[Any]]
_Places: TypeAlias = NDArray[np.integer[Any]]


class Order:
    """The order in which the symbols of a block are coded: row by row, ascending.

    A block is sorted in pieces, whose parts of a row then come one after the other: pieces stay in
    the processor's cache.
    """

    def __init__(self, rows: Rows) -> None:
        every = np.arange(int(rows.max()) + 1, dtype=rows.dtype)
        cut = len(rows) > CACHED and len(every) <= _CUT_ROWS
        size, kept = (_PIECE, np.dtype(np.uint16)) if cut else (len(rows), np.dtype(np.intp))
        pieces = (rows[start : start + size] for start in range(0, len(rows), size))
        self._places, stops = zip(*(_sorted(piece, every, kept) for piece in pieces), strict=True)
        counts = np.array(stops)
        counts[:, 1:] -= counts[:, :-1].copy()
        total = counts.sum(0)
        self._used = total.nonzero()[0]
        self._counts, self._total = counts.take(self._used, 1), total.take(self._used)

    def parts(self) -> Iterator[tuple[int, slice]]:
        """Each row that is used, and which symbols in this order it has."""
        ends = self._total.cumsum().tolist()
        for row, start, stop in zip(self._used.tolist(), [0, *ends], ends, strict=False):
            yield row, slice(start, stop)

    def repeat(self, values: NDArray[np.int32], dtype: ValueType) -> Values:
        """The value of each symbol's row, in this order."""
        of_rows: Values = values.take(self._used).astype(dtype)
        return of_rows.repeat(self._total)

    def take(self, values: Values) -> Values:
        """The values of a block in this order."""
        found = np.empty_like(values)
        for piece, places in self._pieces():
            values[piece].take(places, out=found[piece], mode="clip")
        return _transposed(found, self._counts)

    def put(self, values: Values, symbols: NDArray[np.int32]) -> None:
        """Undo `take`: fill a block."""
        values = _transposed(values, self._counts.T)
        natural = np.empty(len(self._places[0]), values.dtype)
        for piece, places in self._pieces():
            natural[places] = values[piece]
            symbols[piece] = natural[: len(places)]

    def _pieces(self) -> Iterator[tuple[slice, _Places]]:
        """Each piece, and the places in it of its values in order, valid until the next one."""
        if len(self._places) == 1:
            yield slice(None), self._places[0]
            return
        # NumPy would take new memory for each piece, which takes longer than to fill it.
        wide = np.empty(_PIECE, np.intp)
        for number, places in enumerate(self._places):
            start, count = number * _PIECE, len(places)
            wide[:count] = places
            yield slice(start, start + count), wide[:count]


def _sorted(
    rows: Rows, every: Rows, kept: np.dtype[np.integer[Any]]
) -> tuple[_Places, NDArray[np.intp]]:
    """The places of symbols row by row, as they are kept, and where each row ends among them."""
    places = rows.argsort(kind="stable")
    # To search for the ends of rows in what is sorted is much faster than to count symbols.
    stops = rows.searchsorted(every, "right", sorter=places)
    # The places of all pieces are kept at once: a quarter of the memory takes less time.
    return places.astype(kept, copy=False), stops


def _transposed(values: Values, counts: NDArray[np.intp]) -> Values:
    """Values that come in runs of `counts` [a, b], a by a: the same runs, b by b."""
    if 1 in counts.shape:
        return values
    stops = counts.cumsum().reshape(counts.shape)
    starts = stops - counts
    runs = zip(starts.T.ravel().tolist(), stops.T.ravel().tolist(), strict=True)
    return np.concatenate([values[start:stop] for start, stop in runs])
