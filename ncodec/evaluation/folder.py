"""The files of a folder that is evaluated, and loading them."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncodec.errors import InputError
from ncodec.files import PICTURES, SOUNDS


@dataclass(frozen=True)
class File:
    """A file to evaluate; `name` is its place below the folder, with /."""

    path: Path
    name: str

    @property
    def media(self) -> str | None:
        """What its suffix says: "image", "audio", or None for neither."""
        suffix = self.path.suffix.lower()
        return "audio" if suffix in SOUNDS else "image" if suffix in PICTURES else None


@dataclass(frozen=True, eq=False)
class Loaded:
    """A file's picture (an `Image` without alpha) or sound (an `Audio`).

    `kind` is "image" or "audio", `source` the start of the file's SHA-256.
    """

    media: Any
    kind: str
    source: str


def files_of(folder: Path, left_out: Collection[Path] = ()) -> list[File]:
    """All files below a folder by name, hidden ones and those below `left_out` left out.

    `InputError` for a folder that is not there or holds none.
    """
    if not folder.is_dir():
        said = "is not a folder" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {said}")
    shut = {os.path.realpath(path) for path in left_out}
    paths = sorted(path for path in _below(folder, shut) if os.path.realpath(path) not in shut)
    if not paths:
        raise InputError(f"{folder}: no files in this folder")
    return [File(path, path.relative_to(folder).as_posix()) for path in paths]


def _below(folder: Path, shut: set[str]) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        kept = [name for name in sorted(folders) if not name.startswith(".")]
        folders[:] = [name for name in kept if os.path.realpath(Path(root, name)) not in shut]
        yield from (Path(root, name) for name in files if not name.startswith("."))


class _Named(io.BytesIO):
    """Bytes of a file with the name that messages call it."""

    name = ""


def load(file: File) -> Loaded:
    """Read a picture or a sound. `NcodecError`, named after the file, for anything else."""
    try:
        if file.path.exists() and not file.path.is_file():  # A pipe would be waited for.
            raise InputError(f"{file.name}: not an ordinary file")
        data = file.path.read_bytes()
    except OSError as error:
        raise InputError(f"{file.name}: {error.strerror or error}") from error
    stream = _Named(data)
    stream.name = file.name
    media, kind = _media(stream, file.media)
    return Loaded(media, kind, hashlib.sha256(data).hexdigest()[:16])


def _media(stream: _Named, kind: str | None) -> tuple[Any, str]:
    from ncodec.media import Image, load_audio, load_image

    if kind == "audio":
        sound = load_audio(stream)
        if not sound.samples:
            raise InputError(f"{stream.name}: holds no samples")
        return sound, "audio"
    return Image(load_image(stream).colour), "image"
