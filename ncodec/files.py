"""Ordinary files: their suffixes, and writing them whole or not at all."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from ncodec.errors import NcodecError, OutputError

T = TypeVar("T")

PICTURES = frozenset({
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
    ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp",
})  # fmt: skip
SOUNDS = frozenset({
    ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".nist", ".oga", ".ogg", ".opus",
    ".rf64", ".snd", ".sph", ".voc", ".w64", ".wav", ".wave",
})  # fmt: skip


def write_atomic(
    path: str | Path, writer: Callable[[BinaryIO], T], *, overwrite: bool = False
) -> T:
    """Let `writer` fill the file `path`, which appears complete or not at all.

    Links are followed; devices and pipes are written directly. Returns what `writer` returns.
    Raises OutputError where the file exists already (unless `overwrite`) or can't be written.
    """
    target = Path(path)
    if "\0" in str(target):
        raise OutputError(f"{str(target)!r}: a file name can't hold a zero byte")
    try:
        if target.is_dir():
            raise OutputError(f"{target}: is a folder; name a file")
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                return writer(stream)
        _check_free(target, overwrite)
        return _write_beside(Path(os.path.realpath(target)), writer, overwrite)
    except NcodecError:
        raise
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror or error}") from error


def read_pipe(stream: BinaryIO, most: int) -> io.BytesIO | None:
    """What a pipe brings, in a file that seeks; None where it's more than `most` bytes.

    Read in pieces: one read of gigabytes sets them aside first, and misses a Ctrl-C meanwhile.
    """
    read = io.BytesIO()
    while read.tell() <= most and (piece := stream.read(min(2**20, most + 1 - read.tell()))):
        read.write(piece)
    if read.tell() > most:
        return None
    read.seek(0)
    return read


def make_folder(path: str | Path) -> None:
    """Make a folder and those above it, where they are missing. `OutputError` if that fails."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


def _check_free(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise _exists(target)


def _exists(target: Path) -> OutputError:
    return OutputError(f"{target}: exists already; -f (overwrite=True) replaces it")


def _write_beside(target: Path, writer: Callable[[BinaryIO], T], overwrite: bool) -> T:
    temporary = target.with_name(f".ncodec-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as stream:
            result = writer(stream)
        _place(temporary, target, overwrite)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return result


def _place(temporary: Path, target: Path, overwrite: bool) -> None:
    """Give the finished file its name; a link, unlike a rename, never replaces a file."""
    if not overwrite:
        try:
            os.link(temporary, target)
        except FileExistsError as error:
            raise _exists(target) from error
        except OSError:
            # A file system without hard links: check again, then rename.
            _check_free(target, overwrite)
        else:
            temporary.unlink()
            return
    temporary.replace(target)
