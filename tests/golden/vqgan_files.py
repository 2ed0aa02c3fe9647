"""Golden files of codec `vqgan`: what they are made of, and what is in them.

`python -m tests.golden.vqgan_files` writes them, with the weights of the package.
"""

import hashlib
import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
from skimage import data

from ncodec.codecs import registry, tiled_picture
from ncodec.codecs.base import Target
from ncodec.codecs.tile_decoding import DecodeJob
from ncodec.codecs.vqgan import VqganCodec
from ncodec.codecs.vqgan_words import Map
from ncodec.container import Reader
from ncodec.media import Image, save_image
from tests.codecs.pictures import picture

FOLDER = Path(__file__).parent / "vqgan"


def cat() -> Image:
    """A photograph of 451 x 300 pixels."""
    return Image(np.ascontiguousarray(data.chelsea()))  # type: ignore[no-untyped-call]


PICTURES: dict[str, tuple[Image, Target, int]] = {
    "cat": (cat(), Target("quality", 60), 1024),
    "grey-coarse": (Image(picture(164, 40, 1)), Target("quality", 0), 1024),
    "tiles-fine": (Image(picture(150, 130, 4)), Target("quality", 100), 64),
    "left-out": (cat(), Target("quality", 60, 20), 1024),
}
"""Sides of tiles are those of the file."""


def engine() -> VqganCodec:
    """The codec itself, on the processor."""
    entry = registry.entry_by_name("vqgan")
    found = registry.load(entry, registry.weights_for(entry, None), "cpu")
    if not isinstance(found, VqganCodec):
        raise TypeError(type(found))
    return found


def words(codec: VqganCodec, file: bytes) -> list[Map]:
    """The words of every tile of a file."""
    job = DecodeJob(codec, Reader(file), partial=False)
    return [codec.read_all(job.parts(i), job.area(i), job.rate) for i in range(len(job.grid))]


def words_sha256(file: bytes) -> str:
    """SHA-256 (hex) over all words of a file, with their shapes."""
    hasher = hashlib.sha256()
    for tile in words(engine(), file):
        hasher.update(repr(tuple(tile.shape)).encode())
        hasher.update(tile.numpy().astype("<i4").tobytes())
    return hasher.hexdigest()


def make() -> None:
    """Write all files, the pictures that they decode to, and the hashes of their words."""
    FOLDER.mkdir(exist_ok=True)
    before, hashes = tiled_picture.TILE, {}
    with patch("ncodec.models.blocks.matrix_tiles", return_value=False):  # float32: the reference
        for name, (image, target, tile) in PICTURES.items():
            tiled_picture.TILE = tile
            file = engine().compress(image, target, verify=True).data
            (FOLDER / f"{name}.ncd").write_bytes(file)
            with (FOLDER / f"{name}.png").open("wb") as png:
                save_image(Image(engine().decompress(Reader(file)).array), png, "PNG")
            hashes[name] = words_sha256(file)
    tiled_picture.TILE = before
    (FOLDER / "symbols.json").write_text(json.dumps(hashes, indent=1) + "\n")


if __name__ == "__main__":
    make()
