"""Peak memory and seconds of the command line on a huge picture and on a long sound.

Makes a PNG of 10,000 x 10,000 pixels and a WAV of an hour at 16 kHz in a temporary folder, encodes
and decodes them, each in a process of its own, and prints what the system says of them. Exits with
1 if any took more than 1.5 GiB.

Run it as `python benchmarks/memory.py [--codec NAME] [--side N] [--minutes N] [--threads N]`; 0
leaves one out.
"""

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import soundfile

GOAL = 1.5
SOUND_RATE = 16_000
# The unit of ru_maxrss.
PER_GIB = 2**30 if sys.platform == "darwin" else 2**20
COMMAND = [sys.executable, "-m", "ncodec"]


def make(path: Path, side: int) -> None:
    """Write a square PNG strip by strip."""
    from synthetic import strips

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(1)
    with path.open("wb") as file:
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        for strip in strips(side, side):
            rows = b"".join(b"\0" + line.tobytes() for line in strip)
            file.write(chunk(b"IDAT", packer.compress(rows)))
        file.write(chunk(b"IDAT", packer.flush()) + chunk(b"IEND", b""))


def make_sound(path: Path, minutes: int) -> None:
    """Write a WAV minute by minute: bursts of noise whose pitch and level wander."""
    random = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", SOUND_RATE, 1, "PCM_16") as file:
        for _ in range(minutes):
            envelope = np.abs(np.repeat(random.normal(0, 0.1, 600), SOUND_RATE // 10))
            file.write(envelope * np.sin(np.cumsum(random.normal(0.2, 0.2, envelope.size))))


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command; its peak resident memory in GiB and its seconds."""
    begin = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}")
    return usage.ru_maxrss / PER_GIB, time.perf_counter() - begin


def run(folder: Path, case: tuple[str, str, int], codec: list[str], threads: list[str]) -> float:
    """Encode and decode a source, of a size by its option; the larger of the two peaks in GiB."""
    # A new process starts with the peak of the one that made it: the input is made elsewhere.
    source, option, size = case
    path, coded, back = folder / source, folder / "coded.ncd", folder / f"back-{source}"
    making = [sys.executable, __file__, "--make", str(path), option, str(size)]
    subprocess.run(making, check=True)
    peaks = []
    for verb, paths, chosen in (("encode", (path, coded), codec), ("decode", (coded, back), [])):
        words = [verb, str(paths[0]), "-f", "-o", str(paths[1]), *chosen, *threads]
        peak, seconds = measure([*COMMAND, *words])
        print(f"{verb} {source}, {option} {size}: {peak:.2f} GiB, {seconds:.1f} s", flush=True)
        peaks.append(peak)
    return max(peaks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codec", help="for pictures and sounds [the usual ones]")
    parser.add_argument("--side", type=int, default=10_000, help="pixels a side [10000]")
    parser.add_argument("--threads", type=int, help="processor threads")
    parser.add_argument("--minutes", type=int, default=60, help="minutes of sound [60]")
    parser.add_argument("--make", type=Path, metavar="FILE", help="only write a .png or .wav")
    options = parser.parse_args()
    if options.make:
        if options.make.suffix == ".wav":
            make_sound(options.make, options.minutes)
        else:
            make(options.make, options.side)
        return
    codec = ["--codec", options.codec] if options.codec else []
    threads = ["--threads", str(options.threads)] if options.threads else []
    cases = ("picture.png", "--side", options.side), ("sound.wav", "--minutes", options.minutes)
    with tempfile.TemporaryDirectory() as folder:
        peak = max(
            (run(Path(folder), case, codec, threads) for case in cases if case[2]), default=0.0
        )
    if peak > GOAL:
        raise SystemExit(f"{peak:.2f} GiB is more than the goal, {GOAL} GiB")


if __name__ == "__main__":
    main()
