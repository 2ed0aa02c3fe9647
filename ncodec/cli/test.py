"""`ncodec test`: are .ncd files intact?"""

import time

from ncodec.cli import options
from ncodec.cli.common import Progress, each, limits_for, opened, seconds, size_text, timed, verb
from ncodec.cli.exits import Exit
from ncodec.cli.paths import NCD, Source, sources
from ncodec.cli.screen import Screen
from ncodec.container import Reader


@verb
def check(
    files: options.NcdFiles,
    device: options.DeviceOption = options.Device.AUTO,
    threads: options.Threads = None,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Check that .ncd files are intact: every checksum and every symbol."""
    screen = Screen(quiet, verbose, json)
    limits = limits_for(max_pixels)

    def check_file(source: Source, progress: Progress) -> Exit:
        from ncodec.opening import open_codec

        with opened(source, limits) as file:
            reader = Reader(file, limits)
            # A codec need not look at the chunks that a decoder may ignore.
            for chunk in reader.chunks:
                reader.read(chunk)
            codec, loading = timed(lambda: open_codec(reader, device.value), threads)
            begin = time.perf_counter()
            codec.check(reader, progress=progress)
        took = time.perf_counter() - begin
        screen.summary(f"{source.name}: ok  {size_text(reader.size)}  {seconds(took, loading)}")
        screen.result(input=source.name, ok=True, seconds=took, model_seconds=loading)
        return Exit.OK

    return each(sources(files, NCD), check_file, screen)
