"""Folders of pictures and sounds, and two small codecs of another package."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile
from numpy.typing import NDArray
from safetensors.numpy import save_file

from ncodec.codecs import registry
from ncodec.evaluation.listener import Listener
from ncodec.evaluation.results import Row
from tests.cli.plain_codec import MODEL_ID, NUMBER
from tests.evaluation import coarse_codec

RATE = 16_000


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colours, an edge and some grain, uint8 [H, W, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    planes = np.stack([x * 200 // width, y * 200 // height, 60 * (x > width // 2) + y % 50], -1)
    grain = np.random.default_rng(seed).integers(0, 40, planes.shape)
    return np.asarray(planes + grain, np.uint8)


def speech(seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> NDArray[np.float32]:
    """Harmonics of a gliding voice in syllables, and some breath: float32 [T, C]."""
    t = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    breath = np.random.default_rng(0).standard_normal(t.size)
    wave = (0.1 * voice + 0.01 * breath) * (0.2 + np.abs(np.sin(2 * np.pi * 2.5 * t)))
    return np.asarray(np.stack([wave / (1 + c) for c in range(channels)], 1), np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures and a sound."""
    place = tmp_path / "in"
    (place / "deep").mkdir(parents=True)
    PIL.Image.fromarray(picture(176, 192)).save(place / "a.png")
    PIL.Image.fromarray(picture(40, 30, 1)).save(place / "deep/b.png")
    soundfile.write(place / "c.wav", speech(), RATE)
    return place


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Codecs `plain` (pictures, lossless) and `coarse` (sounds), from an entry point each."""
    weights = tmp_path / "weights.safetensors"
    save_file({"nothing": np.zeros(1, np.int32)}, weights, {"model_id": MODEL_ID.hex()})
    plain = "tests.cli.plain_codec:PlainCodec"
    coarse = "tests.evaluation.coarse_codec:CoarseCodec"
    points = [
        Point(registry.CodecEntry("plain", NUMBER, "image", plain, (weights,), "")),
        Point(registry.CodecEntry("coarse", coarse_codec.NUMBER, "audio", coarse, (weights,), "")),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registry.entries.cache_clear()
    yield
    monkeypatch.undo()
    registry.entries.cache_clear()


@dataclass(frozen=True)
class Point:
    """An entry point as importlib finds it."""

    entry: registry.CodecEntry
    value: str = "elsewhere:ENTRY"

    def load(self) -> registry.CodecEntry:
        return self.entry


@dataclass
class Told(Listener):
    """Everything that an evaluation told."""

    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    last: tuple[int, int] = (0, 0)

    def progress(self, done: int, total: int, name: str) -> None:
        assert self.last[0] <= done <= total
        self.last = done, total

    def problem(self, name: str, error: Exception) -> None:
        self.problems.append(f"{name}: {error}")

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def row(self, row: Row) -> None:
        self.rows.append(row)


def planes(*pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures [H, W, 3] as metrics take them, [B, 3, H, W]."""
    return np.stack([np.moveaxis(p, 2, 0) for p in pictures])


def decibels(ratio: float) -> float:
    return 10 * math.log10(ratio)
