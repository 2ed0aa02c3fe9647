"""The `vqgan` codec with untrained weights: sizes, targets, tiles, metadata."""

import warnings

import numpy as np
import pytest
import torch

import ncodec
from ncodec.api import Codec
from ncodec.codecs import registry, tiled_picture
from ncodec.codecs.tile_decoding import DecodeJob
from ncodec.codecs.tiles import Box
from ncodec.codecs.vqgan import VqganCodec
from ncodec.container import Reader
from ncodec.errors import NcodecWarning, OptionError
from ncodec.media import Image, Metadata

from .pictures import decoded, largest_difference, picture, psnr

SIZES = [(1, 1), (1, 40), (16, 16), (40, 1), (17, 5), (33, 64), (64, 40), (130, 67)]
DETAILS = Metadata(icc=b"not a real profile", exif=b"MM\0*\0\0\0\x08")


def engine_of(codec: Codec) -> VqganCodec:
    found = registry.load(codec.entry, codec.entry.weights[-1], "cpu")
    assert isinstance(found, VqganCodec)
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_size_and_kind_keeps_its_shape(
    vqgan: Codec, size: tuple[int, int], channels: int
) -> None:
    source = picture(*size, channels)
    for quality in (0, 55.5, 100):
        image = decoded(vqgan, vqgan.encode(source, quality=quality, verify=True))
        assert image.array.shape == source.shape
        assert image.concealed is None
        if image.alpha is not None:
            np.testing.assert_array_equal(image.alpha, source[..., -1])


def test_more_quality_takes_more_bytes_and_is_better(vqgan: Codec) -> None:
    source = picture(320, 256)
    blobs = [vqgan.encode(source, quality=q) for q in (0, 35, 70, 100)]
    assert [len(blob) for blob in blobs] == sorted(len(blob) for blob in blobs)
    figures = [psnr(decoded(vqgan, blob).array, source) for blob in blobs]
    assert figures == sorted(figures)
    assert figures[-1] > figures[0] + 0.5


def test_targets_are_met(vqgan: Codec) -> None:
    source = picture(320, 256)
    least, most = (vqgan.encode(source, quality=q) for q in (0, 100))
    size = (len(least) + len(most)) // 2
    assert 0.95 * size <= len(vqgan.encode(source, size=size)) <= size
    assert len(vqgan.encode(source, bpp=8 * size / source[..., 0].size)) <= size
    wanted = (
        psnr(decoded(vqgan, least).array, source) + psnr(decoded(vqgan, most).array, source)
    ) / 2
    assert psnr(decoded(vqgan, vqgan.encode(source, psnr=wanted)).array, source) >= wanted
    with pytest.raises(OptionError, match="lowest"):
        vqgan.encode(source, size=20)
    with pytest.warns(NcodecWarning, match="best possible"):
        assert vqgan.encode(source, bpp=4) == most


def test_a_picture_of_one_tile_has_26_bytes_around_its_payloads(vqgan: Codec) -> None:
    info = ncodec.read_info(vqgan.encode(picture(768, 512), quality=50))
    assert (info.overhead, info.metadata) == (26, 0)


def test_files_say_what_is_in_them(vqgan: Codec) -> None:
    info = ncodec.read_info(vqgan.encode(picture(100, 50), quality=50))
    assert isinstance(info, ncodec.ImageInfo)
    assert (info.codec, info.media, info.model_available) == ("vqgan", "image", True)
    assert (info.quality, info.tiles, info.words, info.left_out) == (50, 1, 7 * 4, 0)
    assert info.codebook == 128
    dropped = ncodec.read_info(vqgan.encode(picture(100, 50), quality=50, drop=25))
    assert isinstance(dropped, ncodec.ImageInfo)
    assert (dropped.quality, dropped.left_out) == (50, 25)


def test_metadata_are_left_out_unless_asked_for(vqgan: Codec) -> None:
    source = Image(picture(40, 30), DETAILS)
    with pytest.warns(NcodecWarning, match="ICC and EXIF left out"):
        small = vqgan.encode(source)
    assert decoded(vqgan, small).metadata == Metadata()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert vqgan.encode(source, strip=True) == small
        assert vqgan.encode(picture(40, 30)) == small
        assert decoded(vqgan, vqgan.encode(source, strip=False)).metadata == DETAILS
        assert decoded(vqgan, vqgan.encode(picture(40, 30, 4), strip=False)).alpha is not None


def test_other_codecs_leave_no_words_out(vqgan: Codec, codec: Codec) -> None:
    with pytest.raises(OptionError, match="drop 5: codec hyperprior"):
        codec.encode(picture(20, 20), drop=5)
    for drop in (-1, 51, 0.5, 10**9):
        with pytest.raises(OptionError, match="drop"):
            vqgan.encode(picture(20, 20), drop=drop)  # type: ignore[arg-type]


def test_tiles_have_the_features_of_the_whole(vqgan: Codec) -> None:
    engine, source = engine_of(vqgan), picture(200, 150)
    whole = engine.analyse(source, Box(0, 0, 200, 150))
    part = engine.analyse(source, Box(64, 64, 128, 128))
    torch.testing.assert_close(part, whole[:, :, 4:8, 4:8], atol=1e-4, rtol=1e-4)


@pytest.fixture
def tiled(vqgan: Codec, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Tiles of 64 pixels; those of the last row have one row of words each."""
    monkeypatch.setattr(tiled_picture, "TILE", 64)
    blob = vqgan.encode(picture(700, 141), quality=60, verify=True)
    assert len(Reader(blob).chunks) == 11 * (2 + 2 + 1)
    return blob


def test_a_region_is_that_part_of_the_whole(vqgan: Codec, tiled: bytes) -> None:
    whole = decoded(vqgan, tiled).array
    for x, y, w, h in ((0, 0, 1, 1), (60, 60, 9, 70), (699, 140, 1, 1), (10, 0, 180, 140)):
        part = decoded(vqgan, tiled, region=(x, y, w, h)).array
        assert largest_difference(part, whole[y : y + h, x : x + w]) <= 1


def test_tiles_leave_no_seams(vqgan: Codec, tiled: bytes) -> None:
    engine, reader = engine_of(vqgan), Reader(tiled)
    nodes = DecodeJob(engine, reader, partial=False).latent()[None]
    whole = engine.synthesise(nodes, reader.picture.rate, Box(0, 0, 700, 141))
    assert largest_difference(whole, decoded(vqgan, tiled).array) <= 1


def test_latents_are_features_of_words(vqgan: Codec, tiled: bytes) -> None:
    found = vqgan.latents(tiled)
    source = engine_of(vqgan).analyse(picture(700, 141), Box(0, 0, 700, 141))[0, :-1]
    assert found.shape == source.shape == (48, 9, 44)
    assert (found - source).norm() < (source - source.mean((1, 2), keepdim=True)).norm()
