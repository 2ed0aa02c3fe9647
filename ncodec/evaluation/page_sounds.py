"""Sounds of a page: the original and what each codec makes of it, to hear and as spectrograms."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import soundfile
from numpy.typing import NDArray

from ncodec.errors import NcodecError
from ncodec.evaluation.listener import said_of
from ncodec.evaluation.page_match import changed, choose, measured_points, nearest, original
from ncodec.evaluation.page_media import Exhibit, Exhibition, Version
from ncodec.evaluation.page_pictures import webp
from ncodec.evaluation.results import Results
from ncodec.evaluation.sounds import fitted
from ncodec.evaluation.subjects import Subject
from ncodec.info import kbps_of
from ncodec.media import Audio

SHOWN = 2
LENGTHS = (6.0, 4.0, 3.0, 2.0, 1.0)
"""Seconds of the part that is kept, in the order in which they are tried; it lies in the middle."""
WINDOW, HOP = 512, 128
"""Samples of a spectrogram's window, and from one to the next."""
RANGE_DB = 80.0
_WIDTH, _HEIGHT, _GRADE = 720, 192, 85


@dataclass(frozen=True)
class _Take:
    """One version before it is packed."""

    label: str
    note: str
    sound: Audio


def exhibit(
    results: Results,
    folder: Path,
    names: Sequence[str],
    rate: float,
    open_subject: Callable[[str], Subject],
    budget: int,
) -> Exhibition:
    """Code the sounds `names` of `folder` (else two) again, near `rate` kbit/s.

    All data takes at most `budget` bytes, if a second of each sound does. What fails is named in
    `problems`, and the rest is there. `OptionError` for a name that the result does not have.
    """
    drafts: dict[str, list[_Take]] = {}
    problems: list[str] = []
    for name in choose(results.rows, "audio", names, SHOWN):
        try:
            sound = original(results, folder, name).media
            takes = [*_coded(results, name, sound, rate, open_subject, problems)]
            drafts[name] = [_Take("original", _rate(sound), sound), *takes]
        except NcodecError as error:
            problems.append(str(error))
    packed, seconds = _packed({n: takes for n, takes in drafts.items() if len(takes) > 1}, budget)
    note = _note(rate, seconds) if packed else "None of the sounds could be coded again."
    return Exhibition(packed, note, tuple(dict.fromkeys(problems)))


def _note(kbps: float, seconds: float) -> str:
    return (
        f"Each codec was run again at its rate nearest {kbps:g} kbit/s. Rates are those of whole "
        f"files; up to {seconds:g} seconds from the middle are kept, without loss in 16 bits. "
        "Spectrograms run from 0 Hz (bottom) to half the sampling rate, and "
        f"{RANGE_DB:g} dB down from the original's peak."
    )


def _rate(sound: Audio) -> str:
    return f"{sound.sample_rate / 1000:g} kHz, {sound.seconds:.1f} s"


def _coded(
    results: Results,
    name: str,
    sound: Audio,
    kbps: float,
    open_subject: Callable[[str], Subject],
    problems: list[str],
) -> Iterator[_Take]:
    """What each codec makes of a sound."""
    for codec, points in measured_points(results.rows, "audio", name).items():
        try:
            subject = open_subject(codec)
            data = subject.encode(sound, nearest(points, kbps)[0])
            decoded = fitted(subject.decode(data), sound)
            yield _Take(codec, f"{kbps_of(len(data), sound.seconds):.2f} kbit/s", decoded)
        except Exception as error:  # Other packages' codecs may raise anything.
            problems.append(f"{name}: {codec}: {said_of(error)}")
        else:
            problems += filter(None, [changed(results, subject)])


def _packed(
    drafts: Mapping[str, Sequence[_Take]], budget: int
) -> tuple[tuple[Exhibit, ...], float]:
    """The exhibits at the greatest length within the budget, and that length."""
    for seconds in LENGTHS:
        made = tuple(_exhibit(name, takes, seconds) for name, takes in drafts.items())
        if Exhibition(made).size <= budget:
            break
    return made, seconds


def _exhibit(name: str, takes: Sequence[_Take], seconds: float) -> Exhibit:
    parts = [_middle(take.sound, seconds) for take in takes]
    loudest = float(_levels(parts[0]).max()) or 1.0
    versions = (
        Version(
            take.label, take.note, _flac(part, take.sound.sample_rate), spectrogram(part, loudest)
        )
        for take, part in zip(takes, parts, strict=True)
    )
    return Exhibit(name, tuple(versions))


def _middle(sound: Audio, seconds: float) -> NDArray[np.float32]:
    """Samples of the part that is kept, [T, C]."""
    count = int(seconds * sound.sample_rate)
    start = max(0, len(sound.array) - count) // 2
    return sound.array[start : start + count]


def _flac(samples: NDArray[np.float32], rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _levels(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Magnitudes of the mean of the channels, [frequencies, times]."""
    mono = samples.mean(1, dtype=np.float64)
    mono = np.pad(mono, (WINDOW // 2, WINDOW // 2 + max(0, WINDOW - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(mono, WINDOW)[::HOP]
    return np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)).T


def spectrogram(samples: NDArray[np.float32], loudest: float) -> bytes:
    """A WebP picture of samples [T, C]: levels from `loudest` down, low frequencies below."""
    from matplotlib import colormaps

    levels = _levels(samples)[::-1] / loudest
    decibels = 20 * np.log10(np.maximum(levels, 1e-10))
    shades = colormaps["magma"](np.clip(1 + decibels / RANGE_DB, 0, 1), bytes=True)
    picture = PIL.Image.fromarray(np.ascontiguousarray(shades[..., :3]))
    size = (min(_WIDTH, picture.width), _HEIGHT)
    return webp(np.asarray(picture.resize(size, PIL.Image.Resampling.BOX)), _GRADE)
