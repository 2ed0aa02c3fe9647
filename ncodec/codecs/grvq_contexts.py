"""How likely is each index? A small integer network that sees the codewords coded before it.

One hidden layer a codebook. Every number is a whole one, carried in a float64 that holds it
exactly, so that any order of summation, on any machine, gives the same probabilities. NumPy is
enough: cutting a file to a lower rate needs no torch.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncodec.entropy.exact import Floats, product
from ncodec.errors import ModelMismatchError

GROUPS = 2
LAGS = 2
"""Frames back that layer 0 sees."""
CODEBOOKS = 12
CODEWORDS = 1024
SIZE = 64
"""Dimensions of a codeword: those of its group's half of the latent."""
LATENT = GROUPS * SIZE
INPUTS = 3 * LATENT + SIZE
MAX_HIDDEN = 128
MAX_CODE = 127
MAX_SHIFT = 24
MAX_BIAS = 1 << 22
POWERS = 4096
PEAK = 1 << 18
"""Largest weight: a row's sum is then at most 2**28, as the range coder wants it."""
MISSING = -1
"""The index of a codebook that a frame does not have, or of a frame outside the chunk."""

Array = NDArray[Any]
Indices = NDArray[np.int16]
"""[T, 12]: codewords 0..1023, `MISSING` from the frame's count of codebooks on."""


class ContextModel:
    """The network with its weights, and the codewords that it sees; immutable.

    Attributes:
        codewords: [12, 1025, 64]; the last row, which index -1 reads, is 0.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        """Take the weights out of a weights file's arrays.

        Raises:
            ModelMismatchError: an array is missing or not what it must be.
        """
        codewords = _integers(
            arrays, "quantiser/codewords", np.int8, (CODEBOOKS, CODEWORDS, SIZE), MAX_CODE
        )
        hidden = int(getattr(arrays.get("entropy/first_bias"), "shape", (0, 0))[-1])
        if not 1 <= hidden <= MAX_HIDDEN:
            raise ModelMismatchError(f"weights entropy/first_bias: {hidden} hidden units")
        first = (CODEBOOKS, hidden, INPUTS)
        second = (CODEBOOKS, CODEWORDS, hidden)
        self.codewords = _with_missing(codewords)
        self._first = _layer(arrays, "entropy/first", first)
        weights, bias, scale = _layer(arrays, "entropy/second", second)
        extended = np.concatenate([weights, bias[:, None]], axis=1)
        self._second = extended * np.array(scale, np.float64)[:, None, None]
        powers = _integers(arrays, "entropy/exp2", np.int32, (POWERS,), PEAK)
        if powers.min() < 1:
            raise ModelMismatchError("weights entropy/exp2: a weight is below 1")
        self._powers = powers
        self._history, self._current = self._tables()

    def _tables(self) -> tuple[Floats, Floats]:
        """What layer 0 of earlier frames, and of this one, adds to hidden sums of layer 0.

        [2 frames, 2 groups, 1025, 2 hidden], for both codebooks side by side; and what codebook 0
        adds to those of codebook 1, [1025, hidden].
        """
        columns, words = np.concatenate(self._first[0][:GROUPS], axis=1), self.codewords[:GROUPS]
        earlier = columns[: LAGS * LATENT].reshape(LAGS, GROUPS, SIZE, -1)
        current = self._first[0][1][LAGS * LATENT : LAGS * LATENT + SIZE]
        return words[None] @ earlier, words[0] @ current

    def first_layer(self, before: Array) -> Floats:
        """Hidden sums [n, 2, hidden] of layer 0, without what `same_frame` adds.

        Args:
            before: [n, 2, 2], the indices of codebooks 0 and 1 two frames and one frame before.
        """
        sums = np.tile(self._first[1][:GROUPS].reshape(-1), (len(before), 1))
        for lag in range(LAGS):
            for group in range(GROUPS):
                sums += self._history[lag, group].take(before[:, lag, group], 0, mode="wrap")
        return sums.reshape(len(before), GROUPS, sums.shape[1] // GROUPS)

    def same_frame(self, indices: Array) -> Floats:
        """What indices [n] of codebook 0 add to hidden sums of codebook 1: [n, hidden]."""
        added: Floats = self._current.take(indices, axis=0, mode="wrap")
        return added

    def deeper_layer(self, codebook: int, totals: Floats, previous: Array) -> Floats:
        """Hidden sums [T, hidden] of a codebook of layer 1 and on.

        Args:
            codebook: 2..11.
            totals: [T, 128], the sums of the codewords of all codebooks before this one.
            previous: [T], indices of codebook - 2.
        """
        inputs = np.zeros((len(totals), INPUTS), np.float64)
        seen = totals.clip(-MAX_CODE, MAX_CODE)
        inputs[1:, :LATENT] = seen[:-1]
        inputs[:-1, LATENT : 2 * LATENT] = seen[1:]
        inputs[:, 2 * LATENT : 3 * LATENT] = seen
        inputs[:, 3 * LATENT :] = self.codewords[codebook - GROUPS].take(previous, 0, mode="wrap")
        weights, bias, _ = self._first
        sums = product(inputs, weights[codebook])
        sums += bias[codebook]
        return sums

    def weights(self, codebook: int, sums: Floats) -> NDArray[np.int32]:
        """How likely every codeword is after hidden sums [n, .]: [n, 1024], 1..2**18."""
        scaled = np.floor(sums * self._first[2][codebook])
        hidden = np.ones((len(sums), sums.shape[1] + 1), np.float64)
        np.clip(scaled, 0, MAX_CODE, out=hidden[:, :-1])
        outputs = product(hidden, self._second[codebook])
        np.subtract(outputs.max(axis=1, keepdims=True), outputs, out=outputs)
        # Rounds down, as a shift does: the weights are divided by a power of two already.
        weights: NDArray[np.int32] = self._powers.take(outputs.astype(np.intp), mode="clip")
        return weights

    def add(self, codebook: int, totals: Floats, indices: Array) -> None:
        """Add a codebook's codewords, of indices [T], to the sums [T, 128] in place."""
        start = codebook % GROUPS * SIZE
        words = self.codewords[codebook].take(indices, axis=0, mode="wrap")
        totals[:, start : start + SIZE] += words


def _layer(
    arrays: Mapping[str, Array], name: str, shape: tuple[int, int, int]
) -> tuple[Floats, Floats, list[np.float64]]:
    """Weights [12, inputs, outputs], biases [12, outputs], and what to multiply by for a shift."""
    weights = _integers(arrays, name, np.int8, shape, MAX_CODE)
    bias = _integers(arrays, f"{name}_bias", np.int32, shape[:2], MAX_BIAS)
    shift = _integers(arrays, f"{name}_shift", np.int32, shape[:1], MAX_SHIFT)
    if shift.min() < 0:
        raise ModelMismatchError(f"weights {name}_shift: a shift is negative")
    turned = np.ascontiguousarray(weights.transpose(0, 2, 1), np.float64)
    return turned, bias.astype(np.float64), list(np.float64(2.0) ** -shift.astype(np.float64))


def _integers(
    arrays: Mapping[str, Array],
    name: str,
    dtype: type[np.generic],
    shape: tuple[int, ...],
    largest: int,
) -> Array:
    """An array of a known type and shape with values within +-largest."""
    array = arrays.get(name)
    if array is None or array.dtype != dtype or array.shape != shape:
        found = "missing" if array is None else f"{array.dtype} {array.shape}"
        raise ModelMismatchError(f"weights {name}: {found}, expected {np.dtype(dtype)} {shape}")
    if np.abs(array.astype(np.int64)).max() > largest:
        raise ModelMismatchError(f"weights {name}: a value is beyond +-{largest}")
    return array


def _with_missing(codewords: NDArray[np.int8]) -> Floats:
    padded = np.zeros((CODEBOOKS, CODEWORDS + 1, SIZE), np.float64)
    padded[:, :-1] = codewords
    return padded
