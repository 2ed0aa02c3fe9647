"""Seconds to encode and decode, against CompressAI's bmshj2018-hyperprior at quality 4.

Both codecs take turns on the same pictures, in one process with the same number of threads, after
a round that does not count. ncodec goes from pixels to the bytes of a whole file (without
verification) and back to pixels; CompressAI's `compress` and `decompress` go from a tensor to
strings and back, its conversions are not timed. Models are loaded beforehand. CompressAI's weights
are untrained: its published ones would have to be downloaded, and its networks take the same time.

Run it as `python benchmarks/codec_speed.py [--image FILE ...] [--rounds N] [--threads N]`.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from synthetic import picture

import ncodec
from ncodec.codecs.base import Target
from ncodec.media import Image, load_image

MULTIPLE = 64
Step = Callable[[], None]


class Ours:
    """ncodec on one picture."""

    def __init__(self, codec: ncodec.Codec, image: Image, quality: float) -> None:
        self.codec, self.image, self.target = codec, image, Target("quality", quality)
        self.data = b""

    def encode(self) -> None:
        self.data = self.codec.compress(self.image, self.target).data

    def decode(self) -> None:
        if self.codec.decode(self.data).array.shape != self.image.array.shape:
            raise SystemExit("ncodec: the decoded picture has another size")


class Theirs:
    """CompressAI's model on one picture, padded to a multiple of 64 as it demands."""

    def __init__(self, model: torch.nn.Module, image: Image) -> None:
        pixels = torch.from_numpy(np.array(image.to_pil().convert("RGB"))).permute(2, 0, 1)
        padding = (0, -image.width % MULTIPLE, 0, -image.height % MULTIPLE)
        self.pixels = F.pad(pixels[None].float() / 255, padding, mode="replicate")
        self.model = model
        self.coded: dict[str, list[list[bytes]] | torch.Size] = {}

    @torch.no_grad()
    def encode(self) -> None:
        self.coded = self.model.compress(self.pixels)  # type: ignore[operator]

    @torch.no_grad()
    def decode(self) -> None:
        decoded = self.model.decompress(**self.coded)["x_hat"]  # type: ignore[operator]
        if decoded.shape != self.pixels.shape:
            raise SystemExit("compressai: the decoded picture has another size")


def compressai_model() -> torch.nn.Module:
    """bmshj2018-hyperprior at quality 4 (N = 128, M = 192), ready to compress."""
    from compressai.zoo import bmshj2018_hyperprior

    torch.manual_seed(0)
    model: torch.nn.Module = bmshj2018_hyperprior(quality=4, pretrained=False).eval()
    model.update()  # type: ignore[operator]
    return model


def seconds(action: Step) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(steps: Sequence[Step], rounds: int) -> list[float]:
    """Median seconds of each step over interleaved rounds; the first round does not count."""
    taken = [[seconds(step) for step in steps] for _ in range(rounds + 1)][1:]
    return [median(column) for column in zip(*taken, strict=True)]


def images_of(paths: Sequence[Path]) -> list[tuple[str, Image]]:
    if paths:
        return [(path.name, load_image(path)) for path in paths]
    return [("synthetic", Image(picture(768, 512)))]


def row(name: str, figures: Sequence[float]) -> str:
    """Encode, decode and total seconds of both, and by how much ncodec is faster."""
    ours, theirs = figures[0] + figures[1], figures[2] + figures[3]
    fields = [*figures[:2], ours, *figures[2:], theirs]
    return f"{name:<20}" + "".join(f"{value:9.3f}" for value in fields) + f"{theirs / ours:9.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quality", type=float, default=50)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    codec, model = ncodec.load_codec(device="cpu"), compressai_model()
    print(f"torch {torch.__version__}, {options.threads} threads, {options.rounds} rounds")
    print(f"{'median seconds':<20}{'ncodec':^27}{'compressai':^27}{'ratio':>9}")
    print(f"{'picture':<20}" + "".join(f"{name:>9}" for name in 2 * ("encode", "decode", "both")))
    totals = np.zeros(4)
    pictures = images_of(options.image)
    for name, image in pictures:
        ours, theirs = Ours(codec, image, options.quality), Theirs(model, image)
        steps = (ours.encode, ours.decode, theirs.encode, theirs.decode)
        figures = measure(steps, options.rounds)
        totals += figures
        print(row(name, figures), flush=True)
    print(row("mean", (totals / len(pictures)).tolist()))


if __name__ == "__main__":
    main()
