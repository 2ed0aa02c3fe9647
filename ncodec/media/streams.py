"""Opening what is to be encoded: a path, bytes, a file or a pipe."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ncodec.container import Limits
from ncodec.errors import InputError, LimitExceededError
from ncodec.files import read_pipe

Opens = str | Path | BinaryIO | bytes


def name_of(source: Opens, what: str) -> str:
    """What messages call the source; `what` ("the picture") if it has no name."""
    if isinstance(source, (str, Path)):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else what


@contextmanager
def open_stream(source: Opens, limits: Limits, name: str, noun: str) -> Iterator[BinaryIO]:
    """A seekable binary file over `source`; one that was given open stays open.

    Raises InputError for what can't be read, LimitExceededError for a pipe that brings too much.
    """
    if isinstance(source, (str, Path)):
        with _open_file(Path(source), noun) as stream:
            yield _seekable(stream, limits, name, noun)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield _seekable(io.BytesIO(source), limits, name, noun)
    elif hasattr(source, "read"):
        yield _seekable(source, limits, name, noun)
    else:
        raise InputError(f"a {noun} is loaded from a path, bytes or file, not {type(source)}")


def _open_file(path: Path, noun: str) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder, not a {noun}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _seekable(stream: BinaryIO, limits: Limits, name: str, noun: str) -> BinaryIO:
    """Return the stream, or its bytes if it can't seek: no more than a picture within limits."""
    try:
        if stream.seekable():
            return stream
        most = 8 * limits.max_pixels + 2**24
        read = read_pipe(stream, most)
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: {error}") from error
    if read is None:
        raise LimitExceededError(f"{name}: more than {most} bytes, too many for a {noun}")
    return read
