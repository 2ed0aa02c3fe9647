"""Training sounds: decoded once into memory at one rate and level, cut at random ever after."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from ncodec.errors import InputError
from ncodec.media import load_audio
from ncodec.media.level import LevelMeter

SUFFIXES = {".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
SHARES = {"speech": 0.75, "music": 0.15, "sound": 0.10}
"""How often a crop comes from each folder; sounds that lie elsewhere count as speech."""
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


def _load(path: Path, rate: int) -> list[Stored]:
    """The sound at its own speed, then at each of SPEEDS."""
    audio = load_audio(path)
    mono = audio.array.mean(1, dtype=np.float32)
    plain = soxr.resample(mono, audio.sample_rate, rate)
    meter = LevelMeter()
    meter.add(plain)
    plain = plain * np.float32(10 ** (meter.gain_db / 20))
    variants = [plain, *(soxr.resample(plain, speed, 1.0, "HQ") for speed in SPEEDS)]
    return [(v * STEPS).clip(-32768, 32767).astype(np.int16) for v in variants]


class SoundCrops:
    """Random crops of all sounds below a folder, as mono samples of `rate`.

    Speech, music and other sounds are drawn with fixed chances, within a kind by duration. All
    variants stay in memory as int16. `InputError` if there is no sound.
    """

    def __init__(self, folder: Path, rate: int) -> None:
        self.paths = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
        with ThreadPoolExecutor(2) as pool:
            loaded = list(pool.map(lambda path: _load(path, rate), self.paths))
        kinds = [self._kind(path.relative_to(folder)) for path in self.paths]
        self.shelves, chances = [], []
        for kind, share in SHARES.items():
            sounds = [s for s, k in zip(loaded, kinds, strict=True) if k == kind and s[0].size]
            if sounds:
                lengths = np.array([s[0].size for s in sounds], np.float64)
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
        """`count` crops as float32 [B, size]; what is shorter has silence around it."""
        shelves = random.choice(len(self.shelves), count, p=self.chances)
        return np.stack([self._crop(self.shelves[i], size, random) for i in shelves])

    def _crop(self, shelf: Shelf, size: int, random: np.random.Generator) -> NDArray[np.float32]:
        variants = shelf.sounds[random.choice(len(shelf.sounds), p=shelf.chances)]
        plain = random.random() < PLAIN
        sound = variants[0 if plain else 1 + random.integers(len(SPEEDS))]
        crop = np.zeros(size, np.float32)
        place = int(random.integers(-max(0, size - sound.size), max(0, sound.size - size) + 1))
        piece = _floats(sound[max(0, place) : max(0, place) + size])
        crop[max(0, -place) : max(0, -place) + piece.size] = piece
        return crop


def _floats(sound: Stored) -> NDArray[np.float32]:
    return sound.astype(np.float32) * np.float32(1 / STEPS)
