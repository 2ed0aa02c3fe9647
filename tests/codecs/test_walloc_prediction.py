"""Predictors of sounds' latents in files: sent along, taken back, damaged."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ncodec.api import Codec
from ncodec.codecs.walloc_prediction import PredictorCoder
from ncodec.entropy import Decoder, Encoder, Tables
from ncodec.errors import CorruptFileError, EntropyDesyncError, ModelMismatchError
from ncodec.models.prediction import PREDICTORS, Predictors
from ncodec.models.walloc_medium import SOUND

from .test_walloc_sounds import RATE, back, engine_of, snr

KINDS = (2, 4, 6)
ROWS = len(KINDS) * SOUND.seen_groups


def arrays(rows: int = ROWS, entries: int = PREDICTORS + 1) -> dict[str, NDArray[np.int32]]:
    counts = np.full((rows, entries), 2**24 // entries, np.int32)
    counts[:, 0] += 2**24 - counts.sum(1)
    tables = Tables(counts, np.zeros(rows, np.int32), np.full(rows, entries, np.int32))
    relief = np.arange(PREDICTORS, dtype=np.int32)
    return {"entropy/predictor/relief": relief, **tables.to_arrays("entropy/predictor")}


def coder() -> PredictorCoder:
    return PredictorCoder(arrays(), SOUND, Predictors())


@pytest.mark.parametrize("channels", [1, 8, 100, SOUND.seen])
def test_predictors_come_back(channels: int) -> None:
    encoder, table = Encoder(), coder()
    chosen = {kind: torch.randint(PREDICTORS, (channels,)) for kind in KINDS}
    for kind in KINDS:
        table.write(encoder, kind, chosen[kind])
    decoder = Decoder(encoder.finish())
    for kind in KINDS:
        assert torch.equal(table.read(decoder, kind, channels), chosen[kind])
    decoder.finish()


@pytest.mark.parametrize("wrong", [-1, PREDICTORS, 5000])
def test_one_that_there_is_not_is_damage(wrong: int) -> None:
    encoder, table = Encoder(), coder()
    encoder.encode(np.array([0, wrong]), table.rows(2, 2), table.tables)
    with pytest.raises(CorruptFileError, match="predictor"):
        table.read(Decoder(encoder.finish()), 2, 2)


@pytest.mark.parametrize("sizes", [(ROWS - 1, PREDICTORS + 1), (ROWS, PREDICTORS)])
def test_tables_of_other_sizes_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ModelMismatchError, match="tables entropy/predictor"):
        PredictorCoder(arrays(*sizes), SOUND, Predictors())


@pytest.mark.parametrize("level", [-1, 256])
def test_levels_out_of_range_are_refused(level: int) -> None:
    found = arrays()
    found["entropy/predictor/relief"][3] = level
    with pytest.raises(ModelMismatchError, match="level"):
        PredictorCoder(found, SOUND, Predictors())


def test_tones_take_fewer_bytes_for_it(walloc: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    time = np.arange(3 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * f * time) for f in (220.3, 447.1, 1303.7, 2911.9))
    array = (0.1 * np.repeat(tones[:, None], 2, 1)).astype(np.float32)
    blob = walloc.encode((array, RATE), quality=60)

    def nothing(
        _: PredictorCoder, kind: int, wanted: torch.Tensor, around: torch.Tensor
    ) -> torch.Tensor:
        return torch.zeros(wanted.shape[1], dtype=torch.int64)

    monkeypatch.setattr(PredictorCoder, "choose", nothing)
    without = walloc.encode((array, RATE), quality=60)
    assert len(blob) < 0.97 * len(without)
    assert snr(array, back(walloc, blob).array) > snr(array, back(walloc, without).array) - 1


def test_the_encoders_own_check_sees_other_predictors_and_noise(walloc: Codec) -> None:
    chunks = engine_of(walloc).chunks
    latent = 30 * torch.randn(1, SOUND.latents, 1, 60, generator=torch.Generator().manual_seed(0))
    payload, written = chunks.encode(latent, 400, 2)
    chunks.verify(payload, written, 60, 400, 2)
    other = chunks.encode(latent, 400, 2)[1]
    other.codings[0].chosen[6] = (other.codings[0].chosen[6] + 1) % PREDICTORS
    with pytest.raises(EntropyDesyncError, match="symbols"):
        chunks.verify(payload, other, 60, 400, 2)
    other = chunks.encode(latent, 400, 2)[1]
    other.levels[0, 0, 0] ^= 1
    with pytest.raises(EntropyDesyncError, match="noise"):
        chunks.verify(payload, other, 60, 400, 2)
