"""Noise that fills what `walloc` drops of sounds: levels in files, and what is heard of them."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import ncodec
from ncodec.api import Codec
from ncodec.codecs.walloc_chunks import ChunkCoder
from ncodec.codecs.walloc_coding import Coding
from ncodec.codecs.walloc_decoding import ChunkReader
from ncodec.codecs.walloc_noise import (
    BANDS,
    BLOCK,
    EDGES,
    GROUPS,
    NOISE_LEVELS,
    Levels,
    NoiseCoder,
    NoiseFill,
    block_count,
    filled,
    noise,
)
from ncodec.codecs.weights import Arrays, read_weights, unpack_module
from ncodec.container import Reader
from ncodec.entropy import Decoder, Encoder
from ncodec.errors import BitstreamError, CorruptFileError, ModelMismatchError
from ncodec.media import Audio, load_audio
from ncodec.models.walloc_medium import SOUND

from .pictures import picture
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
    levels = random.integers(0, NOISE_LEVELS, shape).astype(np.int32)
    encoder = Encoder()
    coder.levels.write(encoder, levels)
    decoder = Decoder(encoder.finish())
    found = coder.levels.read(decoder, channels, frames)
    decoder.finish()
    np.testing.assert_array_equal(found, levels)


@pytest.mark.parametrize("level", [-1, NOISE_LEVELS, 1 << 20])
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


def test_pictures_and_other_codecs_know_no_noise(walloc: Codec) -> None:
    speech = ncodec.encode(sound(16_000), codec="grvq", kbps=3)
    for blob in (speech, walloc.encode(picture(90, 60), quality=5)):
        both = [ncodec.decode(blob, fill=fill) for fill in (True, False)]
        np.testing.assert_array_equal(both[0].array, both[1].array)


def test_noise_is_white_and_no_two_chunks_have_the_same() -> None:
    made = torch.cat([noise(chunk, 2, 172) for chunk in range(20)], 2)
    assert abs(float(made.square().mean()) - 1) < 0.01
    lines = torch.fft.rfft2(made).abs().square() / (BANDS * made.shape[2])
    assert float(lines.max()) < 25  # Of 1.7 million, exponentially distributed.


def documented_noise(chunk: int, channels: int, channel: int, band: int, frame: int) -> float:
    x = (((chunk * channels + channel) * 256 + band) * 256 + frame) % (1 << 32)
    for _ in range(3):
        x ^= x >> 16
        x = x * 0x9E3779B1 % (1 << 32)
    x ^= x >> 16
    return (x - (1 << 32) if x >> 31 else x) * math.sqrt(3) / (1 << 31)


@pytest.mark.parametrize(("chunk", "channels"), [(0, 1), (7, 2), (40_000, 8), (65_535, 3)])
def test_noise_is_the_documented_one(chunk: int, channels: int) -> None:
    made = noise(chunk, channels, 174)
    for channel, band in ((0, 0), (0, 255), (channels - 1, 17), (channels - 1, 255)):
        wanted = [documented_noise(chunk, channels, channel, band, f) for f in range(174)]
        np.testing.assert_allclose(made[channel, band].numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 70, 173])
@torch.inference_mode()
def test_amplitudes_are_the_documented_ones(
    coder: ChunkCoder, walloc_weights: dict[str, Path], frames: int
) -> None:
    """Of three channels, one of them alone in its pair; levels and errors are any."""
    random, arrays = np.random.default_rng(frames), read_weights(walloc_weights["audio"])
    arrays["latent/error"] = random.uniform(0.01, 1, (64, 4)).astype(np.float32)
    fill = NoiseFill(coder.latents.model, arrays)
    gain = coder.latents.model.gain(torch.tensor([300 / 800]))
    made_up = torch.from_numpy(random.normal(0, 2, (2, SOUND.latents, 1, frames))).float()
    codings = coder.encode(made_up / gain, 300, 3)[1].codings
    expected = fill.expected(codings, frames, 300)
    levels = random.integers(0, 4, (3, GROUPS, block_count(frames))).astype(np.int32) * 6
    made = fill.amplitude(levels, expected)
    for channel, band, frame in random.integers(0, (3, BANDS, frames), (300, 3)):
        power = documented_power(
            codings[channel // 2], arrays, gain.flatten(), 256 * (channel % 2) + band, frame
        )
        wanted = math.sqrt(power + 1e-9)
        wanted *= documented_correction(levels[channel], band, frame, frames)
        assert math.isclose(expected[channel, band, frame], power, rel_tol=1e-4)
        assert math.isclose(made[channel, band, frame], wanted, rel_tol=1e-4)


def documented_power(coding: Coding, arrays: Arrays, gain: Tensor, band: int, frame: int) -> float:
    """The squared error to be expected of a band of a pair."""
    symbols, rows = (x[frame].tolist() for x in coding.in_reading_order())
    basis = unpack_module(arrays, "model/")["synthesis.linear.basis"][band]
    power = 0.0
    for m, (weight, divisor) in enumerate(zip(basis.tolist(), gain.tolist(), strict=True)):
        place = (rows[m], min(abs(symbols[m]), 3)) if m < len(rows) else (0, 0)
        power += weight**2 * float(arrays["latent/error"][place]) / divisor**2
    return power


def documented_correction(levels: Levels, band: int, frame: int, frames: int) -> float:
    """What levels [GROUPS, blocks] of a channel multiply the expected amplitude by."""
    count = -(-frames // 32)
    block = max(i for i in range(count) if i * frames // count <= frame)
    group = sum(band >= first for first in EDGES) - 1
    if not 0 <= group < GROUPS or not levels[group, block]:
        return 0
    groups = [(first + after - 1) / 2 for first, after in pairwise(EDGES)]
    blocks = [(i + 0.5) * frames / count - 0.5 for i in range(count)]
    there = [np.interp(band, groups, levels[:, i]) for i in range(count)]
    return 10 ** (3 * (float(np.interp(frame, blocks, there)) - 12) / 20)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_noise_is_added_as_documented(channels: int) -> None:
    """A last channel alone has the same noise in both of its pair."""
    generator = torch.Generator().manual_seed(0)
    pairs, frames = (channels + 1) // 2, 9
    bands = torch.randn(pairs, 2 * BANDS, 1, frames, generator=generator)
    amplitude = torch.rand(channels, BANDS, frames, generator=generator)
    amplitude[:, ::3] = 0
    made = filled(bands, amplitude, 5).reshape(2 * pairs, BANDS, frames)
    for place in np.ndindex(2 * pairs, 9, frames):
        channel = min(place[0], channels - 1)
        v = float(bands.reshape(made.shape)[place])
        a = float(amplitude[channel, place[1], place[2]])
        u = documented_noise(5, channels, channel, place[1], place[2])
        wanted = v + u * a * a / (2 * (a + abs(v))) if a else v
        assert math.isclose(float(made[place]), wanted, rel_tol=1e-5, abs_tol=1e-6)


def test_noise_spares_what_is_strong_already() -> None:
    bands = torch.zeros(1, 2 * BANDS, 1, 8)
    bands[:, :BANDS] = 100
    added = (filled(bands, torch.ones(2, BANDS, 8), 0) - bands).abs().reshape(2, -1).mean(1)
    assert added[0] < 0.05 * added[1]


def test_tables_that_do_not_fit_are_refused(coder: ChunkCoder) -> None:
    arrays = coder.levels.tables.to_arrays("entropy/fill")
    NoiseCoder(arrays)
    arrays["entropy/fill/low"] = arrays["entropy/fill/low"] + np.int32(1)
    with pytest.raises(ModelMismatchError, match="tables entropy/fill"):
        NoiseCoder(arrays)
