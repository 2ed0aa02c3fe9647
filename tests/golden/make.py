"""Makes the golden files anew: `python -m tests.golden.make`, after the weights changed.

From the first release on, golden files are only added, never replaced.
"""

import io
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from ncodec.api import Codec, load_codec
from ncodec.codecs import tiled_picture
from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.codecs.registry import entry_by_name, load, weights_for
from ncodec.media import Image, Metadata, save_image
from tests.codecs.pictures import picture
from tests.golden.sound_files import make_sounds
from tests.golden.symbols import symbols_sha256

HERE = Path(__file__).parent
DETAILS = Metadata(icc=b"not a real profile", exif=b"MM\0*\0\0\0\x08")
CASES: dict[str, tuple[Image, dict[str, Any], int]] = {
    "rgb": (Image(picture(83, 61)), {"quality": 55.5}, 1024),
    "grey-coarse": (Image(picture(70, 50, 1)), {"quality": 0}, 1024),
    "rgba-metadata": (Image(picture(33, 47, 4), DETAILS), {"psnr": 30}, 1024),
    "tiles-fine": (Image(picture(150, 100)), {"quality": 100}, 64),
}


def engine() -> HyperpriorCodec:
    """The codec itself, on the processor."""
    entry = entry_by_name("hyperprior")
    found = load(entry, weights_for(entry, None), "cpu")
    if not isinstance(found, HyperpriorCodec):
        raise TypeError(type(found))
    return found


def make(name: str, codec: Codec) -> str:
    """Write `name`.ncd and the picture that it decodes to; returns the hash of its symbols."""
    image, target, tiled_picture.TILE = CASES[name]
    data = codec.encode(image, verify=True, **target)
    (HERE / f"{name}.ncd").write_bytes(data)
    png = io.BytesIO()
    save_image(Image(np.ascontiguousarray(codec.decode(data).array)), png, "PNG")
    (HERE / f"{name}.png").write_bytes(png.getvalue())
    return symbols_sha256(engine(), data)


def main() -> None:
    """Make all of them."""
    with patch("ncodec.models.blocks.matrix_tiles", return_value=False):  # float32: the reference
        codec = load_codec("hyperprior", "cpu")
        hashes = {name: make(name, codec) for name in CASES}
    (HERE / "symbols.json").write_text(json.dumps(hashes, indent=1) + "\n")
    make_sounds()


if __name__ == "__main__":
    main()
