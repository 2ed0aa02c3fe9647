"""How many codebooks each frame has, to symbols of the range coder and back."""

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.grvq_contexts import CODEBOOKS
from ncodec.entropy.dense import DenseDecoder, DenseEncoder

VARIED = CODEBOOKS + 1
"""The nominal count of a file whose frames differ; 0..12 say how many all frames have."""
ANY = VARIED + 1
"""The nominal count of streams: anything is as likely as anything else."""
SILENT = 0
"""The count of a frame that is digital silence."""
NOMINAL_WEIGHT = 195
"""A chunk is as the header says with a probability of 15/16."""
STEP_WEIGHTS = (96, 12, 4, 2)
"""How likely a count is by its distance from the one before; the last stands for all larger."""

Counts = NDArray[np.uint8]
_LAST = len(STEP_WEIGHTS) - 1


def _step_table() -> NDArray[np.int32]:
    values = np.arange(CODEBOOKS + 1)
    distance = np.abs(values[:, None] - values).clip(max=_LAST)
    table: NDArray[np.int32] = np.array(STEP_WEIGHTS, np.int32)[distance]
    return table


_STEPS = _step_table()


def _first() -> NDArray[np.int32]:
    return np.ones((1, CODEBOOKS + 1), np.int32)


def _modes(nominal: int) -> NDArray[np.int32]:
    weights = np.ones((1, VARIED + 1), np.int32)
    if nominal != ANY:
        weights[0, nominal] = NOMINAL_WEIGHT
    return weights


def encode_counts(encoder: DenseEncoder, counts: Counts, nominal: int) -> None:
    """Append the counts [T] of a channel; `nominal` is what the header says, or `ANY`."""
    if not len(counts):
        return
    steady = bool((counts == counts[0]).all())
    mode = int(counts[0]) if steady else VARIED
    encoder.encode(np.array([mode], np.int32), _modes(nominal))
    if not steady:
        encoder.encode(counts[:1].astype(np.int32), _first())
        encoder.encode(counts[1:].astype(np.int32), _STEPS[counts[:-1]])


def decode_counts(decoder: DenseDecoder, frames: int, nominal: int) -> Counts:
    """The counts [frames] of a channel. Raises `CorruptFileError`."""
    counts = np.zeros(frames, np.uint8)
    if not frames:
        return counts
    mode = int(decoder.decode(_modes(nominal))[0])
    if mode != VARIED:
        counts[:] = mode
        return counts
    last = int(decoder.decode(_first())[0])
    for frame in range(frames):
        if frame:
            last = int(decoder.decode(_STEPS[[last]])[0])
        counts[frame] = last
    return counts


def step_bits() -> NDArray[np.float64]:
    """Bits that a count costs after another: [before, count]."""
    bits: NDArray[np.float64] = np.log2(_STEPS.sum(axis=1, keepdims=True) / _STEPS)
    return bits
