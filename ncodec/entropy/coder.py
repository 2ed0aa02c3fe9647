"""The range coder: integer symbols to bytes and back.

Order of a payload, for each call of `encode`: blocks of 2**20 symbols; in a block the rows used,
ascending, and in a row its symbols as `RowModel` groups them; then the distances of all symbols
that escaped, in the same order: first their classes, then their lower bits, class by class.
"""

import zlib
from collections.abc import Iterator

import constriction
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncodec.entropy.order import CACHED, Order, Rows
from ncodec.entropy.tables import (
    MAX_MAGNITUDE,
    NARROW_MAGNITUDE,
    PRECISION,
    TOTAL,
    RowModel,
    Tables,
    Values,
    entropy_model,
)
from ncodec.errors import CorruptFileError, EntropyDesyncError, InputError

# An escaped symbol is sent as an Exp-Golomb code: bit length with probability 2**-length, then
# the bits below the leading one. Distances fold the side into the lowest bit: 1 .. 2**22.
_ESCAPE_CLASSES = 23
_CLASS_COUNTS = np.array(
    [*(TOTAL >> n for n in range(1, _ESCAPE_CLASSES)), TOTAL >> (_ESCAPE_CLASSES - 1)], np.int32
)
_CLASS_MODEL = entropy_model(_CLASS_COUNTS)
_CLASS_BITS = PRECISION - np.log2(_CLASS_COUNTS) + np.arange(_ESCAPE_CLASSES)
# Part of the format. It bounds the memory that sorting takes.
_BLOCK = 1 << 20


class Encoder:
    """Codes integer symbols into one payload.

    Example:
        >>> counts = np.array([[2**24 - 2, 1, 1]], np.int32)
        >>> tables = Tables(counts, low=np.array([0], np.int32), length=np.array([3], np.int32))
        >>> encoder = Encoder()
        >>> encoder.encode(np.zeros((2, 3), np.int32), np.zeros((2, 3), np.uint8), tables)
        >>> payload = encoder.finish()
        >>> Decoder(payload).decode(np.zeros((2, 3), np.uint8), tables).tolist()
        [[0, 0, 0], [0, 0, 0]]
    """

    def __init__(self) -> None:
        """Start an empty payload."""
        self._coder = constriction.stream.queue.RangeEncoder()
        self._crc = 0

    def encode(self, symbols: ArrayLike, rows: ArrayLike, tables: Tables) -> None:
        """Append symbols.

        Args:
            symbols: integers of any shape, magnitude at most `MAX_MAGNITUDE`.
            rows: integers of the same shape, the table row of each symbol.
            tables: the frequency tables; the decoder needs the same ones.

        Raises:
            InputError: shapes differ, or a symbol or row is out of range.
        """
        values, row_index = _checked(symbols, rows, tables)
        for block in _blocks(values.size):
            self._encode_block(values[block], row_index[block], tables)
        self._crc = symbols_crc(values, self._crc)

    def finish(self) -> bytes:
        """The payload: the coder's words as little-endian uint32, then a 2-byte symbol digest.

        Zero words at the end are left out: a decoder reads zeros after the last word.
        """
        words: NDArray[np.uint32] = self._coder.get_compressed()
        return np.trim_zeros(words, "b").astype("<u4").tobytes() + _digest(self._crc)

    def _encode_block(self, values: NDArray[np.int32], rows: Rows, tables: Tables) -> None:
        order = Order(rows)
        narrow = _narrow(values, tables)
        index, distances = _indexes(order.take(narrow), order, tables)
        for row, part in order.parts():
            self._encode_row(index[part], tables.model(row))
        self._encode_distances(distances)

    def _encode_row(self, index: Values, model: RowModel) -> None:
        whole = model.whole(len(index))
        if whole:
            self._coder.encode(model.pack(index[:whole]), model.joint)
        if whole < len(index):
            self._coder.encode(index[whole:].astype(np.int32, copy=False), model.plain)

    def _encode_distances(self, distances: NDArray[np.int64]) -> None:
        if not distances.size:
            return
        classes = _escape_classes(distances)
        self._coder.encode(classes, _CLASS_MODEL)
        for bits in range(1, int(classes.max()) + 1):
            rest = distances[classes == bits] - (1 << bits)
            self._coder.encode(rest.astype(np.int32), _uniform(bits))


class Decoder:
    """Gives back the symbols of one payload, in the order in which they were encoded."""

    def __init__(self, payload: bytes) -> None:
        """Open a payload that `Encoder.finish` gave.

        Raises:
            CorruptFileError: no payload has such a size or end.
        """
        words, self._digest = payload[:-2], payload[-2:]
        if len(payload) % 4 != 2 or (words and words[-4:] == bytes(4)):
            raise CorruptFileError(f"an entropy-coded chunk of {len(payload)} bytes is impossible")
        self._coder = constriction.stream.queue.RangeDecoder(
            np.frombuffer(words, "<u4").astype(np.uint32)
        )
        self._crc = 0

    def decode(self, rows: ArrayLike, tables: Tables) -> NDArray[np.int32]:
        """Decode one symbol for each element of `rows`.

        Args:
            rows: integers of any shape: the table row of each symbol.
            tables: the tables that the symbols were encoded with.

        Returns:
            int32 symbols of the shape of `rows`, magnitude at most `MAX_MAGNITUDE`.

        Raises:
            CorruptFileError: no encoder writes such a payload.
            InputError: a row is out of range.
        """
        row_index = _checked_rows(rows, tables)
        symbols = np.empty(row_index.shape, np.int32)
        for block in _blocks(symbols.size):
            self._decode_block(symbols.reshape(-1)[block], row_index.reshape(-1)[block], tables)
        self._crc = symbols_crc(symbols, self._crc)
        return symbols

    def finish(self) -> None:
        """Check that all of the payload was decoded, to the symbols that were encoded.

        Raises:
            EntropyDesyncError: other symbols than the encoder's came out.
            CorruptFileError: payload is left over.
        """
        if _digest(self._crc) != self._digest:
            raise EntropyDesyncError(
                "the symbols decoded are not those that were encoded: "
                "the file is damaged, or was made with other weights"
            )
        if not self._coder.maybe_exhausted():
            raise CorruptFileError("an entropy-coded chunk holds more data than its symbols need")

    def _take(self, model: object, count: int) -> NDArray[np.int32]:
        try:
            symbols: NDArray[np.int32] = self._coder.decode(model, count)
        except AssertionError as error:
            raise CorruptFileError("entropy-coded data is damaged") from error
        return symbols

    def _decode_block(self, symbols: NDArray[np.int32], rows: Rows, tables: Tables) -> None:
        order = Order(rows)
        found: Values = np.empty(len(rows), tables.dtype)
        for row, part in order.parts():
            self._decode_row(found[part], tables.model(row))
        order.put(found, symbols)
        # The largest number there is: to look for it is quick where nothing escaped.
        if found.max() == tables.escaped:
            places = np.flatnonzero(symbols == tables.escaped)
            places = places[np.argsort(rows[places], kind="stable")]
            row_of = rows[places]
            symbols[places] = self._decode_escapes(tables.low[row_of], tables.length[row_of] - 1)

    def _decode_row(self, symbols: Values, model: RowModel) -> None:
        """Fill in the symbols of one row; `Tables.escaped` for those that do."""
        whole = model.whole(len(symbols))
        # The coder gives no number that the lists of symbols lack: nothing is ever clipped, but
        # so NumPy need not look before it writes.
        if whole:
            joint = self._take(model.joint_decoder, whole // model.size)
            groups = symbols[:whole].reshape(-1, model.size)
            model.groups.take(joint, 0, groups, mode="clip")
        if whole < len(symbols):
            index = self._take(model.plain, len(symbols) - whole)
            model.symbols.take(index, 0, symbols[whole:], mode="clip")

    def _decode_escapes(self, low: NDArray[np.int32], last: NDArray[np.int32]) -> NDArray[np.int64]:
        """The symbols that escaped from rows with these lows and last entries."""
        outside = self._decode_distances(len(low))
        step = outside >> 1
        values: NDArray[np.int64] = np.where(outside & 1, low + last + step, low - step)
        if np.abs(values).max() > MAX_MAGNITUDE:
            raise CorruptFileError(f"an escaped symbol beyond +-{MAX_MAGNITUDE}")
        return values

    def _decode_distances(self, count: int) -> NDArray[np.int64]:
        classes = self._take(_CLASS_MODEL, count)
        distances = np.int64(1) << classes.astype(np.int64)
        for bits in range(1, int(classes.max()) + 1):
            members = np.flatnonzero(classes == bits)
            distances[members] += self._take(_uniform(bits), len(members))
        return distances


def ideal_bits(symbols: ArrayLike, rows: ArrayLike, tables: Tables) -> float:
    """The information content of symbols under tables, in bits, escapes included.

    Takes what `Encoder.encode` takes and raises what it raises.
    """
    values, row_index = _checked(symbols, rows, tables)
    return sum(_block_bits(values[b], row_index[b], tables) for b in _blocks(values.size))


def _block_bits(values: NDArray[np.int32], rows: Rows, tables: Tables) -> float:
    order = Order(rows)
    index, distances = _indexes(order.take(values), order, tables)
    bits = float(_CLASS_BITS[_escape_classes(distances)].sum())
    for row, part in order.parts():
        used = tables.counts[row, : tables.length[row]]
        occurrences = np.bincount(index[part], minlength=len(used))
        bits += float(occurrences @ (PRECISION - np.log2(used)))
    return bits


def _checked(symbols: ArrayLike, rows: ArrayLike, tables: Tables) -> tuple[NDArray[np.int32], Rows]:
    values = np.asarray(symbols)
    row_index = _checked_rows(rows, tables)
    if values.dtype.kind not in "iu" or values.shape != row_index.shape:
        raise InputError(
            f"symbols {values.dtype} {values.shape} with rows {row_index.shape}: "
            "integers of one shape are needed"
        )
    if values.size and (values.min() < -MAX_MAGNITUDE or values.max() > MAX_MAGNITUDE):
        raise InputError(f"a symbol's magnitude is above {MAX_MAGNITUDE}")
    return values.reshape(-1).astype(np.int32, copy=False), row_index.reshape(-1)


def _checked_rows(rows: ArrayLike, tables: Tables) -> Rows:
    row_index = np.asarray(rows)
    if row_index.dtype.kind not in "iu":
        raise InputError(f"table rows must be integers, not {row_index.dtype}")
    signed = row_index.dtype.kind == "i"
    if row_index.size and (row_index.max() >= tables.rows or (signed and row_index.min() < 0)):
        raise InputError(f"a table row is outside 0..{tables.rows - 1}")
    # Narrow types: numpy sorts 8 and 16 bits by radix.
    if tables.rows <= 256:
        return row_index.astype(np.uint8, copy=False)
    return row_index.astype(np.uint16, copy=False)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))


def _narrow(values: NDArray[np.int32], tables: Tables) -> Values:
    """Symbols in the type of the tables, if their differences from the rows' ends fit it."""
    if len(values) <= CACHED:
        return values
    fit = values.min() >= -NARROW_MAGNITUDE and values.max() <= NARROW_MAGNITUDE
    return values.astype(tables.dtype, copy=False) if fit else values


def _indexes(values: Values, order: Order, tables: Tables) -> tuple[Values, NDArray[np.int64]]:
    """Table indexes of symbols, and the distances of those that escape: all in coding order.

    The symbols, also in coding order, are overwritten.
    """
    values -= order.repeat(tables.low, values.dtype)
    last = order.repeat(tables.length, values.dtype)
    last -= 1
    # Symbols below the row wrap to large numbers: one test finds all that escape.
    unsigned = np.dtype(f"u{values.itemsize}")
    beyond_row = np.flatnonzero(values.view(unsigned) >= last.view(unsigned))
    beyond, end = values[beyond_row].astype(np.int64), last[beyond_row]
    values[beyond_row] = end
    return values, np.where(beyond < 0, -2 * beyond, 2 * (beyond - end) + 1)


def _escape_classes(distances: NDArray[np.int64]) -> NDArray[np.int32]:
    """Bit length less one of distances >= 1."""
    return np.frexp(distances.astype(np.float64))[1].astype(np.int32) - 1


def _uniform(bits: int) -> object:
    model: object = constriction.stream.model.Uniform(1 << bits)
    return model


def symbols_crc(symbols: NDArray[np.int32], crc: int) -> int:
    """The CRC-32 continued over symbols, in natural order, as little-endian int32."""
    return zlib.crc32(np.ascontiguousarray(symbols, "<i4").data, crc)


def _digest(crc: int) -> bytes:
    return (crc & 0xFFFF).to_bytes(2, "little")
