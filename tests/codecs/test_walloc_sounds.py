"""The `walloc` codec with sounds: rates, lengths, channels, spans, damage."""

import numpy as np
import pytest
from numpy.typing import NDArray

import ncodec
from ncodec.api import Codec
from ncodec.codecs import registry, walloc_sound
from ncodec.codecs.base import Target
from ncodec.codecs.walloc_sound import WallocSounds
from ncodec.container import Reader
from ncodec.errors import BitstreamError, NcodecError, NcodecWarning, OptionError
from ncodec.media import Audio, LostSpan

from .sounds import CountingReader, LongSound, samples, sound

RATE = 44_100


def engine_of(codec: Codec) -> WallocSounds:
    row = codec.entry.rows[1]
    found = registry.load(row, row.weights[-1], "cpu")
    assert isinstance(found, WallocSounds)
    return found


def back(codec: Codec, blob: bytes) -> Audio:
    found = codec.decode(blob)
    assert isinstance(found, Audio)
    return found


def snr(source: NDArray[np.float32], made: NDArray[np.float32]) -> float:
    error = np.square(source - made).sum()
    return float(10 * np.log10(np.square(source).sum() / error))


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2), (48_000, 3)])
@pytest.mark.parametrize("count", [0, 1, 200, 8000, 70_001])
def test_any_rate_length_and_channels_come_back(
    walloc: Codec, rate: int, count: int, channels: int
) -> None:
    source = sound(count, channels, rate)
    found = back(walloc, walloc.encode(source, quality=40, verify=True))
    assert (found.array.shape, found.sample_rate) == ((count, channels), rate)


def test_more_quality_takes_more_bytes_and_is_nearer(walloc: Codec) -> None:
    source = sound(80_000, 2, RATE)
    blobs = [walloc.encode(source, quality=q) for q in (0, 30, 60, 100)]
    assert [len(blob) for blob in blobs] == sorted(len(blob) for blob in blobs)
    figures = [snr(source.array, back(walloc, blob).array) for blob in blobs]
    assert figures == sorted(figures)
    assert figures[-1] > 15


@pytest.mark.parametrize("gain", [0.01, 1.0, 30.0])
def test_the_level_is_restored(walloc: Codec, gain: float) -> None:
    array = samples(50_000, 2, RATE) * np.float32(gain)
    made = back(walloc, walloc.encode((array, RATE), quality=80)).array
    assert snr(array, made) > 12


def test_channels_that_are_alike_stay_so_and_cost_little(walloc: Codec) -> None:
    mono = samples(60_000, 1, RATE)
    one = walloc.encode((mono, RATE), quality=60)
    two = walloc.encode((np.repeat(mono, 2, axis=1), RATE), quality=60)
    assert abs(len(one) - len(two)) < 0.02 * len(one) + 4
    made = back(walloc, two).array
    assert np.abs(made[:, 0] - made[:, 1]).max() < 0.2 * np.abs(made).max()


def test_six_channels_keep_their_order(walloc: Codec) -> None:
    array = samples(40_000, 6, RATE)
    made = back(walloc, walloc.encode((array, RATE), quality=90)).array
    for channel in range(6):
        likeness = [np.corrcoef(array[:, channel], made[:, other])[0, 1] for other in range(6)]
        assert int(np.argmax(likeness)) == channel


def test_silence_stays_silent(walloc: Codec) -> None:
    blob = walloc.encode((np.zeros((RATE * 2, 2), np.float32), RATE), quality=50)
    assert np.abs(back(walloc, blob).array).max() < 1e-3


@pytest.mark.parametrize("share", [0.25, 0.6])
def test_kbps_and_size_are_ceilings_and_nearly_met(walloc: Codec, share: float) -> None:
    source = sound(2 * RATE, 2, RATE)
    low, high = (len(walloc.encode(source, quality=q)) for q in (0, 100))
    wanted = int(low + share * (high - low))
    assert 0.97 * wanted <= len(walloc.encode(source, size=wanted)) <= wanted
    kbps = 8 * wanted / 2000
    assert 0.97 * wanted <= len(walloc.encode(source, kbps=kbps)) <= wanted


def test_targets_out_of_range_are_said(walloc: Codec) -> None:
    source = sound(RATE, 2, RATE)
    with pytest.raises(OptionError, match="lowest"):
        walloc.encode(source, kbps=0.5)
    with pytest.warns(NcodecWarning, match="above the best"):
        walloc.encode(source, kbps=5000)
    with pytest.raises(OptionError, match="takes"):
        walloc.encode(source, bpp=1)


def test_a_span_is_that_part_of_the_whole(walloc: Codec) -> None:
    blob = walloc.encode(sound(5 * RATE + 777, 2, RATE), quality=50)
    whole = back(walloc, blob).array
    for start, stop in ((0.0, 0.5), (1.37, 2.0), (2.999, 3.001), (4.5, None)):
        part = walloc.decode(blob, span=(start, stop))
        first, last = round(start * RATE), len(whole) if stop is None else round(stop * RATE)
        np.testing.assert_allclose(part.array, whole[first:last], atol=2e-4)


def test_a_span_reads_the_seconds_around_it_only(walloc: Codec) -> None:
    reader = CountingReader(walloc.encode(sound(9 * RATE, 1, RATE), quality=20))
    engine_of(walloc).decompress(reader, span=(5.2, 5.4))
    assert set(reader.reads) <= {1, 2, 3, 4, 5, 6, 7, 8}
    assert max(reader.reads.values()) == 1


def test_seconds_are_joined_without_clicks(walloc: Codec) -> None:
    time = np.arange(6 * RATE) / RATE
    loud = np.where(np.floor(time) % 2, 1.0, 0.05)  # Neighbours get other rate steps.
    tone = (0.3 * np.sin(2 * np.pi * 220 * time) * loud).astype(np.float32)
    steady = (0.2 * np.sin(2 * np.pi * 330 * time)).astype(np.float32)
    array = np.stack([steady, steady + 0.3 * tone], axis=1)
    made = back(walloc, walloc.encode((array, RATE), quality=30)).array
    jumps = np.abs(np.diff(made - array, axis=0))[:, 0]
    borders = [second * RATE for second in range(1, 6)]
    near = max(jumps[at - 300 : at + 300].max() for at in borders)
    assert near < 2 * np.quantile(jumps, 0.999)


def test_damage_stays_near_its_second(walloc: Codec) -> None:
    blob = walloc.encode(sound(5 * RATE, 2, RATE), quality=50)
    whole, place = back(walloc, blob).array, Reader(blob).chunks[2].offset + 9
    broken = blob[:place] + bytes([blob[place] ^ 4]) + blob[place + 1 :]
    with pytest.raises(BitstreamError):
        walloc.decode(broken)
    found = walloc.decode(broken, partial=True)
    assert isinstance(found, Audio)
    assert found.lost == (LostSpan(2.0, 3.0),)
    np.testing.assert_array_equal(found.array[: int(1.9 * RATE)], whole[: int(1.9 * RATE)])
    np.testing.assert_array_equal(found.array[int(3.1 * RATE) :], whole[int(3.1 * RATE) :])


def test_no_changed_byte_does_harm(walloc: Codec) -> None:
    blob = walloc.encode(sound(30_000, 1, 22_050))
    random = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(blob)
        broken[random.integers(len(blob))] ^= 1 << random.integers(8)
        try:
            walloc.decode(bytes(broken))
        except NcodecError:
            continue


def test_a_long_sound_is_never_held(walloc: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walloc_sound, "PILOTS", 4)
    source = LongSound(12, 8000)
    encoded = engine_of(walloc).compress(source, Target("kbps", 45))
    info = ncodec.read_info(encoded.data)
    assert isinstance(info, ncodec.AudioInfo)
    assert info.kbps <= 45
    assert info.chunks == 12
    blocks = engine_of(walloc).decompress_blocks(Reader(encoded.data))
    assert max(len(block) for block in blocks) < 3 * 8000


def test_latents_have_a_row_for_each_pair(walloc: Codec) -> None:
    latent = walloc.latents(walloc.encode(sound(2 * RATE, 3, RATE)))
    assert latent.shape == (512, 2, -(-2 * RATE // 256))
    assert float(latent.abs().max()) > 0
