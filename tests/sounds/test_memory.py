"""Long sounds take no more memory than short ones, both ways."""

import tracemalloc
from pathlib import Path

import ncodec
from ncodec.media import SoundWriter, open_sound
from tests.sounds.sounds import tone

MINUTES = 4


def test_long_files_are_coded_in_little_memory(tmp_path: Path) -> None:
    minute = tone(60 * 8_000, 8_000)
    with (
        (tmp_path / "a.wav").open("wb") as file,
        SoundWriter(file, "WAV/PCM_16", 8_000, 1) as writer,
    ):
        for _ in range(MINUTES):
            writer.write(minute)
    codec = ncodec.load_codec("mulaw", "cpu")
    tracemalloc.start()
    try:
        codec.encode_file(tmp_path / "a.wav", tmp_path / "a.ncd", quality=0)
        codec.decode_file(tmp_path / "a.ncd", tmp_path / "b.wav")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    array_bytes = 4 * MINUTES * len(minute)
    assert peak < array_bytes / 4
    with open_sound(tmp_path / "b.wav") as sound:
        assert sound.samples == MINUTES * len(minute)
