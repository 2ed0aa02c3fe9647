"""`ncodec encode`: pictures and sounds -> .ncd files."""

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
from ncodec.cli.paths import NCD, Job, plan
from ncodec.cli.screen import Screen
from ncodec.cli.wording import pace, sound_text
from ncodec.container import Limits
from ncodec.errors import OptionError
from ncodec.files import PICTURES, SOUNDS

if TYPE_CHECKING:
    from ncodec.codecs.base import Encoded, Target
    from ncodec.media import Image, Media, SoundBlocks

SUFFIX = ".ncd"
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:(k|m|g)(i?))?b?", re.ASCII | re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3}


@verb
def encode(
    files: Annotated[
        list[str], typer.Argument(metavar="IN", help="Pictures, sounds, folders, or - for stdin.")
    ],
    output: options.Output = None,
    codec: Annotated[
        str | None, typer.Option("--codec", "-c", help="See `codecs` [auto: by the target].")
    ] = None,
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
    kbps: Annotated[
        float | None, typer.Option("--kbps", metavar="X", help="At most X kbit/s of sound.")
    ] = None,
    drop: Annotated[
        int,
        typer.Option(
            "--drop", min=0, metavar="N", help="Up to N % (1..50) of vqgan's words are guessed."
        ),
    ] = 0,
    device: options.DeviceOption = options.Device.AUTO,
    threads: options.Threads = None,
    max_pixels: options.MaxPixels = None,
    strip: Annotated[
        bool | None,
        typer.Option("--strip/--keep-metadata", help="Leave out EXIF, ICC, tags [vqgan only]."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Decode the result and compare.")
    ] = True,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Encode pictures and sounds; without -o, beside each as .ncd."""
    from ncodec.codecs.automatic import codec_named
    from ncodec.codecs.base import TARGETS, Target
    from ncodec.codecs.registry import entry_by_name

    target = Target.from_options(quality, bpp, size_in_bytes(size), psnr, kbps, drop)
    codec = codec_named(codec)
    if codec is not None:
        media = [row.media for row in entry_by_name(codec).rows]
        target.check_for(codec, next((m for m in media if target.kind in TARGETS[m]), media[0]))
    _check_suffixes(files, output)
    jobs = plan(files, PICTURES | SOUNDS, output, lambda _: SUFFIX, force)
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
    if output is not None and Path(output).suffix.lower() in PICTURES | SOUNDS:
        raise OptionError(f"{output}: encode writes {SUFFIX} files")


_Encoding = tuple["Media", str, "Encoded", tuple[float, float]]


@dataclass(frozen=True)
class _Encoder:
    codec: str | None
    target: "Target"
    device: str
    threads: int | None
    limits: Limits
    strip: bool | None
    verify: bool
    force: bool
    screen: Screen

    def run(self, job: Job, progress: Progress) -> Exit:
        from ncodec.media import load_media

        with opened(job.source, self.limits) as file:
            media, codec, encoded, took = self._encoded(load_media(file, self.limits), progress)
        put(job.target, lambda out: out.write(encoded.data), self.force)
        self._report(job, media, codec, encoded, took)
        return Exit.OK

    def _encoded(self, media: "Media", progress: Progress) -> _Encoding:
        """What was encoded, the codec's name, the result, and seconds of encoding and loading."""
        from ncodec.api import Codec, choose_device
        from ncodec.codecs.automatic import choices, first
        from ncodec.codecs.registry import CodecEntry

        def attempt(entry: CodecEntry) -> _Encoding:
            model, loading = timed(lambda: Codec(entry, choose_device(self.device)), self.threads)
            kept, begin = model.shed(media, self.strip), time.perf_counter()
            encoded = model.compress(kept, self.target, verify=self.verify, progress=progress)
            return kept, entry.name, encoded, (time.perf_counter() - begin, loading)

        return first(choices(media, self.target, self.codec), attempt)

    def _report(
        self,
        job: Job,
        media: "Media",
        codec: str,
        encoded: "Encoded",
        took: tuple[float, float],
    ) -> None:
        from ncodec.media import Image, unkept

        warnings = [*unkept(media), *encoded.warnings]
        for warning in warnings:
            self.screen.warning(job.name, warning)
        size = len(encoded.data)
        what, cost, pace, facts = (
            _picture_report(media, size, took)
            if isinstance(media, Image)
            else _sound_report(media, size, took)
        )
        verified = "verify ok" if self.verify else "not verified"
        self.screen.summary(
            f"{Path(job.name).name} {what} -> {_last(job)}"
            f"  {codec}  {size_text(size)}  {cost}  enc {pace}  {verified}"
        )
        self.screen.result(
            input=job.name,
            output=job.target_name,
            codec=codec,
            quality=encoded.quality,
            bytes=size,
            **facts,
            seconds=took[0],
            model_seconds=took[1],
            verified=self.verify,
            warnings=warnings,
        )


Report = tuple[str, str, str, dict[str, float]]
"""What it is, what it costs, how long it took, and the same for JSON."""


def _picture_report(image: "Image", size: int, took: tuple[float, float]) -> Report:
    bpp = 8 * size / (image.width * image.height)
    facts = {"width": image.width, "height": image.height, "bpp": bpp}
    cost = f"{bpp:.3f} bpp (1:{image.array.size / size:.1f})"
    return f"{image.width}x{image.height}", cost, seconds(*took), facts


def _sound_report(sound: "SoundBlocks", size: int, took: tuple[float, float]) -> Report:
    from ncodec.info import kbps_of

    length = sound.samples / sound.sample_rate
    kbps = kbps_of(size, length)
    facts = {
        "samples": sound.samples,
        "sample_rate": sound.sample_rate,
        "channels": sound.channels,
        "kbps": kbps,
    }
    # Against 16 bits a sample, as sounds come.
    ratio = 2 * sound.samples * sound.channels / size
    what = sound_text(length, sound.sample_rate, sound.channels)
    return what, f"{kbps:.2f} kbit/s (1:{ratio:.0f})", pace(length, *took), facts


def _last(job: Job) -> str:
    return Path(job.target_name).name
