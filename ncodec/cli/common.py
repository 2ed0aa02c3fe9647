"""What the verbs share: the guard around a command, the loop over files, input and output."""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import BinaryIO, ParamSpec, Protocol, TypeVar

import typer

from ncodec.cli.exits import Exit, exit_code, worst
from ncodec.cli.paths import Source
from ncodec.cli.screen import Screen
from ncodec.container import Limits
from ncodec.errors import InputError, LimitExceededError, OptionError, OutputError

P = ParamSpec("P")
T = TypeVar("T")
Progress = Callable[[int, int], None]


class Named(Protocol):
    """Anything with a name for messages."""

    @property
    def name(self) -> str:
        """The name."""
        ...


N = TypeVar("N", bound=Named)


def verb(function: Callable[P, Exit]) -> Callable[P, None]:
    """Make a function that returns an exit code a typer command that never shows a traceback.

    With the option `verbose` it does.
    """

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = function(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError as error:
            _forget_stdout()
            code = exit_code(error)
        except (Exception, KeyboardInterrupt) as error:
            code = Screen(verbose=bool(kwargs.get("verbose"))).error("", error)
        raise typer.Exit(int(code))

    return guarded


def _forget_stdout() -> None:
    """Python flushes stdout when it ends, which must not fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def each(items: Sequence[N], work: Callable[[N, Progress], Exit], screen: Screen) -> Exit:
    """Do `work` for every item, whatever becomes of the others; returns the worst exit code."""
    code = Exit.OK
    with screen.progress() as bar:
        for index, item in enumerate(items):
            bar.at(index, len(items), item.name)

            def tiles(done: int, total: int, index: int = index, name: str = item.name) -> None:
                bar.at(index + done / max(total, 1), len(items), name)

            code = worst(code, _attempt(item, work, tiles, screen))
    return code


def _attempt(item: N, work: Callable[[N, Progress], Exit], tiles: Progress, screen: Screen) -> Exit:
    try:
        return work(item, tiles)
    except BrokenPipeError:
        raise
    except Exception as error:
        code = screen.error(item.name, error)
        screen.result(input=item.name, error=type(error).__name__, message=str(error), exit=code)
        return code


def limits_for(max_pixels: int | None) -> Limits:
    """The default limits, or those with another number of pixels."""
    return Limits() if max_pixels is None else Limits(max_pixels=max_pixels)


@contextmanager
def opened(source: Source, limits: Limits) -> Iterator[BinaryIO]:
    """The file or standard input as a seekable file; of a pipe, no more than a picture can need.

    `InputError` if it can't be read, `LimitExceededError` if a pipe brings too much.
    """
    if source.path is None:
        if sys.stdin is None or sys.stdin.isatty():
            raise InputError("stdin: is closed or a terminal; give a file or pipe one in")
        yield _seekable(sys.stdin.buffer, limits, source.name)
        return
    try:
        file = source.path.open("rb")
    except OSError as error:
        raise InputError(f"{source.path}: {error.strerror or error}") from error
    with file:
        yield _seekable(file, limits, source.name)


def _seekable(stream: BinaryIO, limits: Limits, name: str) -> BinaryIO:
    if stream.seekable():
        return stream
    from ncodec.files import read_pipe

    most = 8 * limits.max_pixels + 2**24
    try:
        read = read_pipe(stream, most)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error
    if read is None:
        raise LimitExceededError(f"{name}: more than {most} bytes; --max-pixels raises the limit")
    return read


def check_stdout(output_is_stdout: bool, json: bool) -> None:
    """`OptionError` where data on standard output would meet JSON or a terminal."""
    if output_is_stdout and json:
        raise OptionError("the result and --json both go to stdout; give -o a file")
    if output_is_stdout and sys.stdout.isatty():
        raise OptionError("stdout is a terminal; give -o a file or redirect it")


def put(target: Path | None, writer: Callable[[BinaryIO], T], force: bool) -> T:
    """Let `writer` write the file, whole or not at all; None is standard output."""
    from ncodec.files import make_folder, write_atomic

    if target is None:
        whole = io.BytesIO()
        result = writer(whole)
        _to_stdout(whole.getbuffer())
        return result
    make_folder(target.parent)
    return write_atomic(target, writer, overwrite=force)


def _to_stdout(data: memoryview) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"stdout: {error.strerror or error}") from error


def timed(load: Callable[[], T], threads: int | None) -> tuple[T, float]:
    """Load a network on so many threads; returns it and the seconds that took."""
    begin = time.perf_counter()
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    loaded = load()
    return loaded, time.perf_counter() - begin


def seconds(work: float, model: float) -> str:
    """How long it took; loading the network is named where it shows."""
    return f"{work:.2f} s (model {model:.1f} s)" if model >= 0.05 else f"{work:.2f} s"


def size_text(size: int) -> str:
    """A number of bytes as people read it, in powers of 1000."""
    if size < 1000:
        return f"{size} B"
    value, unit = size / 1e3, "kB"
    for larger in ("MB", "GB"):
        if value >= 999.95:
            value, unit = value / 1e3, larger
    return f"{value:.1f} {unit}"
