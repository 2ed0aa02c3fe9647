"""The sound codec with the weights of the package: golden files, quality, concealment."""

import json

import numpy as np
import pytest

from ncodec.codecs.base import Target
from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.grvq_codes import CodeReader
from ncodec.codecs.grvq_layout import Plan
from ncodec.codecs.grvq_stream import StreamDecoder, StreamEncoder
from ncodec.container import Reader
from ncodec.evaluation.losses import burst_losses, received, without_chunks
from ncodec.media import load_audio
from tests.golden.sound_files import CASES, FOLDER, codes, codes_sha256, engine

from .arithmetic import arithmetic, said_elsewhere
from .sounds import Samples, samples, sound

HASHES: dict[str, str] = json.loads((FOLDER / "symbols.json").read_text())
PRINT_HASHES = """
from tests.golden.sound_files import FOLDER, codes_sha256, engine
for path in sorted(FOLDER.glob("*.ncd")):
    print(codes_sha256(engine(), path.read_bytes()))
"""
CODE_VALUE = 1 / 2**15


@pytest.fixture(scope="module")
def shipped() -> GrvqCodec:
    return engine()


def golden(name: str) -> bytes:
    return (FOLDER / f"{name}.ncd").read_bytes()


def test_every_golden_file_is_listed() -> None:
    assert {path.stem for path in FOLDER.glob("*.ncd")} == set(HASHES) == set(CASES)


@pytest.mark.parametrize("name", HASHES)
def test_codes_and_samples_are_those_of_the_past(shipped: GrvqCodec, name: str) -> None:
    assert codes_sha256(shipped, golden(name)) == HASHES[name]
    expected = load_audio(FOLDER / f"{name}.flac")
    found = shipped.decompress(Reader(golden(name)))
    assert found.sample_rate == expected.sample_rate
    difference = np.abs(found.array.clip(-1, 1) - expected.array).max()
    assert difference <= 1.6 * CODE_VALUE


@pytest.mark.parametrize("name", HASHES)
def test_the_same_codes_give_the_same_bytes(shipped: GrvqCodec, name: str) -> None:
    reader = Reader(golden(name))
    nominal = Plan.of(reader.sound).nominal
    for chunk, found in zip(reader.chunks, codes(shipped, golden(name)), strict=True):
        assert shipped.coder.encode(found, nominal) == reader.read(chunk)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("onednn", [True, False])
def test_threads_and_kernels_change_no_code(shipped: GrvqCodec, count: int, onednn: bool) -> None:
    with arithmetic(count, onednn):
        for name, digest in HASHES.items():
            assert codes_sha256(shipped, golden(name)) == digest
        found = shipped.decompress(Reader(golden("three-kbps"))).array
    expected = load_audio(FOLDER / "three-kbps.flac").array
    assert np.abs(found.clip(-1, 1) - expected).max() <= 1.6 * CODE_VALUE


def test_another_instruction_set_changes_no_code() -> None:
    assert said_elsewhere(PRINT_HASHES) == [HASHES[name] for name in sorted(HASHES)]


def spectral_distance(a: Samples, b: Samples) -> float:
    """Mean difference of log magnitudes over frames of 32 ms, in dB."""
    spectra = []
    for signal in (a, b):
        frames = np.lib.stride_tricks.sliding_window_view(signal[:, 0], 512)[::128]
        power = np.square(np.abs(np.fft.rfft(frames * np.hanning(512))))
        spectra.append(10 * np.log10(power[:, 4:200] + 1e-4))
    return float(np.abs(spectra[0] - spectra[1]).mean())


def test_more_bits_come_nearer_to_the_sound(shipped: GrvqCodec) -> None:
    source = sound(48_000)
    distances = []
    for kbps in (0.8, 1.5, 3, 6):
        data = shipped.compress(source, Target("kbps", kbps)).data
        distances.append(spectral_distance(shipped.decompress(Reader(data)).array, source.array))
    assert distances == sorted(distances, reverse=True)
    silence = spectral_distance(np.zeros_like(source.array), source.array)
    assert distances[-1] < 0.5 * silence


def test_indices_take_fewer_bits_than_fixed_widths(shipped: GrvqCodec) -> None:
    data = shipped.compress(sound(64_000), Target("kbps", 3)).data
    reader = CodeReader(shipped.coder, Reader(data))
    fixed = sum(10 * int(reader.read(i).counts.sum()) for i in range(len(reader)))
    assert 8 * len(data) < 0.95 * fixed


@pytest.mark.parametrize("index", [1, 2])
def test_what_conceals_a_lost_second_is_better_than_silence(shipped: GrvqCodec, index: int) -> None:
    data = shipped.compress(sound(64_000), Target("kbps", 3)).data
    whole = shipped.decompress(Reader(data)).array
    lost = np.arange(4) == index
    broken = shipped.decompress(Reader(without_chunks(data, lost)), partial=True)
    assert len(broken.lost) == 1
    start = round(16_000 * broken.lost[0].start)
    part = slice(start, start + 1600)
    silence = spectral_distance(np.zeros_like(whole[part]), whole[part])
    assert spectral_distance(broken.array[part], whole[part]) < 0.7 * silence


def test_what_conceals_lost_packets_is_better_than_silence(shipped: GrvqCodec) -> None:
    encoder, gain = StreamEncoder(shipped, kbps=3), 0
    stream = encoder.push(samples(80_000)[:, 0]) + encoder.finish()
    lost = burst_losses(127, 0.2, 1.5, seed=4)
    whole = StreamDecoder(shipped, gain).push(stream)
    decoder = StreamDecoder(shipped, gain)
    parts = [decoder.push(packet) for packet in received(stream, lost)]
    assert decoder.lost == lost.sum()
    concealed = np.concatenate(parts)
    muted = np.concatenate(
        [part * (not gone) for part, gone in zip(whole.reshape(-1, 640), lost, strict=True)]
    )
    whole, concealed, muted = whole[:, None], concealed[:, None], muted[:, None]
    assert spectral_distance(concealed, whole) < spectral_distance(muted, whole)
