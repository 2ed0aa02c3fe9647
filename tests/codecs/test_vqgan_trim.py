"""Cutting files of words to smaller codebooks, without networks."""

import numpy as np
import pytest

import ncodec
from ncodec.api import Codec
from ncodec.codecs import tiled_picture
from ncodec.codecs.tile_decoding import DecodeJob
from ncodec.codecs.vqgan_contexts import coarser
from ncodec.codecs.vqgan_rate import Rate
from ncodec.container import Reader
from ncodec.errors import CorruptFileError, OptionError
from ncodec.media import Image, Metadata

from .pictures import decoded, picture, psnr
from .test_vqgan import engine_of

SOURCE = picture(320, 256)


def info_of(blob: bytes) -> ncodec.ImageInfo:
    info = ncodec.read_info(blob)
    assert isinstance(info, ncodec.ImageInfo)
    return info


@pytest.fixture
def full(vqgan: Codec) -> bytes:
    return vqgan.encode(SOURCE, quality=100)


@pytest.mark.parametrize("share", [0.4, 0.6, 0.9])
def test_a_trimmed_file_has_the_size_and_coarser_words(
    vqgan: Codec, full: bytes, share: float
) -> None:
    size = int(share * len(full))
    data = ncodec.trim(full, size=size)
    assert 0.9 * size <= len(data) <= size
    engine, rate = engine_of(vqgan), Rate.of(Reader(data).picture.rate)
    jobs = [DecodeJob(engine, Reader(blob), partial=False) for blob in (full, data)]
    before, after = (engine.read_all(job.parts(0), job.area(0), job.rate) for job in jobs)
    books = [engine.contexts.codebook(step) for step in (96, rate.step)]
    np.testing.assert_array_equal(after, coarser(before, *books))
    assert psnr(decoded(vqgan, data).array, SOURCE) > 12


def test_more_can_be_cut_from_what_was_cut(vqgan: Codec, full: bytes) -> None:
    once = ncodec.trim(full, bpp=0.7 * info_of(full).bpp)
    twice = ncodec.trim(once, bpp=0.5 * info_of(full).bpp)
    assert info_of(full).quality > info_of(once).quality > info_of(twice).quality
    assert twice == ncodec.trim(full, bpp=0.5 * info_of(full).bpp)


def test_a_file_that_is_small_enough_stays_as_it_is(vqgan: Codec, full: bytes) -> None:
    assert ncodec.trim(full, size=len(full)) == full
    lowest = vqgan.encode(SOURCE, quality=0)
    assert ncodec.trim(lowest, size=10**9) == lowest
    with pytest.raises(OptionError, match="lowest"):
        ncodec.trim(full, size=len(lowest) // 2)


def test_what_was_left_out_stays_so(vqgan: Codec) -> None:
    blob = vqgan.encode(SOURCE, quality=100, drop=20)
    data = ncodec.trim(blob, size=len(blob) * 2 // 3)
    assert info_of(data).left_out == 20
    before, after = (decoded(vqgan, each).concealed for each in (blob, data))
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before, after)


def test_alpha_metadata_and_tiles_stay(vqgan: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled_picture, "TILE", 64)
    source = Image(picture(150, 140, 2), Metadata(exif=b"MM\0*\0\0\0\x08"))
    blob = vqgan.encode(source, quality=100, strip=False)
    words = len(blob) - info_of(blob).payload
    data = ncodec.trim(blob, size=words + info_of(blob).payload * 2 // 3)
    image = decoded(vqgan, data)
    assert image.metadata == source.metadata
    np.testing.assert_array_equal(image.array[..., 1], source.array[..., 1])
    assert info_of(data).tiles == 9


def test_damage_and_wrong_targets_are_errors(codec: Codec, vqgan: Codec, full: bytes) -> None:
    changed = bytearray(full)
    changed[-1] ^= 1
    with pytest.raises(CorruptFileError):
        ncodec.trim(bytes(changed), size=200)
    with pytest.raises(OptionError, match="takes"):
        ncodec.trim(full, kbps=3)
    with pytest.raises(OptionError, match="one target"):
        ncodec.trim(full, size=100, bpp=0.01)
    with pytest.raises(OptionError, match="give size"):
        ncodec.trim(full)
    with pytest.raises(OptionError, match="can't be trimmed"):
        ncodec.trim(codec.encode(picture(20, 20)), size=1000)
