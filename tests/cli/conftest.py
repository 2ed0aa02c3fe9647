"""The command as a user types it, run in this process; and small codecs for it."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from ncodec.cli import app
from ncodec.codecs import registry
from ncodec.media import Audio, Image, Metadata, save_audio, save_image
from tests.cli.plain_codec import MODEL_ID, NUMBER
from tests.sounds.registered import mulaw_codec
from tests.sounds.sounds import tone


@dataclass(frozen=True)
class Result:
    """What the shell sees of a finished command."""

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        return self.data.decode()


class Run(Protocol):
    def __call__(self, *words: object, stdin: bytes = b"") -> Result: ...


class Picture(Protocol):
    def __call__(
        self, name: str, width: int = 100, height: int = 70, exif: bytes | None = None
    ) -> Path: ...


class Sound(Protocol):
    def __call__(
        self, name: str, samples: int = 20_000, rate: int = 8_000, channels: int = 1
    ) -> Path: ...


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the command: an empty one."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "plain.safetensors"
    save_file({"nothing": np.zeros(1, np.int32)}, path, {"model_id": MODEL_ID.hex()})
    return path


@pytest.fixture
def plain(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[registry.CodecEntry]:
    """Register the codec `plain` while a test runs."""
    target = "tests.cli.plain_codec:PlainCodec"
    entry = registry.CodecEntry("plain", NUMBER, "image", target, (weights,), "for tests")
    monkeypatch.setitem(registry.BUILT_IN, "plain", entry)
    monkeypatch.setitem(registry.DEFAULTS, "image", "plain")
    registry.entries.cache_clear()
    yield entry
    monkeypatch.undo()
    registry.entries.cache_clear()


@pytest.fixture
def mulaw(tmp_path: Path) -> Iterator[registry.CodecEntry]:
    """Register the codec `mulaw` while a test runs."""
    with mulaw_codec(tmp_path) as entry:
        yield entry


@pytest.fixture
def run(
    plain: registry.CodecEntry,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run the command line on the processor; pictures are encoded with the codec `plain`."""

    def call(*words: object, stdin: bytes = b"") -> Result:
        arguments = [str(word) for word in words]
        if arguments[:1] in (["encode"], ["decode"], ["test"]):
            arguments += ["--device", "cpu"]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe(stdin)))
        with pytest.raises(SystemExit) as ended:
            app(arguments, prog_name="ncodec")
        data, err = capsysbinary.readouterr()
        return Result(exit_code(ended.value.code), data, err.decode())

    return call


class Pipe(io.BytesIO):
    """Standard input as a shell connects it."""

    def seekable(self) -> bool:
        return False


def exit_code(code: Any) -> int:  # noqa: ANN401 - what SystemExit may carry
    return 0 if code is None else int(code)


def samples(width: int, height: int) -> NDArray[np.uint8]:
    """Smooth colours with some grain, [H, W, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    planes = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1)
    grain = np.random.default_rng(width * height).integers(0, 8, planes.shape)
    array: NDArray[np.uint8] = np.clip(planes + grain, 0, 255).astype(np.uint8)
    return array


@pytest.fixture
def picture(folder: Path) -> Picture:
    """Make a picture file."""

    def make(name: str, width: int = 100, height: int = 70, exif: bytes | None = None) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(Image(samples(width, height), Metadata(exif=exif)), path)
        return Path(name)

    return make


@pytest.fixture
def sound(folder: Path) -> Sound:
    """Make a sound file."""

    def make(name: str, samples: int = 20_000, rate: int = 8_000, channels: int = 1) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_audio(Audio(tone(samples, rate, channels), rate), path)
        return Path(name)

    return make


def names(folder: Path) -> list[str]:
    """Everything below a folder, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
