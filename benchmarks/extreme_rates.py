"""Pictures at extreme rates: what `vqgan` makes of them, beside what else there is.

- Rates: `vqgan` at four qualities, AVIF of smaller pictures at the same bytes, AVIF at its lowest
  quality, `hyperprior` and `walloc`: bits of whole files, metrics, seconds on one thread.
- Cross-over: the rate from which `hyperprior` and `walloc` are better than `vqgan` at its best.
- Words: how many of the codebook pictures use, and what entropy coding saves of their raw bits.
- Losses: words lost at random, in bursts and every second row; guessed, and taken from the nearest.
- Leaving words out (`--drop`), against a lower quality at equal bytes.

Results of `ncodec eval` and the page of `ncodec report` go to OUT, tables to OUT/extreme.md and
OUT/extreme.json, pictures with lost words to OUT/losses.png.

A Kodak picture takes one to two minutes of one core, half of that for losses.

Run it as `python -m benchmarks.extreme_rates FOLDER [--out OUT] [--pictures N] [--losses N]`.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

import ncodec
from ncodec.codecs.base import Target
from ncodec.codecs.registry import entry_by_name, weights_for
from ncodec.codecs.tile_decoding import CODED
from ncodec.codecs.tiled_picture import TiledPictureCodec
from ncodec.codecs.tiles import Box
from ncodec.codecs.vqgan import VqganCodec
from ncodec.codecs.vqgan_contexts import Codebook
from ncodec.codecs.vqgan_rate import Rate
from ncodec.container import Reader
from ncodec.evaluation import Listener, Results, evaluate, feature_distance, ms_ssim, psnr
from ncodec.evaluation.losses import burst_losses, random_losses
from ncodec.evaluation.report import Media, report
from ncodec.evaluation.results import Row
from ncodec.evaluation.scores import planes
from ncodec.evaluation.subjects import DOWNSCALED, EXTREME
from ncodec.files import PICTURES
from ncodec.media import Image, load_image
from ncodec.models.word_tree import WORDS

QUALITIES = {
    EXTREME: (0, 50, 80, 100),
    DOWNSCALED: (0, 50, 80, 100),
    "avif": (0,),
    "hyperprior": (0, 8),
    "walloc": (0, 8),
}
SHOWN_BPP = 0.03
SHARES = (0.05, 0.1, 0.2, 0.4)
BURST = 8.0
LOSSY_QUALITIES = (50, 100)
DROPS = (10, 20, 30)
DROPPING_QUALITY = 75
GAP = 4
"""Pixels between the pictures of `losses.png`."""

Words = torch.Tensor
Lost = NDArray[np.bool_]
Where = Callable[[int, int, int], Lost]
"""Which words are lost, by rows, columns and a seed."""
Metrics = tuple[float, float, float]


@dataclass
class Table:
    """Figures under headings; floats stand with so many digits as their column says."""

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: list[list[float | str | None]]

    def markdown(self) -> str:
        head = [name for name, _ in self.columns]
        lines = [self._row(row) for row in self.rows]
        whole = [head, ["---"] * len(head), *lines]
        return "\n".join([f"{self.title}:", "", *(f"| {' | '.join(cells)} |" for cells in whole)])

    def _row(self, row: list[float | str | None]) -> list[str]:
        return [
            value if isinstance(value, str) else "" if value is None else format(value, form)
            for value, (_, form) in zip(row, self.columns, strict=True)
        ]


LIKENESS = (("PSNR", ".2f"), ("MS-SSIM", ".4f"), ("feature distance", ".4f"))


class Told(Listener):
    """Says on the screen what an evaluation has done."""

    def progress(self, done: int, total: int, name: str) -> None:
        print(f"\r{done}/{total} {name:<40}", end="", flush=True)

    def warning(self, text: str) -> None:
        print(f"\n{text}", flush=True)


def spread(paths: Sequence[Path], count: int | None) -> Sequence[Path]:
    """All paths, or so many of them at equal distances."""
    if count is None or count >= len(paths):
        return paths
    return [paths[(2 * i + 1) * len(paths) // (2 * count)] for i in range(count)]


def images_of(paths: Sequence[Path]) -> list[Image]:
    return [Image(load_image(path).colour) for path in paths]


def measured(folder: Path, paths: Sequence[Path], out: Path) -> Results:
    """The rows of all codecs, and the page of them."""
    skip = [path for path in folder.rglob("*") if path.is_file() and path not in paths]
    results = evaluate(
        folder,
        list(QUALITIES),
        qualities=QUALITIES,
        output=out,
        device="cpu",
        threads=1,
        skip=skip,
        listener=Told(),
    )
    report(out, media=Media(folder, bpp=SHOWN_BPP, device="cpu"), overwrite=True)
    return results


def rates(results: Results) -> Table:
    """Means of each codec and quality."""
    columns = {
        "bytes": ".0f", "bpp": ".4f", "psnr": ".2f", "ms_ssim": ".4f", "ssimulacra2": ".1f",
        "feature_distance": ".4f", "top1_agreement": ".1%", "encode_seconds": ".2f",
        "decode_seconds": ".2f",
    }  # fmt: skip
    heads = (("codec", ""), ("quality", "g"), ("files", ".0f"), *columns.items())
    order = list(QUALITIES)
    means = sorted(results.averages, key=lambda average: order.index(average.codec))
    rows: list[list[float | str | None]] = [
        [mean.codec, mean.quality, mean.files, *(mean.metrics[name] for name in columns)]
        for mean in means
    ]
    return Table("Means of whole files, seconds on one thread", heads, rows)


def metrics_of(original: Image, shown: Image) -> Metrics:
    """PSNR, MS-SSIM and feature distance."""
    both = planes(original), planes(shown)
    return float(psnr(*both)[0]), float(ms_ssim(*both)[0]), float(feature_distance(*both)[0])


def cross_overs(results: Results) -> Table:
    """From which rate other codecs are better than `vqgan`; the median picture."""
    better = {"psnr": 1, "ms_ssim": 1, "ssimulacra2": 1, "feature_distance": -1}
    names = [name for name in ("hyperprior", "walloc") if name in results.codecs]
    columns = (("codec", ""), ("lowest", ".4f"), *((metric, ".4f") for metric in better))
    rows: list[list[float | str | None]] = []
    for name in names:
        files = sorted({row.file for row in results.rows if row.codec == name})
        lowest = [_curve(results, name, file, "psnr", 1)[0][0] for file in files]
        found = [
            median(cross_over(results, name, file, metric, sign) for file in files)
            for metric, sign in better.items()
        ]
        rows.append([name, median(lowest), *found])
    title = f"Bits a pixel from which a codec is better than {EXTREME}, and its lowest; medians"
    return Table(title, columns, rows)


def cross_over(results: Results, name: str, file: str, metric: str, sign: int) -> float:
    """Where the curve of a codec first is above that of `vqgan`; inf where it never is.

    Beyond its highest rate `vqgan` stays as good as it is there.
    """
    low = _curve(results, EXTREME, file, metric, sign)
    bits, heights = zip(*low, strict=True)
    before: tuple[float, float] | None = None
    for bpp, value in _curve(results, name, file, metric, sign):
        gain = value - float(np.interp(math.log(bpp), np.log(bits), heights))
        if gain >= 0:
            if before is None:
                return bpp
            share = before[1] / (before[1] - gain)
            return math.exp(before[0] + share * (math.log(bpp) - before[0]))
        before = math.log(bpp), gain
    return math.inf


def _curve(
    results: Results, name: str, file: str, metric: str, sign: int
) -> list[tuple[float, float]]:
    """(bits a pixel, metric turned such that more is better) of a picture, by rising rate."""
    rows = [r for r in results.rows if r.codec == name and r.file == file and r.error is None]
    return sorted((_value(row, "bpp"), sign * _value(row, metric)) for row in rows)


def _value(row: Row, name: str) -> float:
    value: float | None = getattr(row, name)
    return math.nan if value is None else value


class Model:
    """The codec's parts: words of pictures, and pictures of words."""

    def __init__(self) -> None:
        self.codec = VqganCodec(weights_for(entry_by_name(EXTREME), None))

    def file(self, image: Image, target: Target) -> bytes:
        return self.codec.compress(image, target).data

    def shown(self, data: bytes) -> Image:
        return self.codec.decompress(Reader(data))

    def words(self, data: bytes) -> tuple[Words, Codebook, int]:
        """The words [h, w] of a file that has them all, what they mean, and the file's rate."""
        reader = Reader(data)
        rate = reader.picture.rate
        book = self.codec.contexts.codebook(Rate.of(rate).step)
        number = torch.zeros(int(book.nodes.max()) + 1, dtype=torch.int64)
        number[torch.from_numpy(book.nodes).long()] = torch.arange(book.size + 1)
        return number[TiledPictureCodec.read_latents(self.codec, reader)[0]], book, rate

    def painted(self, words: Words, book: Codebook, rate: int, size: tuple[int, int]) -> Image:
        """The picture (width, height) that words stand for."""
        nodes = torch.from_numpy(book.nodes).long()[words]
        latent = torch.stack([nodes, torch.full_like(nodes, CODED)])[None]
        return Image(self.codec.synthesise(latent, rate, Box(0, 0, *size)))


def word_use(model: Model, images: Sequence[Image]) -> Table:
    """Words that all pictures use at the finest size; bits of payloads against raw ones."""
    rows: list[list[float | str | None]] = []
    for quality in QUALITIES[EXTREME]:
        counts, coded, raw = np.zeros(WORDS, np.int64), 0, 0.0
        for image in images:
            data = model.file(image, Target("quality", quality))
            words, book, _ = model.words(data)
            counts += np.bincount(words.flatten().numpy(), minlength=WORDS)
            coded += 8 * ncodec.read_info(data).payload
            raw += words.numel() * math.log2(book.size)
        shares = counts[counts > 0] / counts.sum()
        perplexity = 2 ** float(-(shares * np.log2(shares)).sum())
        used = len(shares) / book.size
        rows.append([quality, book.size, used, perplexity, coded / counts.sum(), 1 - coded / raw])
    columns = (
        ("quality", "g"), ("codebook", ".0f"), ("used", ".1%"), ("perplexity", ".0f"),
        ("bits a word", ".2f"), ("saved", ".1%"),
    )  # fmt: skip
    return Table("Words used by all pictures; payloads against log2 of the codebook", columns, rows)


def at_random(share: float, height: int, width: int, seed: int) -> Lost:
    return random_losses(height * width, share, seed).reshape(height, width)


def in_bursts(share: float, height: int, width: int, seed: int) -> Lost:
    return burst_losses(height * width, share, BURST, seed).reshape(height, width)


def second_rows(height: int, width: int, _: int) -> Lost:
    """What a chunk that is lost takes with it."""
    return np.repeat(np.arange(height)[:, None] % 2 == 1, width, 1)


LOSSES: dict[str, Where] = {
    **{f"{share:.0%} at random": partial(at_random, share) for share in SHARES},
    **{f"{share:.0%} in bursts of {BURST:g}": partial(in_bursts, share) for share in SHARES},
    "every second row": second_rows,
}


def nearest(words: Words, lost: Lost) -> Words:
    """The map with the nearest word that is there in place of lost ones."""
    if lost.all():
        return words
    rows, columns = distance_transform_edt(lost, return_distances=False, return_indices=True)
    return words[torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]


class Damage:
    """What becomes of pictures at one quality when words are lost."""

    def __init__(self, model: Model, images: Sequence[Image], quality: float) -> None:
        self.model, self.images, self.quality = model, images, quality
        self.maps = [model.words(model.file(i, Target("quality", quality))) for i in images]

    def table(self) -> Table:
        whole = self.figures(None)[0]
        rows: list[list[float | str | None]] = [["nothing", *whole, 0.0, None, None, None, None]]
        for what, where in LOSSES.items():
            guessed, near = self.figures(where)
            ratios = [figures[2] / whole[2] - 1 for figures in (guessed, near)]
            rows.append([what, *guessed, ratios[0], *near, ratios[1]])
        beside = (("more", "+.1%"),)
        names = [(f"nearest: {name}", form) for name, form in (*LIKENESS, *beside)]
        columns = (("lost", ""), *LIKENESS, *beside, *names)
        return Table(f"Lost words at quality {self.quality:g}: guessed, nearest", columns, rows)

    def figures(self, where: Where | None) -> tuple[list[float], ...]:
        """Means of pictures with guesses, and with the nearest words."""
        found = []
        for index, image in enumerate(self.images):
            shown = self.pair(index, where)
            found.append([metrics_of(image, picture) for picture in shown])
        means: NDArray[np.float64] = np.mean(found, axis=0)
        return tuple(row.tolist() for row in means)

    def pair(self, index: int, where: Where | None) -> list[Image]:
        """One picture with guesses, and with the nearest words; the same where nothing is lost."""
        words, book, rate = self.maps[index]
        size = self.images[index].width, self.images[index].height
        if where is None:
            return [self.model.painted(words, book, rate, size)]
        height, width = words.shape
        lost = where(height, width, index)
        gone = words.masked_fill(torch.from_numpy(lost), book.size)
        fills = self.model.codec.guesser.filled(gone, book), nearest(words, lost)
        return [self.model.painted(fill, book, rate, size) for fill in fills]

    def draw(self, path: Path) -> None:
        """The first picture, whole and with random losses: guessed above, the nearest below."""
        random = [where for what, where in LOSSES.items() if "random" in what]
        columns = [2 * self.pair(0, None), *(self.pair(0, where) for where in random)]
        gap = np.full((GAP, self.images[0].width, 3), 255, np.uint8)
        stacked = [np.concatenate([above.array, gap, below.array]) for above, below in columns]
        PIL.Image.fromarray(np.concatenate(stacked, 1)).save(path)


def dropping(model: Model, images: Sequence[Image]) -> Table:
    """Words left out by the encoder, against a lower quality at most that many bytes."""
    rows: list[list[float | str | None]] = []
    for drop in (0, *DROPS):
        found = []
        for image in images:
            data = model.file(image, Target("quality", DROPPING_QUALITY, drop))
            lower = model.file(image, Target("size", len(data)))
            both = [(len(d), *metrics_of(image, model.shown(d))) for d in (data, lower)]
            found.append(both[0] + both[1])
        rows.append([f"{drop} %", *np.mean(found, axis=0).tolist()])
    heads = (("bytes", ".0f"), *LIKENESS)
    columns = (("left out", ""), *heads, *((f"lower quality: {n}", form) for n, form in heads))
    title = f"Words left out at quality {DROPPING_QUALITY}, and a lower quality of no more bytes"
    return Table(title, columns, rows)


def of_model(paths: Sequence[Path], few: Sequence[Path], out: Path) -> Iterator[Table]:
    """The tables that look into the codec; `few` pictures for the slow ones."""
    model = Model()
    yield word_use(model, images_of(paths))
    images = images_of(few)
    for quality in LOSSY_QUALITIES:
        damage = Damage(model, images, quality)
        yield damage.table()
    damage.draw(out / "losses.png")
    yield dropping(model, images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("extreme"))
    parser.add_argument("--pictures", type=int, metavar="N", help="so many of the folder's [all]")
    parser.add_argument("--losses", type=int, metavar="N", help="of these for losses and drops")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = sorted(p for p in options.folder.iterdir() if p.suffix.lower() in PICTURES)
    paths = spread(found, options.pictures)
    results = measured(options.folder, paths, options.out)
    few = spread(paths, options.losses)
    tables = []
    for table in (rates(results), cross_overs(results), *of_model(paths, few, options.out)):
        print(f"\n{table.markdown()}", flush=True)
        tables.append(table)
    text = "\n\n".join(table.markdown() for table in tables) + "\n"
    (options.out / "extreme.md").write_text(text)
    (options.out / "extreme.json").write_text(json.dumps([asdict(t) for t in tables], indent=1))


if __name__ == "__main__":
    main()
