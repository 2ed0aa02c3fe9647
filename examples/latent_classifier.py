"""Learn from compressed pictures: a classifier that reads latents, and one that reads pixels.

Makes pictures of ten kinds of patterns, encodes them with codec `walloc`, and trains two small
networks of equally many multiply-accumulates: one on the latents of the files, which never become
pixels, and one on the decoded pictures. Prints accuracy and speed of both, from file to class.

    python examples/latent_classifier.py --pictures 250 --epochs 12
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

import ncodec
from ncodec.datasets import LatentDataset

SIDE = 64
HELD_OUT = 0.25
Waves = NDArray[np.float64]

KINDS: dict[str, Callable[[Waves, Waves, Waves], Waves]] = {
    "stripes": lambda x, y, p: np.sin(p[0] * x),
    "diagonals": lambda x, y, p: np.sin(p[0] * (x + y)),
    "checks": lambda x, y, p: np.sin(p[0] * x) * np.sin(p[0] * y),
    "rings": lambda x, y, p: np.sin(p[0] * np.hypot(x, y)),
    "spirals": lambda x, y, p: np.sin(p[0] * np.hypot(x, y) + 3 * np.arctan2(y, x)),
    "rays": lambda x, y, p: np.sin(np.rint(8 * p[0]) * np.arctan2(y, x)),
    "dots": lambda x, y, p: (np.cos(p[0] * x) + np.cos(p[0] * y) > 1.2) * 2.0 - 1,
    "waves": lambda x, y, p: np.sin(p[0] * x + 2 * np.sin(p[1] * y)),
    "lattice": lambda x, y, p: np.maximum(np.sin(p[0] * x), np.sin(p[1] * y)),
    "saw": lambda x, y, p: 2 * ((p[0] * y / 6 + np.abs((p[1] * x / 6) % 2 - 1)) % 1) - 1,
}


def pattern(kind: str, random: np.random.Generator) -> NDArray[np.uint8]:
    """A picture uint8 [64, 64, 3]: the pattern turned, moved, in random colours, under noise."""
    row, column = np.mgrid[:SIDE, :SIDE] / 8 - random.uniform(2, 6, (2, 1, 1))
    angle = random.uniform(-0.25, 0.25)
    x = np.cos(angle) * column + np.sin(angle) * row
    y = np.cos(angle) * row - np.sin(angle) * column
    shade = KINDS[kind](x, y, random.uniform(1.5, 4, 2))
    light = random.uniform(60, 190, 3)
    colour = light + shade[..., None] * random.uniform(-60, 60, 3)
    noisy: NDArray[np.float64] = colour + random.normal(0, 25, colour.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def make_files(folder: Path, pictures: int, quality: float) -> None:
    """`pictures` files of each kind, a folder a kind."""
    codec, random = ncodec.load_codec("walloc", "cpu"), np.random.default_rng(0)
    for kind in KINDS:
        (folder / kind).mkdir()
        for number in range(pictures):
            data = codec.encode(pattern(kind, random), quality=quality)
            (folder / kind / f"{number:04d}.ncd").write_bytes(data)


def layer(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    """A 3x3 convolution, normalised, with a ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def from_latents() -> nn.Sequential:
    """Latents [B, 96, 8, 8] -> scores [B, 10]."""
    layers = [*layer(96, 80), *layer(80, 96)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, len(KINDS)))


def from_pixels() -> nn.Sequential:
    """Pixels [B, 3, 64, 64] -> scores [B, 10]."""
    layers = [*layer(3, 24, 2), *layer(24, 48, 2), *layer(48, 96, 2), *layer(96, 52)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(52, len(KINDS)))


def multiplications(network: nn.Sequential, x: Tensor) -> int:
    """Multiply-accumulates of one item x [1, ...]."""
    total = 0
    for part in network:
        x = part(x)
        if isinstance(part, nn.Conv2d | nn.Linear):
            total += part.weight.numel() * x[0, 0].numel()
    return total


def read(files: list[Path], load: Callable[[Path], Tensor]) -> tuple[Tensor, float]:
    """All items, and how many were read a second."""
    begin = time.perf_counter()
    items = torch.stack([load(file) for file in files])
    return items, len(files) / (time.perf_counter() - begin)


def pixels(file: Path) -> Tensor:
    """A decoded picture [3, H, W] in -1..1."""
    image = ncodec.decode(file, device="cpu")
    if not isinstance(image, ncodec.Image):
        raise TypeError(f"{file} holds no picture")
    return image.to_tensor().float() / 127.5 - 1


def train(network: nn.Sequential, items: Tensor, labels: Tensor, epochs: int) -> None:
    """Train for so many epochs, the step size falling to zero."""
    batches = len(items) // 32
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=epochs * batches)
    for _ in range(epochs):
        order = torch.randperm(len(items))[: 32 * batches]
        for chosen in order.reshape(batches, 32):
            loss = F.cross_entropy(network(items[chosen]), labels[chosen])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()


@torch.inference_mode()
def report(
    name: str, network: nn.Sequential, items: Tensor, labels: Tensor, reading: float
) -> float:
    """Print accuracy on held-out files, and speed from file to class; returns the accuracy."""
    network.eval()
    begin = time.perf_counter()
    found = network(items).argmax(1)
    seconds = (time.perf_counter() - begin) / len(items) + 1 / reading
    accuracy = float((found == labels).float().mean())
    macs = multiplications(network, items[:1]) / 1e6
    print(f"{name:<8} {accuracy:7.1%}  {1 / seconds:8.0f} files/s  {macs:.2f} M multiplications")
    return accuracy


def compare(folder: Path, epochs: int) -> dict[str, float]:
    """Train and test both classifiers; returns their accuracies."""
    dataset = LatentDataset.from_folder(folder)
    random = np.random.default_rng(1)
    held = torch.from_numpy(random.random(len(dataset)) < HELD_OUT)
    labels = torch.tensor(dataset.labels)
    codec = ncodec.load_codec("walloc", "cpu")
    ways: dict[str, tuple[Callable[[Path], Tensor], nn.Sequential]] = {
        "latents": (lambda file: codec.latents(file) / 2, from_latents()),
        "pixels": (pixels, from_pixels()),
    }
    accuracies = {}
    for name, (load, network) in ways.items():
        items, reading = read(dataset.files, load)
        torch.manual_seed(0)
        train(network, items[~held], labels[~held], epochs)
        accuracies[name] = report(name, network, items[held], labels[held], reading)
    return accuracies


def main() -> None:
    """Read the options, make the files, compare."""
    parser = argparse.ArgumentParser(description="Classify compressed pictures.")
    parser.add_argument("--pictures", type=int, default=250, help="of each of the ten kinds")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--quality", type=float, default=30)
    options = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder), options.pictures, options.quality)
        compare(Path(folder), options.epochs)


if __name__ == "__main__":
    main()
