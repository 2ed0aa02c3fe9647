"""Do the same files decode to the same symbols everywhere?

Encodes pictures once. Then decodes them in one process a setting: thread counts, instruction
sets, memory formats, tiles in other orders, a GPU if there is one, and another Python environment
if one is named. Compared with the first process: the SHA-256 of the bytes that the entropy coder
makes of given symbols, the SHA-256 of all decoded symbols, both of which must be the same, and the
pixels, which may differ by one code value. Exits with 1 if anything differs by more.

Run it as `python benchmarks/determinism.py [--image FILE ...] [--other-python PATH]`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from synthetic import picture

import ncodec
from ncodec.media import load_image

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "chelsea.webp"
QUALITIES = (10, 50, 90)
GIVEN = 200_000
TOLERANCE = 1
"""Most code values by which a pixel may differ."""


@dataclass(frozen=True)
class Setting:
    """How one process decodes."""

    name: str
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    memory_format: str = "channels_last"
    order: str = "whole"
    device: str = "cpu"


@dataclass(frozen=True)
class Answer:
    """What one process said, and where it left its pixels."""

    torch: str
    coder: str
    symbols: dict[str, str]
    folder: Path


@dataclass(frozen=True)
class Difference:
    """One process against the first: pixels in code values, and the share that differ at all."""

    coder: bool
    symbols: int
    pixels: int
    share: float

    @property
    def allowed(self) -> bool:
        """Whether nothing differs that must not."""
        return not self.coder and not self.symbols and self.pixels <= TOLERANCE


def settings(other_python: str | None) -> list[Setting]:
    """The reference first."""
    import torch

    sse, avx2 = ({"ONEDNN_MAX_CPU_ISA": isa} for isa in ("SSE41", "AVX2"))
    plain = {"ATEN_CPU_CAPABILITY": "default"}
    rows = [
        Setting("reference"),
        Setting("2 threads", threads=2),
        Setting("oneDNN SSE4.1", environment=sse),
        Setting("oneDNN AVX2", environment=avx2),
        Setting("ATen without SIMD", environment=plain),
        Setting("contiguous memory", memory_format="contiguous_format"),
        Setting("tiles forwards", order="forwards"),
        Setting("tiles backwards", order="backwards"),
        Setting("all of these", sys.executable, sse | plain, 2, "contiguous_format", "backwards"),
    ]
    if other_python:
        rows.append(Setting("other environment", other_python))
        rows.append(Setting("other, all", other_python, sse | plain, 2, "contiguous_format"))
    return [*rows, Setting("CUDA", device="cuda")] if torch.cuda.is_available() else rows


def prepare(folder: Path, pictures: Sequence[Path], side: int) -> None:
    """Write the streams and the given symbols."""
    codec = ncodec.load_codec(device="cpu")
    images = [(path.stem, load_image(path).array) for path in pictures]
    images += [("tiled", picture(side, side - 37))] if side else []
    for name, pixels in images:
        for quality in QUALITIES:
            data = codec.encode(pixels, quality=quality)
            (folder / f"{name}-{quality}.ncd").write_bytes(data)
    random = np.random.default_rng(0)
    rows = random.integers(0, 64, GIVEN)
    symbols = np.rint(np.exp(rows / 12) * random.standard_t(3, GIVEN)).clip(-9999, 9999)
    np.save(folder / "rows.npy", rows.astype(np.uint8))
    np.save(folder / "symbols.npy", symbols.astype(np.int32))


def ask(setting: Setting, streams: Path, out: Path) -> Answer:
    """Decode all streams in a process of its own."""
    out.mkdir()
    worker = str(Path(__file__).with_name("determinism_worker.py"))
    how = (setting.memory_format, setting.order, setting.device, str(setting.threads))
    done = subprocess.run(
        [setting.python, worker, str(streams), str(out), *how],
        env={**os.environ, "PYTHONPATH": str(ROOT), **setting.environment},
        stdout=subprocess.PIPE,
        check=True,
    )
    said = json.loads(done.stdout)
    return Answer(said["torch"], said["coder"], said["symbols"], out)


def compare(first: Answer, other: Answer) -> Difference:
    """Digests and pixels of two processes."""
    unequal = sum(other.symbols.get(name) != digest for name, digest in first.symbols.items())
    most, count, total = 0, 0, 0
    for name in first.symbols:
        pair = [
            np.load(answer.folder / f"{name}.npy").astype(np.int16) for answer in (first, other)
        ]
        distance = np.abs(pair[0] - pair[1])
        most = max(most, int(distance.max()))
        count, total = count + int(np.count_nonzero(distance)), total + distance.size
    return Difference(first.coder != other.coder, unequal, most, count / total)


def line(setting: Setting, answer: Answer, found: Difference, streams: int) -> str:
    coder = "DIFFERENT" if found.coder else "same"
    symbols = f"{found.symbols} of {streams} DIFFERENT" if found.symbols else "same"
    pixels = f"{found.pixels} ({found.share:.4%})" + (
        "" if found.pixels <= TOLERANCE else " TOO MUCH"
    )
    return f"{setting.name:<19}{answer.torch:<15}{coder:<12}{symbols:<22}{pixels}"


def run(folder: Path, rows: Sequence[Setting]) -> bool:
    """Print a line a setting; whether all of them are allowed."""
    print(f"{'setting':<19}{'torch':<15}{'coder':<12}{'symbols':<22}pixels: largest (share)")
    first, fine = None, True
    for number, setting in enumerate(rows):
        answer = ask(setting, folder, folder / str(number))
        first = first or answer
        found = compare(first, answer)
        print(line(setting, answer, found, len(first.symbols)), flush=True)
        fine = fine and found.allowed
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, nargs="+", default=[EXAMPLE], metavar="FILE")
    parser.add_argument(
        "--side",
        type=int,
        default=1100,
        help="of a synthetic picture of many tiles [1100]; 0: none",
    )
    parser.add_argument("--other-python", metavar="PATH", help="another environment's python")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.image, options.side)
        if not run(folder, settings(options.other_python)):
            raise SystemExit("not deterministic")
    print("deterministic: symbols are the same, pixels within one code value")


if __name__ == "__main__":
    main()
