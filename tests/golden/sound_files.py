"""Golden files of sounds: what they are made of, and what is in them."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np

from ncodec.codecs.base import Target
from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.grvq_codes import CodeReader
from ncodec.codecs.grvq_indices import Codes
from ncodec.codecs.registry import entry_by_name, load, weights_for
from ncodec.container import Reader
from ncodec.media import Audio, save_audio
from tests.codecs.sounds import samples, sound

FOLDER = Path(__file__).parent / "sound"


def engine() -> GrvqCodec:
    """The sound codec itself, on the processor."""
    entry = entry_by_name("grvq")
    found = load(entry, weights_for(entry, None), "cpu")
    if not isinstance(found, GrvqCodec):
        raise TypeError(type(found))
    return found


def with_silence() -> Audio:
    """Half a second of sound between digital silence, in two channels."""
    array = np.zeros((24_000, 2), np.float32)
    array[9000:17_000] = samples(8000, 2)
    return Audio(array, 16_000)


CASES: dict[str, tuple[Audio, Target]] = {
    "three-kbps": (sound(36_000), Target("kbps", 3)),
    "stereo-finest": (sound(50_000, 2, 44_100), Target("quality", 100)),
    "low-rate-coarsest": (sound(9000, 1, 8000, seed=1), Target("quality", 0)),
    "with-silence": (with_silence(), Target("quality", 50)),
}


def codes(codec: GrvqCodec, data: bytes) -> list[Codes]:
    """The codes of every chunk of a file."""
    reader = CodeReader(codec.coder, Reader(data))
    return [reader.read(index) for index in range(len(reader))]


def codes_sha256(codec: GrvqCodec, data: bytes) -> str:
    """SHA-256 (hex) over all counts and indices of a file, with their shapes."""
    hasher = hashlib.sha256()
    for chunk in codes(codec, data):
        for array in (chunk.counts, chunk.indices):
            hasher.update(repr(array.shape).encode())
            hasher.update(array.astype("<i4").tobytes())
    return hasher.hexdigest()


def make_sounds() -> None:
    """Write all files and the sounds that they decode to."""
    codec = engine()
    FOLDER.mkdir(exist_ok=True)
    hashes = {}
    for name, (audio, target) in CASES.items():
        data = codec.compress(audio, target, verify=True).data
        (FOLDER / f"{name}.ncd").write_bytes(data)
        flac = io.BytesIO()
        save_audio(codec.decompress(Reader(data)), flac, "flac")
        (FOLDER / f"{name}.flac").write_bytes(flac.getvalue())
        hashes[name] = codes_sha256(codec, data)
    (FOLDER / "symbols.json").write_text(json.dumps(hashes, indent=1) + "\n")
