"""`ncodec decode`: .ncd files -> pictures and sounds."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncodec.cli import options
from ncodec.cli.common import (
    Progress,
    check_stdout,
    each,
    limits_for,
    opened,
    put,
    seconds,
    size_text,
    timed,
    verb,
)
from ncodec.cli.exits import Exit
from ncodec.cli.paths import NCD, Job, Source, encoded_medium, plan
from ncodec.cli.screen import Screen
from ncodec.cli.wording import pace, sound_text, time_of
from ncodec.container import ImageHeader, Limits, Reader
from ncodec.errors import OptionError

if TYPE_CHECKING:
    from ncodec.codecs.base import Region, Span
    from ncodec.codecs.sound_file import WrittenSound
    from ncodec.media import Image

_NAMED = 20
_SUFFIXES = {"image": ".png", "audio": ".wav"}


@verb
def decode(
    files: options.NcdFiles,
    output: options.Output = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="png, wav, flac/24, ... [suffix of OUT].",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="X,Y,W,H", help="Only these pixels."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="S", help="Sound from second S on.")
    ] = None,
    stop: Annotated[
        str | None, typer.Option("--to", metavar="S", help="Sound up to second S, or M:S.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Write what a damaged file still holds.")
    ] = False,
    no_fill: Annotated[
        bool, typer.Option("--no-fill", help="walloc: sound without noise for what was dropped.")
    ] = False,
    device: options.DeviceOption = options.Device.AUTO,
    threads: options.Threads = None,
    max_pixels: options.MaxPixels = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Decode .ncd files; without -o, beside each as .png or .wav."""
    box, span = region_of(region), span_of(start, stop)
    jobs = plan(files, NCD, output, lambda source: _suffix(source, format), force)
    check_stdout(jobs[0].target is None, json)
    _check_formats(jobs, format)
    screen = Screen(quiet, verbose, json)
    limits = limits_for(max_pixels)
    decoder = _Decoder(
        format, box, span, partial, not no_fill, device.value, threads, limits, force, screen
    )
    return each(jobs, decoder.run, screen)


def region_of(text: str | None) -> "Region | None":
    """Read "x,y,width,height" in pixels."""
    if text is None:
        return None
    fields = [field.strip() for field in text.split(",")]
    if len(fields) != 4 or not all(field.isascii() and field.isdigit() for field in fields):
        raise OptionError(f"region {text!r}: write x,y,width,height in pixels, as 0,0,640,480")
    x, y, width, height = (int(field) for field in fields)
    return x, y, width, height


def span_of(start: str | None, stop: str | None) -> "Span | None":
    """Read --from and --to as seconds."""
    first, last = time_of(start, "--from"), time_of(stop, "--to")
    return None if first is None and last is None else (first or 0.0, last)


def _suffix(source: Source, format: str | None) -> str:
    if format is not None:
        return f".{format.lower().removeprefix('.').partition('/')[0]}"
    return _SUFFIXES[encoded_medium(source) or "image"]


def _check_formats(jobs: list[Job], format: str | None) -> None:
    """Find a format that can't be written before any work, where the medium is known by then."""
    for job in jobs:
        medium = encoded_medium(job.source)
        if medium is not None:
            format_of(medium, job.target, format)
        elif job.target is not None or format is not None:
            _format_of_any(job.target, format)


def format_of(medium: str, target: Path | None, format: str | None) -> str:
    """The format to write "image" or "audio" in, as `save_image` or `SoundWriter` call it."""
    from ncodec.media import output_format, sound_format

    suffix = _SUFFIXES[medium]
    wanted = format if format is not None or target is not None else suffix
    return (output_format if medium == "image" else sound_format)(target, wanted)


def _format_of_any(target: Path | None, format: str | None) -> str:
    try:
        return format_of("image", target, format)
    except OptionError:
        return format_of("audio", target, format)


@dataclass(frozen=True)
class _Decoder:
    format: str | None
    region: "Region | None"
    span: "Span | None"
    partial: bool
    fill: bool
    device: str
    threads: int | None
    limits: Limits
    force: bool
    screen: Screen

    def run(self, job: Job, progress: Progress) -> Exit:
        from ncodec.opening import check_extent

        with opened(job.source, self.limits) as file:
            reader = Reader(file, self.limits, self.partial)
            check_extent(reader, self.region, self.span)
            picture = isinstance(reader.header.media, ImageHeader)
            kind = format_of("image" if picture else "audio", job.target, self.format)
            decode = self._picture if picture else self._sound
            return decode(job, reader, kind, progress)

    def _picture(self, job: Job, reader: Reader, kind: str, progress: Progress) -> Exit:
        from ncodec.media import save_image
        from ncodec.opening import image_codec

        codec, loading = timed(lambda: image_codec(reader, self.device), self.threads)
        begin = time.perf_counter()
        image = codec.decompress(
            reader, region=self.region, partial=self.partial, progress=progress
        )
        took = time.perf_counter() - begin
        unkept = put(job.target, lambda out: save_image(image, out, kind), self.force)
        self._report(job, reader.size, image, unkept, (took, loading))
        # What a decode warns of is alpha or metadata that it had to leave out, or lost words.
        incomplete = image.lost or (self.partial and image.warnings)
        return Exit.CORRUPT if incomplete else Exit.OK

    def _sound(self, job: Job, reader: Reader, kind: str, progress: Progress) -> Exit:
        from ncodec.codecs.sound_file import write_sound
        from ncodec.opening import audio_codec

        codec, loading = timed(lambda: audio_codec(reader, self.device), self.threads)
        begin = time.perf_counter()
        written = put(
            job.target,
            lambda out: write_sound(
                codec,
                reader,
                out,
                kind,
                span=self.span,
                partial=self.partial,
                fill=self.fill,
                progress=progress,
            ),
            self.force,
        )
        took = time.perf_counter() - begin
        self._report_sound(job, reader, written, (took, loading))
        return Exit.CORRUPT if written.lost else Exit.OK

    def _report_sound(
        self, job: Job, reader: Reader, written: "WrittenSound", took: tuple[float, float]
    ) -> None:
        for warning in written.warnings:
            self.screen.warning(job.name, warning)
        for lost in written.lost[:_NAMED]:
            self.screen.problem(job.name, f"lost: {lost.start:.2f} to {lost.stop:.2f} s")
        self._count_unnamed(job, len(written.lost), "stretches")
        media = reader.sound
        length = written.samples / media.sample_rate
        self.screen.summary(
            f"{Path(job.name).name} {size_text(reader.size)} -> {Path(job.target_name).name}"
            f"  {sound_text(length, media.sample_rate, media.channels)}  dec {pace(length, *took)}"
        )
        self.screen.result(
            input=job.name,
            output=job.target_name,
            samples=written.samples,
            sample_rate=media.sample_rate,
            channels=media.channels,
            bytes=reader.size,
            seconds=took[0],
            model_seconds=took[1],
            lost=[{"start": lost.start, "stop": lost.stop} for lost in written.lost],
            warnings=list(written.warnings),
        )

    def _report(
        self,
        job: Job,
        size: int,
        image: "Image",
        unkept: tuple[str, ...],
        took: tuple[float, float],
    ) -> None:
        warnings = [*image.warnings, *unkept]
        for warning in warnings:
            self.screen.warning(job.name, warning)
        self._name_lost(job, image)
        concealed = 0.0 if image.concealed is None else float(image.concealed.mean())
        guessed = f"  {concealed:.1%} guessed" if concealed else ""
        self.screen.summary(
            f"{Path(job.name).name} {size_text(size)} -> {Path(job.target_name).name}"
            f"  {image.width}x{image.height}{guessed}  dec {seconds(*took)}"
        )
        self.screen.result(
            input=job.name,
            output=job.target_name,
            width=image.width,
            height=image.height,
            bytes=size,
            seconds=took[0],
            model_seconds=took[1],
            lost=[{"tile": lost.index, "box": lost.box} for lost in image.lost],
            concealed=concealed,
            warnings=warnings,
        )

    def _name_lost(self, job: Job, image: "Image") -> None:
        for lost in image.lost[:_NAMED]:
            x, y, width, height = lost.box
            self.screen.problem(job.name, f"tile {lost.index} lost: {width}x{height} at {x},{y}")
        self._count_unnamed(job, len(image.lost), "tiles")

    def _count_unnamed(self, job: Job, lost: int, what: str) -> None:
        if lost > _NAMED:
            self.screen.problem(job.name, f"{lost - _NAMED} more {what} lost")
