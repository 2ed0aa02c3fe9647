"""One process of `determinism.py`: decodes streams and prints digests as JSON.

Arguments: folder of streams, folder for pixels, memory format, order, device, threads. The order
is "whole" (the decoder's own), "forwards" or "backwards" (tile by tile).
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ncodec.codecs import registry
from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.codecs.tiles import TileGrid
from ncodec.container import Reader
from ncodec.entropy import Encoder
from ncodec.models.blocks import lay_out
from ncodec.models.hyperprior import STRIDE


def coder_digest(codec: HyperpriorCodec, folder: Path) -> str:
    """SHA-256 of the payload that given symbols make."""
    encoder = Encoder()
    rows, symbols = (np.load(folder / f"{name}.npy") for name in ("rows", "symbols"))
    encoder.encode(symbols, rows, codec.latents.tables)
    return hashlib.sha256(encoder.finish()).hexdigest()


def tile_order(grid: TileGrid, order: str) -> list[int]:
    return list(reversed(range(len(grid)))) if order == "backwards" else list(range(len(grid)))


def symbols_digest(codec: HyperpriorCodec, reader: Reader, grid: TileGrid, order: str) -> str:
    """SHA-256 over the symbols of all tiles, in the order of the file."""
    found = {}
    chunks = reader.of_kind("L")
    for index in tile_order(grid, order):
        box = grid.box(index).align(STRIDE).divide(STRIDE)
        payload, rate = reader.read(chunks[index]), reader.picture.rate
        symbols = codec.latents.decode_symbols(payload, box.height, box.width, rate)
        found[index] = [symbol.astype("<i4") for symbol in vars(symbols).values()]
    hasher = hashlib.sha256()
    for index in sorted(found):
        for array in found[index]:
            hasher.update(array.tobytes())
    return hasher.hexdigest()


def pixels(codec: HyperpriorCodec, reader: Reader, grid: TileGrid, order: str) -> NDArray[np.uint8]:
    """The picture, decoded at once or as one region a tile."""
    if order == "whole":
        return codec.decompress(reader).array
    parts = {}
    for index in tile_order(grid, order):
        parts[index] = codec.decompress(reader, region=grid.box(index).region).array
    whole = np.zeros((grid.picture.height, grid.picture.width, *parts[0].shape[2:]), np.uint8)
    for index, part in parts.items():
        whole[grid.box(index).slices] = part
    return whole


def main() -> None:
    streams, out = Path(sys.argv[1]), Path(sys.argv[2])
    memory_format, order, device, threads = sys.argv[3:]
    torch.set_num_threads(int(threads))
    weights = registry.weights_for(registry.entry_by_name("hyperprior"), None)
    codec = HyperpriorCodec(weights, device)
    lay_out(codec.model, getattr(torch, memory_format))
    digests = {}
    for path in sorted(streams.glob("*.ncd")):
        reader = Reader(path.read_bytes())
        media = reader.picture
        grid = TileGrid(media.width, media.height, media.tile)
        digests[path.stem] = symbols_digest(codec, reader, grid, order)
        np.save(out / f"{path.stem}.npy", pixels(codec, reader, grid, order))
    said = {"torch": torch.__version__, "coder": coder_digest(codec, streams), "symbols": digests}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
