"""Cutting a sound's file to a lower rate: tables only, no networks and no torch."""

import numpy as np

from ncodec.codecs.base import Target
from ncodec.codecs.grvq_codes import CodeReader
from ncodec.codecs.grvq_contexts import CODEBOOKS, ContextModel
from ncodec.codecs.grvq_file import CeilingSearch, Writer
from ncodec.codecs.grvq_frames import Analysed, Frames, energies
from ncodec.codecs.grvq_indices import Codes, IndexCoder
from ncodec.codecs.grvq_layout import MEANING, Single
from ncodec.codecs.grvq_quantiser import only
from ncodec.codecs.registry import entry_of, weights_for
from ncodec.codecs.weights import read_verified
from ncodec.container import Reader
from ncodec.entropy.exact import Floats


def trim(reader: Reader, target: Target) -> bytes:
    """The bytes of a file below a ceiling with the first codebooks of each frame.

    Which frames keep more is decided as in encoding, by the lengths of the codewords that would
    go. Raises `BitstreamError`s, and `OptionError` if no file is that small.
    """
    header = reader.header
    arrays, _ = read_verified(weights_for(entry_of(header), header.model_id), MEANING)
    contexts = ContextModel(arrays)
    coder = IndexCoder(contexts)
    source = CodeReader(coder, reader)
    frames = Frames()
    lengths = energies(contexts)
    for index in range(len(source)):
        codes = source.read(index)
        frames.add(Analysed(only(codes.indices), codes.counts, _errors(codes, lengths)))
    writer = Writer(coder, header.model_id, source.timing, source.media.channels)
    return CeilingSearch(writer, frames, source.plan).fit(target).data


def _errors(codes: Codes, lengths: Floats) -> Single:
    """What is missing of a frame with fewer codebooks than it has: [C, T, 13], 0 with all."""
    errors = np.zeros((*codes.counts.shape, CODEBOOKS + 1), np.float32)
    for codebook in range(CODEBOOKS - 1, -1, -1):
        there = codes.counts > codebook
        gain = np.where(there, lengths[codebook].take(codes.indices[..., codebook], mode="wrap"), 0)
        errors[..., codebook] = errors[..., codebook + 1] + gain
    return errors
