"""The sound codec with untrained networks: whatever the sound, its form comes back."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ncodec.codecs.base import Target
from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.grvq_contexts import CODEBOOKS
from ncodec.codecs.grvq_layout import Plan, Timing
from ncodec.container import Reader
from ncodec.errors import InputError, OptionError
from ncodec.media import Audio

from .sounds import CountingReader, LongSound, Samples, samples, sound

QUALITY = Target("quality", 30)


def coded(codec: GrvqCodec, audio: Audio, target: Target = QUALITY) -> bytes:
    return codec.compress(audio, target, verify=True).data


@pytest.mark.parametrize(
    ("count", "channels", "rate"),
    [
        (0, 1, 16_000),
        (0, 2, 44_100),
        (1, 1, 16_000),
        (1, 8, 8000),
        (319, 1, 16_000),
        (16_000, 1, 16_000),
        (16_001, 2, 16_000),
        (9001, 1, 8000),
        (50_001, 2, 44_100),
        (100_003, 3, 96_000),
        (5, 1, 1),
        (700, 1, 333),
        (800_000, 1, 768_000),
        (12_345, 8, 11_025),
    ],
)
def test_length_rate_and_channels_come_back(
    sounds: GrvqCodec, count: int, channels: int, rate: int
) -> None:
    data = coded(sounds, sound(count, channels, rate))
    found = sounds.decompress(Reader(data))
    assert found.array.shape == (count, channels)
    assert found.array.dtype == np.float32
    assert found.sample_rate == rate
    assert found.lost == ()
    assert np.isfinite(found.array).all()
    sounds.check(Reader(data))


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("scale", [1e-6, 0.1, 50.0, 1e30])
def test_any_level_can_be_coded(sounds: GrvqCodec, channels: int, scale: float) -> None:
    loud = Audio(samples(8000, channels) * np.float32(scale), 16_000)
    found = sounds.decompress(Reader(coded(sounds, loud)))
    assert np.isfinite(found.array).all()


def test_odd_sounds_can_be_coded(sounds: GrvqCodec) -> None:
    square = np.sign(samples(9000)).astype(np.float32)
    steady = np.full((9000, 2), 0.7, np.float32)
    click = np.zeros((9000, 1), np.float32)
    click[4500] = 1
    for array in (square, steady, click, np.full((640, 1), 3e38, np.float32)):
        audio = Audio(array, 16_000)
        assert sounds.decompress(Reader(coded(sounds, audio))).array.shape == array.shape


def test_the_level_of_the_sound_changes_nothing_but_the_gain(sounds: GrvqCodec) -> None:
    """A factor of 10 dB exactly: the same codes, and samples that differ by that factor."""
    plain, quiet = sound(20_000), samples(20_000) * np.float32(10**-0.5)
    first, second = coded(sounds, plain), coded(sounds, Audio(quiet, 16_000))
    gains = [Plan.of(Reader(data).sound).gain_db for data in (first, second)]
    assert gains[1] - gains[0] == 10
    a, b = (sounds.decompress(Reader(data)).array for data in (first, second))
    np.testing.assert_allclose(b * 10**0.5, a, atol=0.05 * np.abs(a).max())


def test_the_same_sound_gives_the_same_bytes(sounds: GrvqCodec) -> None:
    assert coded(sounds, sound(40_000, 2)) == coded(sounds, sound(40_000, 2))


class Pieces:
    """A sound that comes in pieces of any size."""

    def __init__(self, audio: Audio) -> None:
        self.sample_rate, self.channels, self.samples = (
            audio.sample_rate,
            audio.channels,
            audio.samples,
        )
        self._audio = audio

    def blocks(self, count: int) -> Iterator[Samples]:
        start, size = 0, 1
        while start < self.samples:
            yield self._audio.array[start : start + size]
            start, size = start + size, size * 7 % 9973 + 1


@pytest.mark.parametrize(("channels", "rate"), [(1, 16_000), (2, 44_100)])
def test_pieces_of_any_size_give_the_same_bytes(
    sounds: GrvqCodec, channels: int, rate: int
) -> None:
    audio = sound(2 * rate + 17, channels, rate)
    assert sounds.compress(Pieces(audio), QUALITY).data == coded(sounds, audio)


def test_silence_costs_four_bytes_a_second_and_stays_silent(sounds: GrvqCodec) -> None:
    random = np.random.default_rng(0)
    dither = random.integers(-1, 2, (48_000, 2)).astype(np.float32) / 2**15
    for array in (np.zeros((48_000, 1), np.float32), dither):
        data = coded(sounds, Audio(array, 16_000), Target("quality", 100))
        assert len(data) <= 20 + 3 * 5
        assert not sounds.decompress(Reader(data)).array.any()


def test_sound_between_silence_is_cut_out_cleanly(sounds: GrvqCodec) -> None:
    array = np.zeros((64_000, 1), np.float32)
    array[24_000:40_000] = samples(16_000)
    found = sounds.decompress(Reader(coded(sounds, Audio(array, 16_000)))).array
    assert not found[2000:23_000].any()
    assert not found[42_000:].any()
    assert found[25_000:39_000].any(axis=1).all()


@pytest.mark.parametrize("kbps", [0.9, 3.0, 4.5])
def test_kbps_is_a_ceiling_that_is_nearly_reached(sounds: GrvqCodec, kbps: float) -> None:
    result = sounds.compress(sound(48_000), Target("kbps", kbps))
    assert 0.98 * kbps <= len(result.data) / 3 / 125 <= kbps
    assert result.warnings == ()
    assert 0 <= result.quality <= 100


def test_size_is_a_ceiling_that_is_nearly_reached(sounds: GrvqCodec) -> None:
    for size in (400, 1500):
        data = coded(sounds, sound(60_000, 1, 22_050), Target("size", size))
        assert 0.98 * size <= len(data) <= size


def test_a_ceiling_below_the_lowest_names_it(sounds: GrvqCodec) -> None:
    smallest = len(coded(sounds, sound(32_000), Target("quality", 0)))
    with pytest.raises(OptionError, match=r"kbps 0\.1 is below the lowest possible") as error:
        coded(sounds, sound(32_000), Target("kbps", 0.1))
    named = float(str(error.value).split()[-1])
    assert named == pytest.approx(smallest / 2 / 125, rel=0.02)
    with pytest.raises(OptionError, match="size 20 is below the lowest possible, size"):
        coded(sounds, sound(32_000), Target("size", 20))
    assert len(coded(sounds, sound(32_000), Target("kbps", named * 1.01))) <= named * 1.01 * 250


def test_a_ceiling_above_the_best_is_a_warning(sounds: GrvqCodec) -> None:
    result = sounds.compress(sound(32_000), Target("kbps", 64))
    (warning,) = result.warnings
    assert "kbps 64 is above the best possible, kbps" in warning
    assert result.quality == 100
    assert result.data == coded(sounds, sound(32_000), Target("quality", 100))


def test_more_quality_takes_more_bytes(sounds: GrvqCodec) -> None:
    sizes = [len(coded(sounds, sound(16_000), Target("quality", q))) for q in (0, 30, 60, 100)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 4 * sizes[0]


def test_what_is_not_indices_takes_less_than_six_bytes_a_second(sounds: GrvqCodec) -> None:
    reader = Reader(coded(sounds, sound(16_000 * 5), Target("quality", 100)))
    timing, chunks = Timing.of(reader)
    spent = float(reader.size - 20)
    for index, chunk in enumerate(chunks):
        frames = timing.chunk_frames(index)
        codes = sounds.coder.decode(reader.read(chunk), 1, frames, CODEBOOKS)
        spent -= float(sounds.coder.prices(codes).sum()) / 8
    assert spent / len(chunks) < 6


def test_two_channels_that_are_nearly_one_are_coded_jointly(sounds: GrvqCodec) -> None:
    mono = samples(32_000)
    double = np.repeat(mono, 2, axis=1)
    data = coded(sounds, Audio(double, 16_000), Target("quality", 100))
    assert Plan.of(Reader(data).sound).joint
    single = coded(sounds, Audio(mono, 16_000), Target("quality", 100))
    assert len(data) < len(single) + 20
    found = sounds.decompress(Reader(data)).array
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    other = Audio(np.concatenate([mono, samples(32_000, seed=3)], axis=1), 16_000)
    assert not Plan.of(Reader(coded(sounds, other)).sound).joint


def test_a_sound_with_nan_cannot_be_made(sounds: GrvqCodec) -> None:
    array = samples(2000)
    array[7] = np.nan
    with pytest.raises(InputError, match="sample 7"):
        Audio(array, 16_000)


def test_a_sound_of_more_seconds_than_chunks_is_refused(sounds: GrvqCodec) -> None:
    with pytest.raises(InputError, match="65537 seconds"):
        sounds.compress(Audio(np.zeros((65_537, 1), np.float32), 1), QUALITY)


def test_sounds_pass_through_block_by_block(sounds: GrvqCodec) -> None:
    """However long it is: no second is read before the one before it is done."""
    source = LongSound(8)
    done: list[int] = []
    data = sounds.compress(
        source, Target("quality", 0), progress=lambda n, _: done.append(source.given - 8 - n)
    ).data
    assert max(done) <= 1
    reader = CountingReader(data)
    for number, block in enumerate(sounds.decompress_blocks(reader), 1):
        assert sum(reader.reads.values()) == number
        assert len(block) <= 17_280
    assert set(reader.reads.values()) == {1}


def test_progress_counts_chunks(sounds: GrvqCodec) -> None:
    seen: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    data = sounds.compress(sound(40_000), QUALITY, progress=note).data
    assert seen == [(1, 3), (2, 3), (3, 3)]
    seen.clear()
    sounds.decompress(Reader(data), progress=note)
    sounds.check(Reader(data), progress=note)
    assert seen == [(1, 3), (2, 3), (3, 3)] * 2


def test_the_codec_says_which_weights_it_has(sounds: GrvqCodec, sound_weights: Path) -> None:
    assert Reader(coded(sounds, sound(100))).header.model_id == sounds.model_id
    assert GrvqCodec(sound_weights).model_id == sounds.model_id
