"""Noise that fills what `walloc` drops of sounds: levels in files, and what is heard of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import ncodec
from ncodec.api import Codec
from ncodec.codecs.walloc_chunks import ChunkCoder
from ncodec.codecs.walloc_decoding import ChunkReader
from ncodec.codecs.walloc_noise import (
    BANDS,
    BLOCK,
    GROUPS,
    LEVELS,
    Levels,
    NoiseCoder,
    block_count,
    filled,
    noise,
)
from ncodec.container import Reader
from ncodec.entropy import Decoder, Encoder
from ncodec.errors import BitstreamError, CorruptFileError, ModelMismatchError
from ncodec.media import Audio, load_audio
from ncodec.models.walloc_medium import SOUND

from .sounds import samples, sound
from .test_walloc_sounds import engine_of

RATE = 44_100


@pytest.fixture
def coder(walloc: Codec) -> ChunkCoder:
    return engine_of(walloc).chunks


def hissing(count: int, channels: int, seed: int = 0) -> NDArray[np.float32]:
    """Tones and, 30 dB below them, noise that no file of a low rate can hold."""
    random = np.random.default_rng(seed)
    hiss = random.normal(0, 0.005, (count, channels)).astype(np.float32)
    return samples(count, channels, RATE) + hiss


def decoded(codec: Codec, blob: bytes, *, fill: bool = True) -> NDArray[np.float32]:
    found = codec.decode(blob, fill=fill)
    assert isinstance(found, Audio)
    return found.array


def levels_of(codec: Codec, blob: bytes) -> list[Levels]:
    chunks = ChunkReader(engine_of(codec).chunks, Reader(blob))
    return [chunks.symbols(index).levels for index in range(len(chunks))]


def treble(array: NDArray[np.float32]) -> NDArray[np.float64]:
    """Power above 6 kHz of each channel."""
    spectrum = np.fft.rfft(array.astype(np.float64), axis=0)
    power: NDArray[np.float64] = np.square(np.abs(spectrum[6000 * len(array) // RATE :])).sum(0)
    return power


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("frames", [0, 1, 31, 33, 172])
def test_levels_come_back(coder: ChunkCoder, channels: int, frames: int) -> None:
    random = np.random.default_rng(frames)
    shape = channels, GROUPS, block_count(frames)
    levels = random.integers(0, LEVELS, shape).astype(np.int32)
    encoder = Encoder()
    coder.levels.write(encoder, levels)
    decoder = Decoder(encoder.finish())
    found = coder.levels.read(decoder, channels, frames)
    decoder.finish()
    np.testing.assert_array_equal(found, levels)


@pytest.mark.parametrize("level", [-1, LEVELS, 1 << 20])
def test_levels_that_no_encoder_writes_are_refused(coder: ChunkCoder, level: int) -> None:
    encoder = Encoder()
    coder.levels.write(encoder, np.full((1, GROUPS, 1), level, np.int32))
    with pytest.raises(CorruptFileError, match="level"):
        coder.levels.read(Decoder(encoder.finish()), 1, BLOCK)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_hiss_that_was_dropped_is_heard_again(walloc: Codec, channels: int) -> None:
    array = hissing(2 * RATE, channels)
    blob = walloc.encode((array, RATE), quality=5)
    dull, full = (treble(decoded(walloc, blob, fill=fill)) for fill in (False, True))
    assert (dull < 0.1 * treble(array)).all()
    assert (full > 2 * dull).all()
    assert (full < treble(array)).all()


def test_without_noise_the_waveform_is_nearer(walloc: Codec) -> None:
    array = hissing(RATE, 2)
    blob = walloc.encode((array, RATE), quality=5)
    bare, full = (decoded(walloc, blob, fill=fill) for fill in (False, True))
    assert np.square(bare - array).sum() < np.square(full - array).sum()


def test_no_noise_comes_out_of_silence(walloc: Codec) -> None:
    array = np.zeros((3 * RATE, 2), np.float32)
    array[: RATE // 2] = hissing(RATE // 2, 2)
    blob = walloc.encode((array, RATE), quality=10)
    assert not levels_of(walloc, blob)[2].any()
    bare, full = (decoded(walloc, blob, fill=fill) for fill in (False, True))
    np.testing.assert_array_equal(bare[2 * RATE :], full[2 * RATE :])


@pytest.mark.parametrize("channels", [2, 3])
def test_a_file_decodes_alike_each_time_whole_or_in_part(walloc: Codec, channels: int) -> None:
    blob = walloc.encode((hissing(4 * RATE + 321, channels), RATE), quality=10)
    whole = decoded(walloc, blob)
    np.testing.assert_array_equal(decoded(walloc, blob), whole)
    blocks = list(engine_of(walloc).decompress_blocks(Reader(blob)))
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    part = walloc.decode(blob, span=(1.5, 3.2))
    assert isinstance(part, Audio)
    np.testing.assert_allclose(part.array, whole[int(1.5 * RATE) : int(3.2 * RATE)], atol=1e-5)


def test_lost_seconds_have_no_noise(walloc: Codec) -> None:
    blob = walloc.encode((hissing(4 * RATE, 1), RATE), quality=10)
    place = Reader(blob).chunks[1].offset + 5
    broken = blob[:place] + bytes([blob[place] ^ 8]) + blob[place + 1 :]
    full, bare = (walloc.decode(broken, partial=True, fill=fill).array for fill in (True, False))
    alike = (full == bare).reshape(-1)
    assert alike[int(1.2 * RATE) : int(1.8 * RATE)].all()
    assert not alike[:RATE].all()


def test_changed_levels_are_seen(coder: ChunkCoder) -> None:
    """They are the end of a payload, but for bits that the coder no longer needs."""
    latent = torch.randn(1, SOUND.latents, 1, 172, generator=torch.Generator().manual_seed(0))
    latent /= coder.latents.model.gain(torch.tensor([0.1]))
    payload, _ = coder.encode(latent, 80, 2)
    levels, refused = coder.symbols(payload, 172, 80, 2).levels, 0
    assert levels.any()
    for place in range(1, 40):
        broken = bytearray(payload)
        broken[-place] ^= 8
        try:
            np.testing.assert_array_equal(coder.symbols(bytes(broken), 172, 80, 2).levels, levels)
        except BitstreamError:
            refused += 1
    assert refused > 30


def test_files_are_written_with_and_without_noise(walloc: Codec, tmp_path: Path) -> None:
    blob = walloc.encode((hissing(RATE, 1), RATE), quality=5)
    (tmp_path / "a.ncd").write_bytes(blob)
    found = {}
    for fill in (True, False):
        target = tmp_path / f"{fill}.wav"
        walloc.decode_file(tmp_path / "a.ncd", target, fill=fill)
        found[fill] = treble(load_audio(target).array)
    assert found[True] > 2 * found[False]


def test_pictures_and_other_codecs_know_no_noise() -> None:
    speech = ncodec.encode(sound(16_000), codec="grvq", kbps=3)
    both = [ncodec.decode(speech, fill=fill) for fill in (True, False)]
    np.testing.assert_array_equal(both[0].array, both[1].array)


def test_noise_is_white_and_no_two_chunks_have_the_same() -> None:
    made = torch.cat([noise(chunk, 2, 172) for chunk in range(20)], 2)
    assert abs(float(made.square().mean()) - 1) < 0.01
    lines = torch.fft.rfft2(made).abs().square() / (BANDS * made.shape[2])
    assert float(lines.max()) < 25  # Of 1.7 million, exponentially distributed.


def test_noise_spares_what_is_strong_already() -> None:
    bands = torch.zeros(1, 2 * BANDS, 1, 8)
    bands[:, :BANDS] = 100
    added = (filled(bands, torch.ones(2, BANDS, 8), 0) - bands).abs().reshape(2, -1).mean(1)
    assert added[0] < 0.05 * added[1]


def test_tables_that_do_not_fit_are_refused(coder: ChunkCoder) -> None:
    arrays = coder.levels.tables.to_arrays("entropy/fill")
    NoiseCoder(arrays)
    arrays["entropy/fill/low"] = arrays["entropy/fill/low"] + np.int32(1)
    with pytest.raises(ModelMismatchError, match="noise"):
        NoiseCoder(arrays)
