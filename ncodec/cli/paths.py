"""Which files a command reads and writes; every clash is found before any work."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ncodec.container import medium_of
from ncodec.errors import InputError, OptionError

STDIO = "-"
NCD = frozenset({".ncd"})
_NAMED = 3


@dataclass(frozen=True)
class Source:
    """A file to read (`path` None: standard input), and its place below an output folder."""

    path: Path | None
    relative: Path

    @property
    def name(self) -> str:
        """What messages call it."""
        return "stdin" if self.path is None else str(self.path)


@dataclass(frozen=True)
class Job:
    """One file to read and where its result goes (`target` None: standard output)."""

    source: Source
    target: Path | None

    @property
    def name(self) -> str:
        """What messages call the input."""
        return self.source.name

    @property
    def target_name(self) -> str:
        """What messages call the output."""
        return "stdout" if self.target is None else str(self.target)


def sources(arguments: Sequence[str], suffixes: frozenset[str]) -> list[Source]:
    """The files named, and those with one of `suffixes` below the folders named.

    Hidden files and folders are left out below a folder. `InputError` for a folder without any,
    `OptionError` for `-` beside other inputs.
    """
    if STDIO in arguments:
        if len(arguments) > 1:
            raise OptionError("- (standard input) can't be combined with other inputs")
        return [Source(None, Path())]
    with _file_system_errors():
        return [source for argument in arguments for source in _expand(Path(argument), suffixes)]


@contextmanager
def _file_system_errors() -> Iterator[None]:
    """Turn what looking at a path may raise (no permission, too long) into an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror or error}") from error


def _expand(path: Path, suffixes: frozenset[str]) -> list[Source]:
    if not path.is_dir():
        return [Source(path, Path(path.name))]
    found = [Source(file, file.relative_to(path)) for file in sorted(_below(path, suffixes))]
    if not found:
        raise InputError(f"{path}: no files {' '.join(sorted(suffixes))} in this folder")
    return found


def _below(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(root, name)


def plan(
    arguments: Sequence[str],
    suffixes: frozenset[str],
    output: str | None,
    suffix: Callable[[Source], str],
    force: bool,
) -> list[Job]:
    """One job a file that `arguments` name; outputs get its `suffix` unless `output` is a file.

    `OptionError` if two outputs are the same, one exists (unless `force`), one is an input, or
    the folder of one does not exist.
    """
    with _file_system_errors():
        return _plan(arguments, sources(arguments, suffixes), output, suffix, force)


def encoded_medium(source: Source) -> str | None:
    """Tell what an .ncd file holds ("image", "audio") before any work; None if it won't tell."""
    # What is no ordinary file can be read once only, and standard input likewise.
    if source.path is None or not source.path.is_file():
        return None
    try:
        with source.path.open("rb") as file:
            return medium_of(file.read(5))
    except OSError:  # It is named when its turn comes.
        return None


def _plan(
    arguments: Sequence[str],
    found: Sequence[Source],
    output: str | None,
    suffix: Callable[[Source], str],
    force: bool,
) -> list[Job]:
    many = len(found) > 1 or any(Path(argument).is_dir() for argument in arguments)
    jobs = [Job(source, _target(source, output, suffix(source), many)) for source in found]
    targets = [job.target for job in jobs if job.target is not None]
    _check_distinct(jobs)
    _check_not_inputs(found, targets)
    _check_free(targets, force)
    for target in targets:
        _check_folder(target, may_make=output is not None and _is_folder(output, many))
    return jobs


def _is_folder(output: str, many: bool) -> bool:
    return many or output.endswith(("/", os.sep)) or Path(output).is_dir()


def _target(source: Source, output: str | None, suffix: str, many: bool) -> Path | None:
    if output == STDIO or (output is None and source.path is None):
        if many:
            raise OptionError("-o - takes one input; give -o a folder")
        return None
    if output is None:
        return (source.path or source.relative).with_suffix(suffix)
    if not _is_folder(output, many):
        return Path(output)
    if source.path is None:
        raise OptionError(f"{output}: is a folder; standard input needs the name of a file")
    return Path(output) / source.relative.with_suffix(suffix)


def _check_distinct(jobs: Sequence[Job]) -> None:
    taken: dict[str, Job] = {}
    for job in jobs:
        if job.target is None:
            continue
        other = taken.setdefault(os.path.realpath(job.target), job)
        if other is not job:
            raise OptionError(
                f"{other.name} and {job.name} would both be written to {job.target}; "
                "give -o, or encode them one by one"
            )


def _check_not_inputs(found: Sequence[Source], targets: Sequence[Path]) -> None:
    read = {_identity(source.path) for source in found if source.path is not None} - {None}
    for target in targets:
        if _identity(target) in read:
            raise OptionError(f"{target}: is an input too; name another output with -o")


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of an existing ordinary file: links to it have the same."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if path.is_file() else None


def _check_free(targets: Sequence[Path], force: bool) -> None:
    for target in targets:
        if target.is_dir():
            raise OptionError(f"{target}: is a folder; name a file")
    existing = [str(target) for target in targets if target.is_file()]
    if existing and not force:
        more = f" and {len(existing) - _NAMED} more" if len(existing) > _NAMED else ""
        verb = "exists" if len(existing) == 1 else "exist"
        raise OptionError(
            f"{', '.join(existing[:_NAMED])}{more}: {verb} already; -f overwrites; nothing was done"
        )


def _check_folder(target: Path, may_make: bool) -> None:
    nearest = target.parent
    while may_make and not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        state = "is not a folder" if nearest.exists() else "no such folder"
        raise OptionError(f"{target}: can't be written, {nearest}: {state}")
