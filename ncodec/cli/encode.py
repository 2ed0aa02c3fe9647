"""`ncodec encode`: pictures -> .ncd files."""

import re
import time
from dataclasses import dataclass
from decimal import Decimal
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
from ncodec.cli.paths import NCD, PICTURES, Job, plan
from ncodec.cli.screen import Screen
from ncodec.container import Limits
from ncodec.errors import OptionError

if TYPE_CHECKING:
    from ncodec.codecs.base import Encoded, Target
    from ncodec.media import Image

SUFFIX = ".ncd"
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:(k|m|g)(i?))?b?", re.ASCII | re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3}


@verb
def encode(
    files: Annotated[
        list[str], typer.Argument(metavar="IN", help="Pictures, folders, or - for stdin.")
    ],
    output: options.Output = None,
    codec: Annotated[str, typer.Option("--codec", "-c", help="See `codecs`.")] = "hyperprior",
    quality: Annotated[
        float | None, typer.Option("--quality", "-q", metavar="0..100", help="Quality [50].")
    ] = None,
    bpp: Annotated[
        float | None, typer.Option("--bpp", metavar="X", help="Aim at X bits a pixel.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="BYTES", help="At most so many bytes: 20000, 20k, 1.5MB."),
    ] = None,
    psnr: Annotated[float | None, typer.Option("--psnr", metavar="X", help="Aim at X dB.")] = None,
    device: options.DeviceOption = options.Device.AUTO,
    threads: options.Threads = None,
    max_pixels: options.MaxPixels = None,
    strip: Annotated[bool, typer.Option("--strip", help="Leave out EXIF and ICC data.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Decode the result and compare.")
    ] = True,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Encode pictures; without -o, beside each with the suffix .ncd."""
    from ncodec.codecs.base import Target
    from ncodec.codecs.registry import entry_by_name

    target = Target.from_options(quality, bpp, size_in_bytes(size), psnr)
    entry_by_name(codec)
    _check_suffixes(files, output)
    jobs = plan(files, PICTURES, output, SUFFIX, force)
    check_stdout(jobs[0].target is None, json)
    screen = Screen(quiet, verbose, json)
    limits = limits_for(max_pixels)
    encoder = _Encoder(codec, target, device.value, threads, limits, strip, verify, force, screen)
    return each(jobs, encoder.run, screen)


def size_in_bytes(text: str | None) -> int | None:
    """Read "20000", "20k", "20kB", "1.5MB" (powers of 1000) or "20KiB" (of 1024)."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"size {text!r}: write bytes as 20000, 20k, 20kB, 1.5MB or 20KiB")
    number, unit, binary = match.groups()
    base = 1024 if binary else 1000
    return int(Decimal(number) * base ** _POWERS[unit.lower()]) if unit else int(Decimal(number))


def _check_suffixes(files: list[str], output: str | None) -> None:
    for file in files:
        if Path(file).suffix.lower() in NCD:
            raise OptionError(f"{file}: is an ncodec file already; `ncodec decode` it first")
    if output is not None and Path(output).suffix.lower() in PICTURES:
        raise OptionError(f"{output}: encode writes {SUFFIX} files, not pictures")


@dataclass(frozen=True)
class _Encoder:
    codec: str
    target: "Target"
    device: str
    threads: int | None
    limits: Limits
    strip: bool
    verify: bool
    force: bool
    screen: Screen

    def run(self, job: Job, progress: Progress) -> Exit:
        from ncodec.api import load_codec
        from ncodec.media import load_image

        with opened(job.source, self.limits) as file:
            image = load_image(file, self.limits)
        model, loading = timed(lambda: load_codec(self.codec, self.device), self.threads)
        begin = time.perf_counter()
        encoded = model.compress(
            image.stripped() if self.strip else image,
            self.target,
            verify=self.verify,
            progress=progress,
        )
        took = time.perf_counter() - begin
        put(job.target, lambda out: out.write(encoded.data), self.force)
        self._report(job, image, encoded, (took, loading))
        return Exit.OK

    def _report(
        self, job: Job, image: "Image", encoded: "Encoded", took: tuple[float, float]
    ) -> None:
        warnings = [*image.warnings, *encoded.warnings]
        for warning in warnings:
            self.screen.warning(job.name, warning)
        size = len(encoded.data)
        bpp = 8 * size / (image.width * image.height)
        self.screen.summary(
            f"{Path(job.name).name} {image.width}x{image.height} -> {_last(job)}"
            f"  {size_text(size)}  {bpp:.3f} bpp (1:{image.array.size / size:.1f})"
            f"  enc {seconds(*took)}  {'verify ok' if self.verify else 'not verified'}"
        )
        self.screen.result(
            input=job.name,
            output=job.target_name,
            width=image.width,
            height=image.height,
            codec=self.codec,
            quality=encoded.quality,
            bytes=size,
            bpp=bpp,
            seconds=took[0],
            model_seconds=took[1],
            verified=self.verify,
            warnings=warnings,
        )


def _last(job: Job) -> str:
    return Path(job.target_name).name
