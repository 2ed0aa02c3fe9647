"""The range coder for short payloads: a distribution of its own for every symbol, bytes to the end.

`Encoder` suits many symbols that share few tables; here each symbol brings counts of its own, made
by a predictor from the symbols before it. The coder is the same, but a payload of a few dozen
bytes can't afford its habit of ending on a 32-bit word: `finish` gives the shortest string of
bytes that decodes to the same symbols, followed by a digest of one byte. Words are big-endian, so
that a string of bytes is the beginning of a number.
"""

import constriction
import numpy as np
from numpy.typing import NDArray

from ncodec.entropy.coder import symbols_crc
from ncodec.errors import CorruptFileError, EntropyDesyncError

_STATE_BITS, _WORD_BITS, _WORD_BYTES = 64, 32, 4
_FAMILY = constriction.stream.model.Categorical(perfect=False)

Extra = NDArray[np.float64]
"""[n, m], whole numbers >= 0: of 2**24 counts, what each of m symbols has beyond the one that it
has anyway. A row sums to 2**24 - m."""


class DenseEncoder:
    """Codes symbols under a distribution each.

    Example:
        >>> extra = np.array([[2**23 - 1, 2**22 - 1, 2**22 - 1]] * 4, np.float64)
        >>> encoder = DenseEncoder()
        >>> encoder.encode(np.array([0, 1, 2, 0], np.int32), extra)
        >>> payload = encoder.finish()
        >>> len(payload)
        2
        >>> DenseDecoder(payload).decode(extra).tolist()
        [0, 1, 2, 0]
    """

    def __init__(self) -> None:
        """Start an empty payload."""
        self._coder = constriction.stream.queue.RangeEncoder()
        self._crc = 0

    def encode(self, symbols: NDArray[np.int32], extra: Extra) -> None:
        """Append symbols [n], each an index into its row of `extra`; the caller sees to that."""
        if len(symbols):
            self._coder.encode(symbols, _FAMILY, extra)
        self._crc = symbols_crc(symbols, self._crc)

    def finish(self) -> bytes:
        """The shortest bytes that decode to the symbols, then the low byte of their CRC-32."""
        return _shortest(*self._interval()) + bytes([self._crc & 0xFF])

    def _interval(self) -> tuple[int, int, int]:
        """Numbers [low, high) of so many bits that all decode to the symbols so far."""
        position, (lower, width) = self._coder.pos()
        bits = _WORD_BITS * position + _STATE_BITS
        words: NDArray[np.uint32] = self._coder.get_compressed()
        point = int.from_bytes(words.astype(">u4").tobytes(), "big")
        point <<= bits - _WORD_BITS * len(words)
        # The state has the interval's lower end without the words before it, which a carry may
        # still change; the coder's own choice lies in the interval and tells them.
        low = point - (point - lower) % (1 << _STATE_BITS)
        return low, low + width, bits


class DenseDecoder:
    """Gives back the symbols of a `DenseEncoder`, in the order in which they were encoded."""

    def __init__(self, payload: bytes) -> None:
        """Open a payload. Raises `CorruptFileError` if it has not even a digest."""
        if not payload:
            raise CorruptFileError("an entropy-coded chunk is empty")
        self._payload = payload
        data = payload[:-1]
        words = np.frombuffer(data + bytes(-len(data) % _WORD_BYTES), ">u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)
        self._again = DenseEncoder()

    def decode(self, extra: Extra) -> NDArray[np.int32]:
        """Decode one symbol for each row of `extra`: int32 [n].

        Raises:
            CorruptFileError: no encoder writes such a payload.
        """
        if not len(extra):
            return np.zeros(0, np.int32)
        try:
            symbols: NDArray[np.int32] = self._coder.decode(_FAMILY, extra)
        except AssertionError as error:
            raise CorruptFileError("entropy-coded data is damaged") from error
        self._again.encode(symbols, extra)
        return symbols

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


def _shortest(low: int, high: int, bits: int) -> bytes:
    """The shortest bytes that, with zero bits after them, are a number of `bits` in [low, high)."""
    for length in range(bits // 8):
        shift = bits - 8 * length
        number = -(-low >> shift)
        if number << shift < high:
            return number.to_bytes(length, "big")
    return low.to_bytes(bits // 8, "big")
