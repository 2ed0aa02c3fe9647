"""`Audio`, or blocks of samples -> ordinary sound files."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from ncodec.errors import OptionError, OutputError
from ncodec.media.audio import Audio, Samples
from ncodec.media.sound_io import Guarded, sound_errors

_CONTAINERS = {
    "wav": "WAV", "wave": "WAV", "flac": "FLAC", "ogg": "OGG", "oga": "OGG", "opus": "OGG",
    "mp3": "MP3", "aif": "AIFF", "aiff": "AIFF", "aifc": "AIFF", "au": "AU", "snd": "AU",
    "caf": "CAF", "w64": "W64", "rf64": "RF64",
}  # fmt: skip
_BITS = {
    "PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32,
    "ALAC_16": 16, "ALAC_20": 20, "ALAC_24": 24, "ALAC_32": 32,
}  # fmt: skip
_UNBOUNDED = ("FLOAT", "DOUBLE")
# Vorbis in libsndfile overflows the stack when it gets half a minute at once.
_FRAMES = 2**14
_MOST_BYTES = {"WAV": 2**32 - 2**16, "AIFF": 2**32 - 2**16}


def sound_format(target: str | Path | None, format: str | None = None) -> str:
    """Return the format as "WAV/PCM_16": `format` ("flac", "wav/24") or the suffix of `target`.

    After a slash may stand how samples are stored: bits (16, 24, 32) or a name of libsndfile's
    (float, vorbis, ...). Raises OptionError for an unknown name or a pair that can't be.
    """
    wanted = format if format is not None else (Path(target).suffix if target else "")
    if not wanted:
        raise OptionError(f"no format: name one, or give a file a suffix such as {_some()}")
    name, _, subtype = wanted.lower().removeprefix(".").partition("/")
    if name not in _CONTAINERS:
        raise OptionError(f"unknown sound format {wanted!r}; use {_some()}")
    container = _CONTAINERS[name]
    kind = _subtype(name, container, subtype)
    if not soundfile.check_format(container, kind):
        raise OptionError(f"{container} with {kind} can't be written here; use {_some()}")
    return f"{container}/{kind}"


def _some() -> str:
    return ".wav, .flac, .ogg, .opus, .mp3, .aiff, .au, .caf, .w64, .rf64"


def _subtype(name: str, container: str, wanted: str) -> str:
    if wanted:
        return f"PCM_{wanted}" if wanted.isdigit() else wanted.upper()
    return "OPUS" if name == "opus" else str(soundfile.default_subtype(container))


def save_audio(
    audio: Audio, target: str | Path | BinaryIO, format: str | None = None
) -> tuple[str, ...]:
    """Write a sound and its tags; the format comes from `format` or the suffix of `target`.

    Returns what could not be kept. Raises OptionError for an unknown format, OutputError for
    what can't be written.
    """
    path = Path(target) if isinstance(target, (str, Path)) else None
    kind = sound_format(path, format)
    if path is None:
        return _write(audio, _as_binary(target), kind)
    try:
        with path.open("wb") as stream:
            return _write(audio, stream, kind)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


def _as_binary(target: object) -> BinaryIO:
    if not hasattr(target, "write"):
        raise OptionError(f"a sound is saved to a path or binary file, not {type(target)}")
    return target  # type: ignore[return-value]


def _write(audio: Audio, stream: BinaryIO, kind: str) -> tuple[str, ...]:
    with SoundWriter(stream, kind, audio.sample_rate, audio.channels) as writer:
        writer.write(audio.array)
    tags = ", ".join(audio.metadata)
    return (*writer.warnings, *([f"tags are not written: {tags}"] if tags else []))


class SoundWriter:
    """Writes a sound block by block to a seekable binary file, as a context manager.

    `kind` is what `sound_format` returns. Samples beyond full scale are clipped, which
    `warnings` tells, unless the format stores floating point.
    """

    def __init__(self, file: BinaryIO, kind: str, sample_rate: int, channels: int) -> None:
        """Write the header. Raises OutputError if the format can't hold such a sound."""
        self._container, _, self._subtype = kind.partition("/")
        self._guarded = Guarded(file)
        self._failure = f"the sound can't be written as {kind}"
        self._clipped = self._samples = 0
        self._sample_bytes = channels * _BITS.get(self._subtype, 32) // 8
        with sound_errors(self._guarded, self._refusal(sample_rate, channels), OutputError):
            self._file = soundfile.SoundFile(
                self._guarded, "w", sample_rate, channels, self._subtype, format=self._container
            )

    def _refusal(self, sample_rate: int, channels: int) -> str:
        return f"{self._failure} with {channels} channels at {sample_rate} Hz"

    def write(self, block: Samples) -> None:
        """Append float32 [n, C]. Raises OutputError if it can't be written."""
        for start in range(0, len(block), _FRAMES):
            self._write(block[start : start + _FRAMES])

    def _write(self, block: Samples) -> None:
        self._samples += len(block)
        if self._samples * self._sample_bytes > _MOST_BYTES.get(self._container, 2**63):
            raise OutputError(f"{self._container} holds no more than 4 GiB; use .w64 or .flac")
        with sound_errors(self._guarded, self._failure, OutputError):
            self._file.write(self._stored(block))

    def _stored(self, block: Samples) -> Samples | NDArray[np.int32]:
        """The samples as libsndfile gets them: integers, where it would round in its own way."""
        if self._subtype in _UNBOUNDED:
            return block
        self._clipped += int(np.count_nonzero(np.abs(block) > 1))
        bits = _BITS.get(self._subtype)
        if bits is None:
            bounded: Samples = np.clip(block, -1, 1)
            return bounded
        scale = 2.0 ** (bits - 1)
        levels = np.clip(np.rint(block * np.float64(scale)), -scale, scale - 1)
        whole: NDArray[np.int32] = np.left_shift(levels.astype(np.int32), 32 - bits)
        return whole

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be kept so far."""
        if not self._clipped:
            return ()
        return (f"{self._clipped} samples beyond full scale were clipped",)

    def __enter__(self) -> SoundWriter:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file; what goes wrong then matters only if nothing did before."""
        if error is not None:
            self._file.close()
            return
        with sound_errors(self._guarded, self._failure, OutputError):
            self._file.close()
