"""Integer frequency tables, the probabilities that both ends of the coder share."""

import hashlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import constriction
import numpy as np
from numpy.typing import NDArray

from ncodec.errors import ModelMismatchError

PRECISION = 24
"""Bits of precision of a frequency table."""
TOTAL = 1 << PRECISION
"""What the counts of a row sum to."""
MAX_MAGNITUDE = 1 << 20
"""Largest absolute value of a symbol, escaped or not."""
NARROW_MAGNITUDE = (1 << 14) - 1
"""Largest absolute value of symbols and row ends whose differences fit int16."""
MAX_ROWS = 1 << 16
MAX_ENTRIES = 1 << 24
_MAX_JOINT = 1 << 11
_WIDE = np.dtype(np.int32)

Values: TypeAlias = NDArray[np.signedinteger[Any]]
"""Symbols or indexes in int32, or in int16 where that holds them."""
ValueType: TypeAlias = np.dtype[np.signedinteger[Any]]


class Tables:
    """A set of frequency tables ("rows"), immutable and checked.

    Row `r` gives the symbol `low[r] + i` the probability `counts[r, i] / 2**24`. Its last used
    entry, `i = length[r] - 1`, is the escape: it stands for all symbols outside the row.

    Attributes:
        dtype: int16 if it holds all symbols and indexes of the rows, else int32: to sort symbols
            and put them in their places takes half as long with half the bytes.
        escaped: what stands for a symbol outside of its row while its distance is not yet
            decoded: the largest number of this type.
    """

    def __init__(
        self, counts: NDArray[np.int32], low: NDArray[np.int32], length: NDArray[np.int32]
    ) -> None:
        """Check and copy the arrays.

        Args:
            counts: int32 `[rows, width]`; each row has `length` entries >= 1 that sum to 2**24,
                then zeros.
            low: int32 `[rows]`, the smallest symbol of each row.
            length: int32 `[rows]`, entries used in each row, the escape included; at least 2.

        Raises:
            ModelMismatchError: the arrays are no valid tables.
        """
        for name, array, ndim in (("counts", counts, 2), ("low", low, 1), ("length", length, 1)):
            _check_array(name, array, np.int32, ndim)
        _check_ranges(counts.shape, low, length)
        _check_counts(counts, length)
        self.counts, self.low, self.length = (_frozen(a) for a in (counts, low, length))
        reach = max(-int(low.min()), int((low + length).max()), int(length.max()))
        self.dtype: ValueType = np.dtype(np.int16) if reach <= NARROW_MAGNITUDE else _WIDE
        self.escaped = int(np.iinfo(self.dtype).max)
        self._models: list[RowModel | None] = [None] * len(low)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.low)

    def model(self, row: int) -> "RowModel":
        """The entropy model of a row, built at the first use."""
        model = self._models[row]
        if model is None:
            counts, low = self.counts[row, : self.length[row]], int(self.low[row])
            model = self._models[row] = RowModel(counts, low, self.dtype)
        return model

    def magnitude_bits(self, row: int, most: int) -> NDArray[np.float64]:
        """Code lengths `[most + 1]` of 0..most in a row; those of escapes are estimates."""
        length, low = int(self.length[row]), int(self.low[row])
        bits = PRECISION - np.log2(self.counts[row, :length].astype(np.float64))
        levels = np.arange(most + 1)
        index = levels - low
        inside = (index >= 0) & (index < length - 1)
        escape = bits[-1] + 2 * np.log2(levels + 1)
        return np.where(inside, bits[index.clip(0, length - 1)], escape)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays to store, named `prefix/counts`, `prefix/low` and `prefix/length`.

        The counts are stored without the unused entries, one row after another.
        """
        used = self.counts[_used(self.length, self.counts.shape[1])]
        return {
            f"{prefix}/counts": used,
            f"{prefix}/low": self.low,
            f"{prefix}/length": self.length,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> "Tables":
        """Tables from the arrays that `to_arrays` gave.

        Raises:
            ModelMismatchError: an array is missing or they are no valid tables.
        """
        used, low, length = (take(arrays, f"{prefix}/{n}") for n in ("counts", "low", "length"))
        for name, array in (("counts", used), ("low", low), ("length", length)):
            _check_array(f"{prefix}/{name}", array, np.int32, 1)
        width = int(length.max(initial=0))
        _check_ranges((len(length), width), low, length)
        mask = _used(length, width)
        if used.size != np.count_nonzero(mask):
            raise ModelMismatchError(f"{prefix}: {used.size} counts for {mask.sum()} table entries")
        counts = np.zeros((len(length), width), np.int32)
        counts[mask] = used
        return cls(counts, low, length)

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) over what decoding depends on, whatever the padding of `counts`."""
        arrays = self.to_arrays("")
        sizes = np.array([self.rows, arrays["/counts"].size])
        hasher = hashlib.sha256(sizes.astype("<i8").tobytes())
        for name in ("/low", "/length", "/counts"):
            hasher.update(arrays[name].astype("<i4").tobytes())
        return hasher.digest()


class RowModel:
    """How the table indexes of one row are coded: in groups of `size`, as joint symbols.

    A call of the coder costs as much time for 0.01 bit as for 5 bits, so rows of few symbols code
    4 or 2 at once. What is left over at the end is coded plainly. The joint symbols are numbered
    from the likeliest down (ties: by their digits in base `length`).

    Attributes:
        size: indexes in a group, the largest of 4, 2, 1 with at most 2048 joint symbols.
        digits: int32 `[joint symbols, size]`, the indexes in each.
        symbols: `[length]`, the symbol of each index; `Tables.escaped` for the last.
        groups: `[joint symbols, size]`, the symbols in each joint symbol.
        plain: constriction model of one index.
        joint: constriction model of a group; None if `size` is 1.
        joint_decoder: the same probabilities, in the form that decodes faster.
    """

    def __init__(self, counts: NDArray[np.int32], low: int = 0, dtype: ValueType = _WIDE) -> None:
        """Build the models from one row's used counts `[length]` and its smallest symbol.

        `dtype` is what symbols are decoded in.
        """
        self._base = base = len(counts)
        self.size = next(size for size in (4, 2, 1) if base**size <= _MAX_JOINT or size == 1)
        self.plain = entropy_model(counts)
        self.symbols = np.arange(low, low + base, dtype=dtype)
        self.symbols[-1] = np.iinfo(dtype).max
        self.joint: object = None
        self.joint_decoder: object = None
        if self.size > 1:
            self._build_joint(joint_counts(counts, self.size))

    def _build_joint(self, counts: NDArray[np.int32]) -> None:
        order = np.argsort(-counts, kind="stable")
        powers = sum((self._base << 16) ** place for place in range(self.size))
        self._powers = np.array(powers, f"<u{2 * self.size}")
        self._shift = np.array(16 * (self.size - 1), self._powers.dtype)
        self._rank: NDArray[np.int32] = np.argsort(order).astype(np.int32)
        digits = np.indices((self._base,) * self.size, np.int32).reshape(self.size, -1)
        self.digits = np.ascontiguousarray(digits.T[order])
        self.groups = self.symbols.take(self.digits)
        self.joint = entropy_model(counts[order])
        lazy = _likely_first(counts)
        self.joint_decoder = entropy_model(counts[order], lazy=True) if lazy else self.joint

    def whole(self, count: int) -> int:
        """How many of `count` indexes are coded in groups."""
        return count // self.size * self.size if self.size > 1 else 0

    def pack(self, index: Values) -> NDArray[np.int32]:
        """The joint symbols `[len(index) // size]` of whole groups."""
        # A group is one number of 16-bit digits, and its product with powers of the base has the
        # group's number in its highest digit: no sum below reaches 2**16 and is carried.
        groups = index.astype("<u2").view(self._powers.dtype)
        groups *= self._powers
        groups >>= self._shift
        return self._rank.take(groups.astype(np.intp))


def joint_counts(counts: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Counts `[n**size]` of groups of independent symbols, each >= 1, 2**24 in total.

    Part of the format: products in float64 from the left, rounded down after one count for each;
    what is left goes to the likeliest group. Only operations that IEEE 754 defines to the bit.

    Args:
        counts: `[n]` of one symbol.
        size: symbols in a group.
    """
    masses = single = counts / TOTAL
    for _ in range(size - 1):
        masses = (masses[:, None] * single).reshape(-1)
    joint: NDArray[np.int32] = np.floor(masses * (TOTAL - masses.size) + 1).astype(np.int32)
    joint[np.argmax(joint)] += TOTAL - int(joint.sum())
    return joint


def _likely_first(counts: NDArray[np.int32]) -> bool:
    """Whether a search from the likeliest symbol down is faster than one by halves.

    Measured: it is where the entropy is below half of what equal counts have.
    """
    masses = counts / TOTAL
    return bool(-2 * (masses @ np.log2(masses)) < np.log2(len(counts)))


def entropy_model(counts: NDArray[np.int32], *, lazy: bool = False) -> object:
    """A constriction model that codes symbol `i` with exactly `counts[i] / 2**24`.

    Args:
        counts: `[n]`, n >= 2, every entry >= 1, sum 2**24.
        lazy: search for a decoded symbol from the first one on; the same code, only speed differs.
    """
    # constriction gives each symbol one count and shares out the rest in proportion: with
    # counts - 1 the rest is exactly what is asked for, with the counts themselves it is not.
    weights = counts.astype(np.float64) - 1
    model: object = constriction.stream.model.Categorical(weights, perfect=False, lazy=lazy)
    return model


def take(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """The array `name`; raises ModelMismatchError if it is missing."""
    if name not in arrays:
        raise ModelMismatchError(f"the weights have no array {name!r}")
    return arrays[name]


def _check_array(name: str, array: object, dtype: type[np.generic], ndim: int) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != ndim:
        found = f"{getattr(array, 'dtype', type(array))} {getattr(array, 'shape', '')}"
        raise ModelMismatchError(f"{name}: {found} where {dtype.__name__} [{ndim} axes] is needed")


def _check_ranges(
    shape: tuple[int, ...], low: NDArray[np.int32], length: NDArray[np.int32]
) -> None:
    rows, width = shape
    if not (1 <= rows <= MAX_ROWS and rows * width <= MAX_ENTRIES and len(low) == len(length)):
        raise ModelMismatchError(f"tables {rows} x {width} with {len(low)} lows: impossible sizes")
    if len(length) != rows or length.min() < 2 or length.max() > width:
        raise ModelMismatchError(f"table lengths must be {rows} values in 2..{width}")
    if low.min() < -MAX_MAGNITUDE or (low.astype(np.int64) + length).max() - 2 > MAX_MAGNITUDE:
        raise ModelMismatchError(f"table symbols must lie within +-{MAX_MAGNITUDE}")


def _check_counts(counts: NDArray[np.int32], length: NDArray[np.int32]) -> None:
    used = _used(length, counts.shape[1])
    if (counts[used] < 1).any() or counts[~used].any():
        raise ModelMismatchError("table counts must be >= 1 where used and 0 elsewhere")
    wrong = np.flatnonzero(counts.sum(axis=1, dtype=np.int64) != TOTAL)
    if wrong.size:
        raise ModelMismatchError(f"the counts of table {wrong[0]} do not sum to 2**{PRECISION}")


def _used(length: NDArray[np.int32], width: int) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = np.arange(width) < length[:, None]
    return mask


def _frozen(array: NDArray[np.int32]) -> NDArray[np.int32]:
    copy = np.array(array, dtype=np.int32, order="C")
    copy.flags.writeable = False
    return copy
