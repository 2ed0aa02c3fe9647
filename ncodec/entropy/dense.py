"""The range coder for short payloads: a distribution of its own for every symbol, bytes to the end.

`Encoder` suits many symbols that share few tables; here each symbol brings weights of its own,
made by a predictor from the symbols before it. The coder is the same, in Python's whole numbers. A
payload of a few dozen bytes can't afford to end on a 32-bit word: `finish` gives the shortest
string of bytes that decodes to the same symbols, followed by a digest of one byte.
"""

import numpy as np
from numpy.typing import NDArray

from ncodec.entropy.coder import symbols_crc
from ncodec.entropy.tables import PRECISION, TOTAL
from ncodec.errors import CorruptFileError, EntropyDesyncError

STATE_BITS, WORD_BITS = 64, 32
MAX_SUM = 1 << 28
_SMALL = 1 << WORD_BITS

Symbols = NDArray[np.int32]
Weights = NDArray[np.int32]
"""[n, m]: how likely each of m symbols is; in a row 1..2**28 in total."""


class DenseEncoder:
    """Codes symbols under a distribution each.

    Example:
        >>> weights = np.array([[2, 1, 1]] * 4, np.int32)
        >>> encoder = DenseEncoder()
        >>> encoder.encode(np.array([0, 1, 2, 0], np.int32), weights)
        >>> payload = encoder.finish()
        >>> len(payload)
        2
        >>> DenseDecoder(payload).decode(weights).tolist()
        [0, 1, 2, 0]
    """

    def __init__(self) -> None:
        """Start an empty payload."""
        self._low, self._width, self._bits = 0, (1 << STATE_BITS) - 1, STATE_BITS
        self._crc = 0

    def encode(self, symbols: Symbols, weights: Weights) -> None:
        """Append symbols [n], each an index into its row of `weights`.

        The caller sees to it that weights and symbols are what they must be.
        """
        self.append(symbols, *_intervals(symbols, weights))

    def append(self, symbols: Symbols, starts: list[int], counts: list[int]) -> None:
        """Symbols with `counts` of all 2**24 counts, after others that have `starts`."""
        low, width, bits = self._low, self._width, self._bits
        for start, count in zip(starts, counts, strict=True):
            part = width >> PRECISION
            low += part * start
            width = part * count
            if width < _SMALL:
                low, width, bits = low << WORD_BITS, width << WORD_BITS, bits + WORD_BITS
        self._low, self._width, self._bits = low, width, bits
        self._crc = symbols_crc(symbols, self._crc)

    def finish(self) -> bytes:
        """The shortest bytes that decode to the symbols, then the low byte of their CRC-32."""
        return self._shortest() + bytes([self._crc & 0xFF])

    def _shortest(self) -> bytes:
        """The shortest bytes that, with zeros after them, lie in the coder's interval."""
        if not self._low:
            return b""
        # Where the numbers just below the interval and last in it first differ, a number in it has
        # a one and then only zeros.
        zeros = (self._low - 1 ^ self._low + self._width - 1).bit_length() - 1
        length = -(-(self._bits - zeros) // 8)
        number = -(-self._low >> self._bits - 8 * length)
        return number.to_bytes(length, "big")


class DenseDecoder:
    """Gives back the symbols of a `DenseEncoder`, in the order in which they were encoded."""

    def __init__(self, payload: bytes) -> None:
        """Open a payload. Raises `CorruptFileError` if it has not even a digest."""
        if not payload:
            raise CorruptFileError("an entropy-coded chunk is empty")
        self._payload = payload
        self._place = STATE_BITS // 8
        self._width = (1 << STATE_BITS) - 1
        # The number that the bytes stand for, less the interval's lower end.
        self._offset = self._word(0, STATE_BITS // 8)
        self._again = DenseEncoder()

    def decode(self, weights: Weights) -> Symbols:
        """Decode one symbol for each row of `weights` (which it overwrites): int32 [n].

        Raises:
            CorruptFileError: no encoder writes such a payload.
        """
        symbols = np.empty(len(weights), np.int32)
        starts, counts = [], []
        for index, sums in enumerate(np.cumsum(weights, axis=1, dtype=np.int32, out=weights)):
            symbols[index], start, count = self._next(sums)
            starts.append(start)
            counts.append(count)
        self._again.append(symbols, starts, counts)
        return symbols

    def _next(self, sums: NDArray[np.int32]) -> tuple[int, int, int]:
        """A symbol, where its counts start, and how many they are; of sums of weights [m]."""
        part = self._width >> PRECISION
        target = self._offset // part
        if target >= TOTAL:
            raise CorruptFileError("entropy-coded data is damaged")
        symbol, start, stop = _find(target, sums)
        self._offset -= part * start
        self._width = part * (stop - start)
        if self._width < _SMALL:
            word = self._word(self._place, WORD_BITS // 8)
            self._offset = self._offset << WORD_BITS | word
            self._width <<= WORD_BITS
            self._place += WORD_BITS // 8
        return symbol, start, stop - start

    def _word(self, place: int, size: int) -> int:
        """The bytes at a place as a number; zeros after the end."""
        data = self._payload[place : min(place + size, len(self._payload) - 1)]
        return int.from_bytes(data.ljust(size, b"\0"), "big")

    def finish(self) -> None:
        """Check that the payload is the very one that an encoder writes for these symbols.

        Raises:
            EntropyDesyncError: other symbols than the encoder's came out.
            CorruptFileError: the payload is longer or shorter than its symbols need.
        """
        expected = self._again.finish()
        if expected[-1] != self._payload[-1]:
            raise EntropyDesyncError(
                "the symbols decoded are not those that were encoded: "
                "the file is damaged, or was made with other weights"
            )
        if expected != self._payload:
            raise CorruptFileError("an entropy-coded chunk holds other data than its symbols need")


def _intervals(symbols: Symbols, weights: Weights) -> tuple[list[int], list[int]]:
    """Where each symbol's counts start among 2**24, and how many they are."""
    if not len(symbols):
        return [], []
    size = weights.shape[1]
    places = np.arange(len(symbols)) * size
    # Sums of what is before each symbol, and of the rest of its row.
    cuts = np.stack([places, places + symbols], axis=1).reshape(-1)
    before, rest = np.add.reduceat(weights.reshape(-1), cuts).astype(np.int64).reshape(-1, 2).T
    before = np.where(symbols > 0, before, 0)  # An empty sum comes out as its first element.
    total, after = before + rest, before + weights.reshape(-1)[places + symbols]
    starts = before * (TOTAL - size) // total + symbols
    stops = after * (TOTAL - size) // total + symbols + 1
    return starts.tolist(), (stops - starts).tolist()


def _find(target: int, sums: NDArray[np.int32]) -> tuple[int, int, int]:
    """The symbol that has the count number `target`: its number, first count and the next one's."""
    free, total = TOTAL - len(sums), int(sums[-1])

    def bound(symbol: int) -> int:
        return int(sums[symbol]) * free // total + symbol + 1 if symbol >= 0 else 0

    # The one count that each symbol has anyway moves the place a little.
    symbol = int(sums.searchsorted(min(target * total // free, total - 1), "right"))
    while bound(symbol - 1) > target:
        symbol -= 1
    while bound(symbol) <= target:
        symbol += 1
    return symbol, bound(symbol - 1), bound(symbol)


def code_lengths(symbols: Symbols, weights: Weights) -> NDArray[np.float64]:
    """Bits that symbols [n] cost, but for rounding to whole counts."""
    chosen = weights[np.arange(len(symbols)), symbols]
    bits: NDArray[np.float64] = np.log2(weights.sum(axis=1) / chosen)
    return bits
