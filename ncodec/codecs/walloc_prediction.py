"""Which predictors a sound's latents have: chosen, sent along and taken back (`walloc`)."""

from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.walloc_scales import LEVEL_BOUND
from ncodec.codecs.weights import Arrays, array, plain_tables
from ncodec.entropy import Decoder, Encoder
from ncodec.entropy.tables import PRECISION
from ncodec.errors import CorruptFileError, ModelMismatchError
from ncodec.models.prediction import PREDICTORS, Predictors
from ncodec.models.walloc_medium import Medium, used_kinds


class PredictorCoder:
    """Tables and levels of predictors, by kind of pass and group of channels.

    Attributes:
        tables: a row for each group of each kind but the first.
        relief: levels float32 [32] by which scale networks know what each predictor leaves.
        codebook: the predictors, on the processor.
    """

    def __init__(self, arrays: Arrays, medium: Medium, codebook: Predictors) -> None:
        """Take `entropy/predictor/...` from a weights file; raises `ModelMismatchError`."""
        kinds, groups = used_kinds(medium)[1:], medium.seen_groups
        rows = len(kinds) * groups
        self.tables = plain_tables(arrays, "entropy/predictor", rows, PREDICTORS)
        relief = array(arrays, "entropy/predictor/relief", np.int32, (PREDICTORS,))
        if relief.min() < 0 or relief.max() > LEVEL_BOUND:
            raise ModelMismatchError("weights: a predictor's level is out of range")
        group = np.repeat(np.arange(groups), np.diff((0, *medium.groups[:groups])))
        self._rows = {k: (n * groups + group).astype(np.uint8) for n, k in enumerate(kinds)}
        self.relief = torch.from_numpy(relief.astype(np.float32))
        self.codebook = deepcopy(codebook).to("cpu")
        bits = PRECISION - np.log2(self.tables.counts[:, :PREDICTORS])
        self._price = torch.from_numpy(bits.astype(np.float32))

    def rows(self, kind: int, channels: int) -> NDArray[np.uint8]:
        """Table rows of a kind of pass, of the first `channels`, as far as they are seen."""
        return self._rows[kind][:channels]

    def choose(self, kind: int, wanted: Tensor, around: Tensor) -> Tensor:
        """Predictors [K] for latents [n, K] in quantiser steps, from those around [n, 4, K]."""
        price = self._price[torch.from_numpy(self.rows(kind, wanted.shape[1])).long()]
        return self.codebook.choose(wanted[None], around[None], price)[0]

    def write(self, encoder: Encoder, kind: int, chosen: Tensor) -> None:
        """Append the predictors [K] of a pass."""
        encoder.encode(chosen.to(torch.int32).numpy(), self.rows(kind, len(chosen)), self.tables)

    def read(self, decoder: Decoder, kind: int, channels: int) -> Tensor:
        """Undo `write`, for as many channels as are seen. Raises `CorruptFileError`."""
        found = decoder.decode(self.rows(kind, channels), self.tables)
        if found.size and (found.min() < 0 or found.max() >= PREDICTORS):
            raise CorruptFileError("a predictor that the codebook lacks")
        return torch.from_numpy(found).long()
