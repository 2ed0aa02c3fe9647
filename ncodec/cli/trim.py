"""`ncodec trim`: .ncd files -> smaller .ncd files, without the networks that decode them."""

import time
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
    verb,
)
from ncodec.cli.encode import size_in_bytes
from ncodec.cli.exits import Exit
from ncodec.cli.paths import NCD, Job, plan
from ncodec.cli.screen import Screen
from ncodec.container import Reader
from ncodec.errors import OptionError

if TYPE_CHECKING:
    from ncodec.info import AudioInfo, ImageInfo


@verb
def trim(
    files: options.NcdFiles,
    kbps: Annotated[
        float | None, typer.Option("--kbps", metavar="X", help="At most X kbit/s of sound.")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="BYTES", help="At most so many bytes, as 1.2k.")
    ] = None,
    bpp: Annotated[
        float | None, typer.Option("--bpp", metavar="X", help="At most X bits a pixel.")
    ] = None,
    max_pixels: options.MaxPixels = None,
    output: options.Output = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Cut .ncd files to a lower rate without decoding them (codecs grvq and vqgan)."""
    from ncodec.codecs.base import Target

    ceiling = size_in_bytes(size)
    if kbps is None and ceiling is None and bpp is None:
        raise OptionError("give --size, --bpp or --kbps")
    Target.from_options(bpp=bpp, size=ceiling, kbps=kbps)
    limits = limits_for(max_pixels)
    jobs = plan(files, NCD, output, lambda _: ".ncd", force)
    check_stdout(jobs[0].target is None, json)
    screen = Screen(quiet, verbose, json)

    def trim_file(job: Job, _: Progress) -> Exit:
        from ncodec import api
        from ncodec.info import info_of

        begin = time.perf_counter()
        with opened(job.source, limits) as file:
            before = Reader(file, limits).size
            data = api.trim(file, kbps=kbps, size=ceiling, bpp=bpp, limits=limits)
        put(job.target, lambda out: out.write(data), force)
        said = info_of(Reader(data, limits))
        _report(screen, job, before, said, time.perf_counter() - begin)
        return Exit.OK

    return each(jobs, trim_file, screen)


def _report(
    screen: Screen, job: Job, before: int, said: "ImageInfo | AudioInfo", took: float
) -> None:
    from ncodec.info import AudioInfo

    rate = f"{said.kbps:.2f} kbit/s" if isinstance(said, AudioInfo) else f"{said.bpp:.3f} bpp"
    facts = {"kbps": said.kbps} if isinstance(said, AudioInfo) else {"bpp": said.bpp}
    screen.summary(
        f"{Path(job.name).name} {size_text(before)} -> {Path(job.target_name).name}"
        f"  {size_text(said.size)}  {rate}  {seconds(took, 0)}"
    )
    screen.result(input=job.name, output=job.target_name, bytes=said.size, **facts, seconds=took)
