"""`ncodec decode`: .ncd files -> pictures."""

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
from ncodec.cli.paths import NCD, Job, plan
from ncodec.cli.screen import Screen
from ncodec.container import Limits, Reader
from ncodec.errors import OptionError

if TYPE_CHECKING:
    from ncodec.codecs.base import Region
    from ncodec.media import Image

_NAMED = 20


@verb
def decode(
    files: options.NcdFiles,
    output: options.Output = None,
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="png, jpg, webp, ... [suffix of OUT; png]."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="X,Y,W,H", help="Only these pixels."),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Write what a damaged file still holds.")
    ] = False,
    device: options.DeviceOption = options.Device.AUTO,
    threads: options.Threads = None,
    max_pixels: options.MaxPixels = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Decode .ncd files; without -o, beside each as .png."""
    box = region_of(region)
    suffix = f".{format.lower().removeprefix('.')}" if format else ".png"
    jobs = plan(files, NCD, output, suffix, force)
    check_stdout(jobs[0].target is None, json)
    kinds = _formats(jobs, format)
    screen = Screen(quiet, verbose, json)
    limits = limits_for(max_pixels)
    decoder = _Decoder(kinds, box, partial, device.value, threads, limits, force, screen)
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


def _formats(jobs: list[Job], format: str | None) -> dict[Path | None, str]:
    """Pillow's name of each output's format; the error for one that it can't write comes here."""
    from ncodec.media import output_format

    stdout_format = format or "png"
    return {
        job.target: output_format(job.target, stdout_format if job.target is None else format)
        for job in jobs
    }


@dataclass(frozen=True)
class _Decoder:
    kinds: dict[Path | None, str]
    region: "Region | None"
    partial: bool
    device: str
    threads: int | None
    limits: Limits
    force: bool
    screen: Screen

    def run(self, job: Job, progress: Progress) -> Exit:
        from ncodec.api import open_codec
        from ncodec.media import save_image

        with opened(job.source, self.limits) as file:
            reader = Reader(file, self.limits, self.partial)
            codec, loading = timed(lambda: open_codec(reader, self.device), self.threads)
            begin = time.perf_counter()
            image = codec.decompress(
                reader, region=self.region, partial=self.partial, progress=progress
            )
        took = time.perf_counter() - begin
        kind = self.kinds[job.target]
        unkept = put(job.target, lambda out: save_image(image, out, kind), self.force)
        self._report(job, reader.size, image, unkept, (took, loading))
        # What a decode warns of is alpha or metadata that it had to leave out.
        incomplete = image.lost or (self.partial and image.warnings)
        return Exit.CORRUPT if incomplete else Exit.OK

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
        self.screen.summary(
            f"{Path(job.name).name} {size_text(size)} -> {Path(job.target_name).name}"
            f"  {image.width}x{image.height}  dec {seconds(*took)}"
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
            warnings=warnings,
        )

    def _name_lost(self, job: Job, image: "Image") -> None:
        for lost in image.lost[:_NAMED]:
            x, y, width, height = lost.box
            self.screen.problem(job.name, f"tile {lost.index} lost: {width}x{height} at {x},{y}")
        if len(image.lost) > _NAMED:
            self.screen.problem(job.name, f"{len(image.lost) - _NAMED} more tiles lost")
