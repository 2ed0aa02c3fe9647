"""Training sounds: decoded once into memory at one rate and level, cut at random ever after."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from ncodec.errors import InputError
from ncodec.media import load_audio
from ncodec.media.level import LevelMeter

SUFFIXES = {".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
SHARES = {"speech": 0.75, "music": 0.15, "sound": 0.10}
"""How often a crop comes from each folder, for speech; what lies elsewhere counts as speech."""
SPEEDS = (0.88, 0.94, 1.06, 1.12)
"""Resampled variants: other pitches, other voices."""
PLAIN = 0.5
"""How often a crop is at its own speed."""
STEPS = 8191
"""int16 steps up to full scale: 12 dB to spare above it."""

Stored = NDArray[np.int16]


@dataclass(frozen=True)
class Shelf:
    """The sounds of one kind: variants of each, and the chance to be drawn."""

    sounds: list[list[Stored]]
    chances: NDArray[np.float64]


def _load(path: Path, rate: int, channels: int, speeds: tuple[float, ...]) -> list[Stored]:
    """The sound at its own speed, then at each of `speeds`: [N] if `channels` is 1, else [N, 2]."""
    audio = load_audio(path)
    plain = soxr.resample(_mixed(audio.array, channels), audio.sample_rate, rate)
    plain = plain * np.float32(10 ** (min(_gains(plain)) / 20))
    variants = [plain, *(soxr.resample(plain, speed, 1.0, "HQ") for speed in speeds)]
    return [(v * STEPS).clip(-32768, 32767).astype(np.int16) for v in variants]


def _mixed(samples: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """One channel [N], the mean of all, or the first two [N, 2]; a single one stands for both."""
    if channels == 1:
        mean: NDArray[np.float32] = samples.mean(1, dtype=np.float32)
        return mean
    return samples[:, :2] if samples.shape[1] > 1 else np.repeat(samples, 2, axis=1)


def _gains(samples: NDArray[np.float32]) -> list[int]:
    """What brings each channel to the common level, in dB."""
    gains = []
    for channel in samples.reshape(len(samples), -1).T:
        meter = LevelMeter()
        meter.add(channel)
        gains.append(meter.gain_db)
    return gains


class SoundCrops:
    """Random crops of all sounds below a folder, as samples of `rate`, mono or stereo.

    Speech, music and other sounds are drawn with fixed chances, within a kind by duration. All
    variants stay in memory as int16. `InputError` if there is no sound.
    """

    def __init__(
        self,
        folder: Path,
        rate: int,
        channels: int = 1,
        shares: Mapping[str, float] = SHARES,
        speeds: tuple[float, ...] = SPEEDS,
    ) -> None:
        self.speeds = speeds
        self.paths = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
        with ThreadPoolExecutor(2) as pool:
            load = partial(_load, rate=rate, channels=channels, speeds=speeds)
            loaded = list(pool.map(load, self.paths))
        kinds = [self._kind(path.relative_to(folder)) for path in self.paths]
        self.shelves, chances = [], []
        for kind, share in shares.items():
            sounds = [s for s, k in zip(loaded, kinds, strict=True) if k == kind and len(s[0])]
            if sounds:
                lengths = np.array([len(s[0]) for s in sounds], np.float64)
                self.shelves.append(Shelf(sounds, lengths / lengths.sum()))
                chances.append(share)
        if not self.shelves:
            raise InputError(f"{folder}: no sound files ({', '.join(sorted(SUFFIXES))})")
        self.chances = np.array(chances) / sum(chances)

    @staticmethod
    def _kind(path: Path) -> str:
        return path.parts[0] if path.parts[0] in SHARES else "speech"

    def plain(self) -> list[NDArray[np.float32]]:
        """All sounds at their own speed and at the common level."""
        return [_floats(sound[0]) for shelf in self.shelves for sound in shelf.sounds]

    def batch(self, count: int, size: int, random: np.random.Generator) -> NDArray[np.float32]:
        """`count` crops as float32 [B, size] or [B, size, 2]; silence lies around shorter ones."""
        shelves = random.choice(len(self.shelves), count, p=self.chances)
        return np.stack([self._crop(self.shelves[i], size, random) for i in shelves])

    def _crop(self, shelf: Shelf, size: int, random: np.random.Generator) -> NDArray[np.float32]:
        variants = shelf.sounds[random.choice(len(shelf.sounds), p=shelf.chances)]
        plain = not self.speeds or random.random() < PLAIN
        sound = variants[0 if plain else 1 + random.integers(len(self.speeds))]
        crop = np.zeros((size, *sound.shape[1:]), np.float32)
        place = int(random.integers(-max(0, size - len(sound)), max(0, len(sound) - size) + 1))
        piece = _floats(sound[max(0, place) : max(0, place) + size])
        crop[max(0, -place) : max(0, -place) + len(piece)] = piece
        return crop


def _floats(sound: Stored) -> NDArray[np.float32]:
    return sound.astype(np.float32) * np.float32(1 / STEPS)
