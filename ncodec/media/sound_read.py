"""Ordinary sound files -> `Audio`, or blocks of samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from ncodec.container import MAGIC, Limits
from ncodec.errors import InputError
from ncodec.files import SOUNDS
from ncodec.media.audio import Audio, Samples, check_finite, check_sound
from ncodec.media.sound_io import Guarded, sound_errors
from ncodec.media.streams import Opens, name_of, open_stream

_BLOCK = 2**16
_SIGNATURES = (
    b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"ID3", b".snd", b"caff", b"NIST_1A",
    b"Creative Voice File",
)  # fmt: skip


def is_sound(stream: BinaryIO, name: str) -> bool:
    """Tell whether a seekable file is a sound, by its first bytes or else its name's suffix."""
    start = stream.read(32)
    stream.seek(0)
    return _looks_like_sound(start) or Path(name).suffix.lower() in SOUNDS


def _looks_like_sound(start: bytes) -> bool:
    if start[:4] == b"RIFF" and start[8:12] != b"WAVE":
        return False
    if start[:4] == b"FORM":
        return start[8:12] in (b"AIFF", b"AIFC", b"8SVX", b"16SV")
    frame = start[:1] == b"\xff" and start[1:2] > b"\xe1"  # An MPEG frame; JPEG has ff d8.
    return frame or start.startswith(_SIGNATURES)


def load_audio(source: Opens, limits: Limits | None = None) -> Audio:
    """Read a whole sound file: whatever libsndfile knows, at its own rate, as float32.

    Raises InputError for what can't be read as a sound, has more than 8 channels or samples that
    are not finite; LimitExceededError for a sound above `limits`.
    """
    with open_sound(source, limits) as sound:
        array = np.empty((sound.samples, sound.channels), np.float32)
        start = 0
        for block in sound.blocks(_BLOCK):
            array[start : start + len(block)] = block
            start += len(block)
        return Audio(array, sound.sample_rate, sound.metadata)


@contextmanager
def open_sound(source: Opens, limits: Limits | None = None) -> Iterator[SoundSource]:
    """Open a sound file to read it block by block. Raises what `load_audio` does."""
    limits = limits or Limits()
    name = name_of(source, "the sound")
    with open_stream(source, limits, name, "sound") as stream:
        yield SoundSource(stream, limits, name)


class SoundSource:
    """An open sound file: its numbers, its text tags, and its samples in blocks."""

    warnings: tuple[str, ...] = ()

    def __init__(self, stream: BinaryIO, limits: Limits, name: str) -> None:
        """Read the header of a seekable file."""
        self._stream, self._name = stream, name
        with self._opened() as (file, _):
            self.sample_rate, self.channels = int(file.samplerate), int(file.channels)
            self.samples = int(file.frames)
            self.metadata = {str(key): str(text) for key, text in file.copy_metadata().items()}
        check_sound(self.samples, self.channels, self.sample_rate, name, limits)

    @property
    def seconds(self) -> float:
        """How long the sound lasts."""
        return self.samples / self.sample_rate

    def stripped(self) -> SoundSource:
        """Return the source as one without tags."""
        self.metadata = {}
        return self

    def blocks(self, count: int) -> Iterator[Samples]:
        """All samples from the start, in arrays float32 [n, C] of `count` (the last: fewer).

        May be called again, but not while another call is still being read.
        """
        with self._opened() as (file, guarded):
            start = 0
            while start < self.samples:
                block = self._block(file, guarded, min(count, self.samples - start))
                check_finite(block, start, self._name)
                start += len(block)
                if not len(block):
                    raise InputError(
                        f"{self._name}: ends after {start} of {self.samples} samples; repair it"
                    )
                yield block

    def _block(self, file: soundfile.SoundFile, guarded: Guarded, count: int) -> Samples:
        with sound_errors(guarded, f"{self._name}: this sound can't be decoded", InputError):
            block: Samples = file.read(count, dtype="float32", always_2d=True)
        return block

    @contextmanager
    def _opened(self) -> Iterator[tuple[soundfile.SoundFile, Guarded]]:
        """The file from its start: opening anew is exact, seeking in some formats is not."""
        guarded = Guarded(self._stream)
        guarded.seek(0)
        start = guarded.read(32)
        guarded.seek(0)
        if not start or start.startswith(MAGIC):
            what = "is an ncodec file already; decode it first" if start else "is empty"
            raise InputError(f"{self._name}: {what}")
        with sound_errors(guarded, f"{self._name}: can't be read as a sound", InputError):
            file = soundfile.SoundFile(guarded)
        with file:
            yield file, guarded
