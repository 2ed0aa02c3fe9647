"""Golden files of codec `walloc`: what they are made of, and what is in them.

`python -m tests.golden.walloc_files` writes them, with the weights of the package.
"""

import hashlib
import io
import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs import registry, tiled_picture
from ncodec.codecs.base import Target
from ncodec.codecs.tiles import TileGrid
from ncodec.codecs.walloc import WallocPictures
from ncodec.codecs.walloc_decoding import ChunkReader
from ncodec.codecs.walloc_sound import WallocSounds
from ncodec.container import Reader
from ncodec.media import Audio, Image, save_audio, save_image
from tests.codecs.pictures import picture
from tests.codecs.sounds import sound

FOLDER = Path(__file__).parent / "walloc"

PICTURES: dict[str, tuple[Image, Target, int]] = {
    "rgb": (Image(picture(101, 75)), Target("quality", 50), 1024),
    "grey-coarse": (Image(picture(64, 40, 1)), Target("quality", 0), 1024),
    "tiles-fine": (Image(picture(150, 130, 4)), Target("quality", 95), 64),
}
SOUNDS: dict[str, tuple[Audio, Target]] = {
    "stereo": (sound(100_000, 2, 44_100), Target("quality", 60)),
    "low-rate": (sound(9000, 1, 8000, seed=1), Target("quality", 0)),
    "three-channels": (sound(60_000, 3, 48_000), Target("kbps", 60)),
}
"""Sides of tiles are those of the file."""


def picture_engine() -> WallocPictures:
    """The picture codec itself, on the processor."""
    row = registry.entry_by_name("walloc").rows[0]
    found = registry.load(row, registry.weights_for(row, None), "cpu")
    if not isinstance(found, WallocPictures):
        raise TypeError(type(found))
    return found


def sound_engine() -> WallocSounds:
    """The sound codec itself, on the processor."""
    row = registry.entry_by_name("walloc").rows[1]
    found = registry.load(row, registry.weights_for(row, None), "cpu")
    if not isinstance(found, WallocSounds):
        raise TypeError(type(found))
    return found


def symbols(data: bytes) -> list[NDArray[np.int32]]:
    """The symbols of every tile or second of a file."""
    reader = Reader(data)
    if registry.entry_of(reader.header).media == "audio":
        chunks = ChunkReader(sound_engine().chunks, reader)
        read = [chunks.symbols(index) for index in range(len(chunks))]
        return [array for found in read for array in (found.latents.values, found.levels)]
    codec, media, found = picture_engine(), reader.picture, list[NDArray[np.int32]]()
    grid = TileGrid(media.width, media.height, media.tile)
    for index, chunk in enumerate(reader.of_kind("L")):
        area = grid.box(index).align(codec.stride).divide(codec.stride)
        payload = reader.read(chunk)
        found.append(
            codec.latents.decode_symbols(payload, area.height, area.width, media.rate).values
        )
    return found


def symbols_sha256(data: bytes) -> str:
    """SHA-256 (hex) over all symbols of a file, with their shapes."""
    hasher = hashlib.sha256()
    for array in symbols(data):
        hasher.update(repr(array.shape).encode())
        hasher.update(array.astype("<i4").tobytes())
    return hasher.hexdigest()


def make_pictures() -> dict[str, bytes]:
    """Write the pictures' files and the pictures that they decode to."""
    codec, found = picture_engine(), {}
    before = tiled_picture.TILE
    for name, (image, target, tile) in PICTURES.items():
        tiled_picture.TILE = tile
        found[name] = codec.compress(image, target, verify=True).data
        with (FOLDER / f"{name}.png").open("wb") as file:
            save_image(codec.decompress(Reader(found[name])), file, "PNG")
    tiled_picture.TILE = before
    return found


def make_sounds() -> dict[str, bytes]:
    """Write the sounds that the sounds' files decode to."""
    codec, found = sound_engine(), {}
    for name, (audio, target) in SOUNDS.items():
        found[name] = codec.compress(audio, target, verify=True).data
        flac = io.BytesIO()
        save_audio(codec.decompress(Reader(found[name])), flac, "flac")
        (FOLDER / f"{name}.flac").write_bytes(flac.getvalue())
    return found


def make() -> None:
    """Write all files, and the hashes of their symbols."""
    FOLDER.mkdir(exist_ok=True)
    with patch("ncodec.models.blocks.matrix_tiles", return_value=False):  # float32: the reference
        files = make_pictures() | make_sounds()
    for name, data in files.items():
        (FOLDER / f"{name}.ncd").write_bytes(data)
    hashes = {name: symbols_sha256(data) for name, data in files.items()}
    (FOLDER / "symbols.json").write_text(json.dumps(hashes, indent=1) + "\n")


if __name__ == "__main__":
    make()
