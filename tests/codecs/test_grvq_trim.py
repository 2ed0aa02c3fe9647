"""Cutting files of sounds to lower rates, without networks."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ncodec.codecs.base import Target
from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.grvq_codes import CodeReader
from ncodec.codecs.grvq_counts import VARIED
from ncodec.codecs.grvq_file import Writer
from ncodec.codecs.grvq_layout import Plan
from ncodec.codecs.grvq_trim import trim
from ncodec.container import Reader
from ncodec.errors import CorruptFileError, OptionError
from ncodec.media import Audio

from .sounds import samples, sound

TORCH_FREE = """
import sys
from ncodec.codecs.base import Target
from ncodec.codecs.grvq_trim import trim
from ncodec.codecs import registry
from ncodec.container import Reader
from pathlib import Path
registry.BUILT_IN["grvq"] = registry.CodecEntry("grvq", 2, "audio", "", (Path(sys.argv[1]),), "")
data = trim(Reader(Path(sys.argv[2]).read_bytes()), Target("kbps", 1.5))
assert Reader(data).size == len(data)
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def full(sounds: GrvqCodec) -> bytes:
    return sounds.compress(sound(50_000), Target("quality", 100)).data


@pytest.mark.parametrize("kbps", [0.9, 2.0, 4.0])
def test_trimmed_files_have_the_rate_and_the_first_codebooks(
    sounds: GrvqCodec, registered: None, full: bytes, kbps: float
) -> None:
    data = trim(Reader(full), Target("kbps", kbps))
    seconds = 50_000 / 16_000
    assert 0.98 * kbps <= len(data) / seconds / 125 <= kbps
    before, after = CodeReader(sounds.coder, Reader(full)), CodeReader(sounds.coder, Reader(data))
    for index in range(len(before)):
        old, new = before.read(index), after.read(index)
        assert (new.counts >= 1).all()
        used = np.arange(12) < new.counts[..., None]
        np.testing.assert_array_equal(old.indices[used], new.indices[used])
    assert sounds.decompress(Reader(data)).array.shape == (50_000, 1)


@pytest.mark.parametrize("count", [1, 5])
def test_a_steady_trim_is_the_encoding_of_so_many_codebooks(
    sounds: GrvqCodec, registered: None, full: bytes, count: int
) -> None:
    """Byte for byte what an encoder writes that knows only the file's first codebooks."""
    source = CodeReader(sounds.coder, Reader(full))
    codes = [source.read(index).limited(count) for index in range(len(source))]
    writer = Writer(sounds.coder, sounds.model_id, source.timing, 1)
    plan = replace(source.plan, nominal=count)
    direct = writer.file([writer.payload(chunk, count) for chunk in codes], plan)
    kbps = len(direct) / (50_000 / 16_000) / 125
    if count == 1:
        assert trim(Reader(full), Target("kbps", kbps)) == direct
        with pytest.raises(OptionError, match="below the lowest possible"):
            trim(Reader(full), Target("kbps", 0.98 * kbps))
    assert trim(Reader(direct), Target("kbps", 64)) == direct


def test_a_rate_that_the_file_has_already_changes_nothing(registered: None, full: bytes) -> None:
    assert trim(Reader(full), Target("kbps", 64)) == full


def test_trimming_twice_keeps_level_channels_and_silence(
    sounds: GrvqCodec, registered: None
) -> None:
    array = np.repeat(samples(60_000), 2, axis=1) * np.float32(0.01)
    array[20_000:40_000] = 0
    data = sounds.compress(Audio(array, 16_000), Target("quality", 60)).data
    for kbps in (3.0, 1.5):
        plan = Plan.of(Reader(data).sound)
        data = trim(Reader(data), Target("kbps", kbps))
        again = Plan.of(Reader(data).sound)
        assert (again.joint, again.gain_db) == (plan.joint, plan.gain_db)
        assert again.nominal in range(VARIED + 1)
        found = sounds.decompress(Reader(data)).array
        assert found.shape == array.shape
        assert not found[24_000:38_000].any()


def test_an_empty_sound_can_be_trimmed(sounds: GrvqCodec, registered: None) -> None:
    data = sounds.compress(sound(0), Target("quality", 50)).data
    assert sounds.decompress(Reader(trim(Reader(data), Target("kbps", 1.0)))).array.shape == (0, 1)


def test_damage_is_an_error(registered: None, full: bytes) -> None:
    changed = bytearray(full)
    changed[Reader(full).chunks[1].offset] ^= 1
    with pytest.raises(CorruptFileError):
        trim(Reader(bytes(changed)), Target("kbps", 1.0))


def test_trimming_needs_no_torch(sound_weights: Path, full: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sound.ncd"
    path.write_bytes(full)
    command = [sys.executable, "-c", TORCH_FREE, str(sound_weights), str(path)]
    subprocess.run(command, check=True)
