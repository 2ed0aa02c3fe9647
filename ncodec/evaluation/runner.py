"""Running an evaluation: every file through every codec at every quality."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import ncodec
from ncodec.errors import InputError, OptionError
from ncodec.evaluation import folder as folders
from ncodec.evaluation.baselines import QualityError
from ncodec.evaluation.folder import File, Loaded
from ncodec.evaluation.listener import Listener, said_of
from ncodec.evaluation.machine import machine_here, measure, versions_here
from ncodec.evaluation.results import JSON_NAME, Results, Row
from ncodec.evaluation.scores import Scorer
from ncodec.evaluation.subjects import Subject, check_names, media_of, open_subject
from ncodec.files import make_folder
from ncodec.info import kbps_of
from ncodec.media import Audio, Image
from ncodec.opening import choose_device

ROWS_A_WRITE, SECONDS_A_WRITE = 20, 10.0


def evaluate(
    folder: str | Path,
    codecs: Sequence[str] | None = None,
    *,
    qualities: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    output: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    labels: Mapping[str, int] | None = None,
    left_out: Collection[str] = (),
    skip: Collection[Path] = (),
    overwrite: bool = False,
    listener: Listener | None = None,
) -> Results:
    """Measure codecs on all pictures and sounds below a folder.

    `codecs` are names of ncodec's codecs, of other packages' and of the baselines (jpeg, webp,
    avif, avif-scaled, jxl, opus, mp3, vorbis); without any, all that are installed. `qualities`
    are for all codecs, or by the codec's name; each codec has its own by default. Pictures go to
    picture codecs, without alpha and metadata, and sounds to sound codecs.

    With `output`, a folder, results are written there every few rows, and rows that are there
    already are kept unless `overwrite`: `OptionError` where they were measured with other
    versions, settings or on another machine. `labels` has the ImageNet class of pictures by file
    name, `left_out` names metrics (ms_ssim, ssimulacra2, feature_distance, top1, stoi, pesq_wb,
    visqol) not to compute, `skip` files below the folder that are not meant.

    A file or a codec that fails is told to the listener, and the others go on. Raises `InputError`
    for a folder without files for these codecs, `OptionError` for names, qualities, devices and
    metrics that there are not, `OutputError` where results can't be written.
    """
    told = listener or Listener()
    place = None if output is None else Path(output)
    files = folders.files_of(Path(folder), [*skip, *([place] if place else [])])
    names = check_names(media_of() if codecs is None else codecs)
    wanted = _qualities(qualities, names)
    with _torch_threads(threads):
        chosen = choose_device(device)
        subjects = _open_all(names, chosen, threads, told, must=codecs is not None)
        scorer = Scorer(left_out, labels, told.warning)
        fresh = Results(
            created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            ncodec=ncodec.__version__,
            machine=machine_here(chosen),
            folder=Path(folder).resolve().name,
            versions=versions_here(left_out),
            codecs={subject.name: subject.note for subject in subjects},
        )
        results = fresh if place is None or overwrite else continued(place, fresh)
        plan = _plan(files, subjects, wanted)
        if not plan:
            raise InputError(f"{folder}: no files for {', '.join(s.name for s in subjects)}")
        _Run(results, plan, place, scorer, told).run()
    return results


def continued(place: Path, fresh: Results) -> Results:
    """The results in a folder, to go on with; `fresh` where there are none.

    `OptionError` where they differ in anything but rows and codecs.
    """
    if not (place / JSON_NAME).exists():
        return fresh
    old = Results.read(place)
    for what in ("ncodec", "machine", "folder", "versions"):
        _same(place, what, _flat(getattr(old, what)), _flat(getattr(fresh, what)))
    for name in fresh.codecs.keys() & old.codecs.keys():
        _same(place, name, _flat(old.codecs[name]), _flat(fresh.codecs[name]))
    old.codecs |= fresh.codecs
    return old


def _same(place: Path, what: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            name = f"{what} {key}".strip()
            raise OptionError(
                f"{place / JSON_NAME}: measured with {name} {old.get(key) or 'missing'}, not"
                f" {new.get(key) or 'missing'}; -f starts anew, another -o keeps both"
            )


def _flat(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return dict(vars(value)) if hasattr(value, "__dict__") else {"": value}


@contextmanager
def _torch_threads(number: int | None) -> Iterator[None]:
    """So many threads of torch while the block runs; those there are without a number."""
    import torch

    before = torch.get_num_threads()
    try:
        if number is not None:
            torch.set_num_threads(number)
        yield
    finally:
        torch.set_num_threads(before)


def _qualities(
    given: Sequence[float] | Mapping[str, Sequence[float]] | None, names: Iterable[str]
) -> dict[str, tuple[float, ...]]:
    """The qualities asked for by codec; codecs that are not in it have their own."""
    if given is None:
        return {}
    whole = given if isinstance(given, Mapping) else dict.fromkeys(names, given)
    if unknown := set(whole) - set(names):
        raise OptionError(f"qualities for {min(unknown)!r}, which is not evaluated")
    if empty := [name for name, values in whole.items() if not values]:
        raise OptionError(f"{empty[0]}: give one quality at least")
    if endless := [name for name, values in whole.items() if not all(map(math.isfinite, values))]:
        raise OptionError(f"{endless[0]}: qualities must be finite numbers")
    return {name: tuple(sorted({float(q) for q in values})) for name, values in whole.items()}


def _open_all(
    names: Sequence[str], device: str, threads: int | None, told: Listener, must: bool
) -> list[Subject]:
    """Every codec that there is; where all were asked for, the others are not missed."""
    tell = must and len(names) > 1
    subjects, last = [], None
    for name in names:
        try:
            subjects.append(open_subject(name, device, threads))
        except Exception as error:
            last = error
            if tell:
                told.problem(name, error)
    if not subjects and last is not None:
        if tell:
            raise OptionError("none of the codecs could be opened") from last
        raise last
    return subjects


@dataclass(frozen=True)
class _Task:
    """One file through one codec; `strict` says that its qualities were asked for."""

    subject: Subject
    qualities: tuple[float, ...]
    strict: bool


def _plan(
    files: Iterable[File], subjects: Iterable[Subject], wanted: Mapping[str, tuple[float, ...]]
) -> list[tuple[File, list[_Task]]]:
    """What is to be done with each file; files for none of the codecs are left out.

    A file that is neither picture nor sound by its name is a failure, unless all are.
    """
    asked = {s.name: wanted.get(s.name, tuple(map(float, s.qualities))) for s in subjects}
    tasks = [_Task(s, asked[s.name], s.name in wanted) for s in subjects]
    pairs = [(f, [t for t in tasks if f.media in (None, t.subject.note.media)]) for f in files]
    meant = [pair for pair in pairs if pair[1]]
    return meant if any(file.media for file, _ in meant) else []


class _Run:
    """One call of `evaluate`."""

    def __init__(
        self,
        results: Results,
        plan: list[tuple[File, list[_Task]]],
        output: Path | None,
        scorer: Scorer,
        told: Listener,
    ) -> None:
        self.results, self.plan, self.output = results, plan, output
        self.scorer, self.told = scorer, told
        self.warm: set[str] = set()
        self.rows = {row.key: row for row in results.rows}
        self.total = sum(len(task.qualities) for _, tasks in plan for task in tasks)
        self.done, self.unwritten, self.written_at = 0, 0, time.monotonic()

    def run(self) -> None:
        """Measure what is not there yet; results are written whatever ends this."""
        if self.output is not None:
            self._write()
        try:
            for file, tasks in self.plan:
                self._file(file, tasks)
        finally:
            self._write()
        self.told.progress(self.total, self.total, "")

    def _file(self, file: File, tasks: list[_Task]) -> None:
        try:
            loaded = folders.load(file)
        except Exception as error:
            self.told.problem(file.name, error)
            self._fail(file, tasks, said_of(error))
            return
        for task in tasks:
            if task.subject.note.media == loaded.kind:
                self._task(file, task, loaded)
            else:
                self.done += len(task.qualities)

    def _fail(self, file: File, tasks: list[_Task], said: str) -> None:
        """A row for each codec and quality: none may look as if it had been forgotten."""
        for task in tasks:
            for quality in task.qualities:
                row = Row(task.subject.name, quality, file.name, file.media, error=said)
                self._keep(row)

    def _task(self, file: File, task: _Task, loaded: Loaded) -> None:
        refused: list[Exception] = []
        said: set[str] = set()
        for quality in task.qualities:
            row = Row(task.subject.name, quality, file.name, loaded.kind, loaded.source)
            old = self.rows.get(row.key)
            if old is not None and old.error is None and old.source == loaded.source:
                self.done += 1
                continue
            self.told.progress(self.done, self.total, f"{file.name} {task.subject.name}")
            try:
                measured = self._measured(row, task.subject, loaded)
            except QualityError as error:
                self._refuse(row, task, error, refused)
            except Exception as error:
                if said_of(error) not in said:
                    self.told.problem(f"{file.name} {row.codec}", error)
                said.add(said_of(error))
                self._keep(replace(row, error=said_of(error)))
            else:
                self._keep(measured)

    def _refuse(self, row: Row, task: _Task, error: QualityError, refused: list[Exception]) -> None:
        """One of the default qualities that the codec lacks for this file is no failure."""
        refused.append(error)
        if not task.strict and len(refused) < len(task.qualities):
            self.done += 1
            return
        self.told.problem(f"{row.file} {row.codec}", error)
        self._keep(replace(row, error=said_of(error)))

    def _measured(self, row: Row, subject: Subject, loaded: Loaded) -> Row:
        if subject.name not in self.warm:  # The first call of a network takes longer, and more.
            subject.decode(subject.encode(loaded.media, row.quality))
            self.warm.add(subject.name)
        encoding = measure(lambda: subject.encode(loaded.media, row.quality))
        data = encoding.result
        decoding = measure(lambda: subject.decode(data))
        row = replace(
            row,
            bytes=len(data),
            payload_bytes=subject.payload(data),
            encode_seconds=encoding.seconds,
            decode_seconds=decoding.seconds,
            peak_memory_bytes=_largest(encoding.peak, decoding.peak),
        )
        if loaded.kind == "image":
            columns = picture_columns(loaded.media, len(data))
            columns |= self.scorer.picture(row.file, loaded.media, decoding.result)
        else:
            columns = sound_columns(loaded.media, len(data), encoding.seconds, decoding.seconds)
            columns |= self.scorer.sound(loaded.media, decoding.result)
        return replace(row, **columns)

    def _keep(self, row: Row) -> None:
        self.rows[row.key] = row
        self.done, self.unwritten = self.done + 1, self.unwritten + 1
        self.told.row(row)
        late = time.monotonic() - self.written_at > SECONDS_A_WRITE
        if late or self.unwritten >= ROWS_A_WRITE:
            self._write()

    def _write(self) -> None:
        """Sort the rows by codec, quality and file, and write them if there is an output."""
        order = {name: index for index, name in enumerate(self.results.codecs)}
        self.results.rows = sorted(
            self.rows.values(), key=lambda row: (order.get(row.codec, -1), row.quality, row.file)
        )
        if self.output is not None:
            make_folder(self.output)
            self.results.write(self.output)
        self.unwritten, self.written_at = 0, time.monotonic()


def _largest(*peaks: int | None) -> int | None:
    return max((peak for peak in peaks if peak is not None), default=None)


def picture_columns(image: Image, size: int) -> dict[str, Any]:
    """What a row says of a picture that takes so many bytes."""
    pixels = image.width * image.height
    shape = {"width": image.width, "height": image.height, "pixels": pixels}
    return {**shape, "bpp": 8 * size / pixels}


def sound_columns(sound: Audio, size: int, encoding: float, decoding: float) -> dict[str, Any]:
    """What a row says of a sound that takes so many bytes and so many seconds to code."""
    seconds = sound.seconds
    return {
        "sample_rate": sound.sample_rate,
        "channels": sound.channels,
        "seconds": seconds,
        "kbps": kbps_of(size, seconds),
        "encode_realtime": seconds / max(encoding, 1e-9),
        "decode_realtime": seconds / max(decoding, 1e-9),
    }
