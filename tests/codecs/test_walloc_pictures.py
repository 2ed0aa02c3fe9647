"""The `walloc` codec with pictures: sizes, targets, tiles, damage."""

import numpy as np
import pytest
import torch

import ncodec
from ncodec.api import Codec
from ncodec.codecs import registry, tiled_picture
from ncodec.codecs.tiles import Box
from ncodec.codecs.walloc import WallocPictures
from ncodec.container import Reader
from ncodec.errors import BitstreamError, NcodecError, OptionError

from .pictures import decoded, largest_difference, picture, psnr

SIZES = [(1, 1), (1, 9), (7, 8), (9, 1), (17, 5), (33, 64), (64, 40), (70, 67)]


def engine_of(codec: Codec) -> WallocPictures:
    found = registry.load(codec.entry.rows[0], codec.entry.weights[-1], "cpu")
    assert isinstance(found, WallocPictures)
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_size_and_kind_keeps_its_shape(
    walloc: Codec, size: tuple[int, int], channels: int
) -> None:
    source = picture(*size, channels)
    for quality in (0, 55.5, 100):
        image = decoded(walloc, walloc.encode(source, quality=quality, verify=True))
        assert image.array.shape == source.shape


def test_more_quality_takes_more_bytes_and_is_better(walloc: Codec) -> None:
    source = picture(120, 96)
    blobs = [walloc.encode(source, quality=q) for q in (0, 25, 50, 75, 100)]
    assert [len(blob) for blob in blobs] == sorted(len(blob) for blob in blobs)
    figures = [psnr(decoded(walloc, blob).array, source) for blob in blobs]
    assert figures == sorted(figures)
    assert figures[-1] > 33


def test_targets_are_met(walloc: Codec) -> None:
    source = picture(120, 96)
    size = (len(walloc.encode(source, quality=0)) + len(walloc.encode(source, quality=100))) // 2
    assert 0.95 * size <= len(walloc.encode(source, size=size)) <= size
    blob = walloc.encode(source, psnr=30.0)
    assert 30 <= psnr(decoded(walloc, blob).array, source) < 30.3
    with pytest.raises(OptionError, match="lowest"):
        walloc.encode(source, size=20)
    with pytest.raises(OptionError, match="takes"):
        walloc.encode(source, kbps=20)


def test_files_name_the_codec_and_its_quality(walloc: Codec) -> None:
    blob = walloc.encode(picture(40, 30), quality=62)
    info = ncodec.read_info(blob)
    assert (info.codec, info.media, info.model_available) == ("walloc", "image", True)
    assert isinstance(info, ncodec.ImageInfo)
    assert info.quality == 62
    assert np.array_equal(decoded(walloc, blob).array, ncodec.decode(blob, device="cpu").array)


def test_tiles_have_the_latents_of_the_whole(walloc: Codec) -> None:
    engine, source = engine_of(walloc), picture(200, 150)
    whole = engine.analyse(source, Box(0, 0, 200, 150))
    part = engine.analyse(source, Box(64, 64, 128, 128))
    torch.testing.assert_close(part, whole[:, :, 8:16, 8:16], atol=1e-3, rtol=1e-3)


@pytest.fixture
def tiled(walloc: Codec, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(tiled_picture, "TILE", 64)
    return walloc.encode(picture(200, 150), quality=60, verify=True)


def test_a_region_is_that_part_of_the_whole(walloc: Codec, tiled: bytes) -> None:
    whole = decoded(walloc, tiled).array
    for x, y, w, h in ((0, 0, 1, 1), (60, 60, 9, 70), (199, 149, 1, 1), (10, 0, 180, 150)):
        part = decoded(walloc, tiled, region=(x, y, w, h)).array
        assert largest_difference(part, whole[y : y + h, x : x + w]) <= 1


def test_tiles_leave_no_seams(walloc: Codec, tiled: bytes) -> None:
    source, whole = picture(200, 150).astype(np.int32), decoded(walloc, tiled).array
    error = (whole - source)[:, 1:] - (whole - source)[:, :-1]
    seams = np.abs(error[:, [63, 127]]).mean()
    assert seams < 1.3 * np.abs(error).mean()


def test_damage_stays_in_its_tile(walloc: Codec, tiled: bytes) -> None:
    whole = decoded(walloc, tiled).array
    reader = Reader(tiled)
    place = reader.chunks[0].offset + 5
    broken = tiled[:place] + bytes([tiled[place] ^ 1]) + tiled[place + 1 :]
    with pytest.raises(BitstreamError):
        walloc.decode(broken)
    image = decoded(walloc, broken, partial=True)
    assert [lost.index for lost in image.lost] == [0]
    safe = 64 + WallocPictures.decoder_halo
    assert largest_difference(image.array[:, safe:], whole[:, safe:]) <= 1


def test_no_changed_byte_does_harm(walloc: Codec) -> None:
    blob = walloc.encode(picture(48, 40))
    random = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(blob)
        broken[random.integers(len(blob))] ^= 1 << random.integers(8)
        try:
            walloc.decode(bytes(broken))
        except NcodecError:
            continue


def test_random_payloads_decode_or_are_refused(walloc: Codec) -> None:
    latents, random = engine_of(walloc).latents, np.random.default_rng(1)
    refused = 0
    for length in range(2, 402, 4):
        for step in (0, 400, 800):
            try:
                latents.decode(random.bytes(length), 5, 7, step)
            except BitstreamError:
                refused += 1
    assert refused > 250


def test_symbols_do_not_depend_on_threads_or_precision(walloc: Codec) -> None:
    engine, blob = engine_of(walloc), walloc.encode(picture(90, 70), quality=70)
    payload = Reader(blob).read(Reader(blob).chunks[0])
    before = engine.latents.decode_symbols(payload, 9, 12, 560).values
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            after = engine.latents.decode_symbols(payload, 9, 12, 560).values
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision("highest")
    np.testing.assert_array_equal(before, after)


def test_latents_are_what_the_decoder_sees(walloc: Codec, tiled: bytes) -> None:
    latent = walloc.latents(tiled)
    assert latent.shape == (96, 19, 25)
    engine = engine_of(walloc)
    pixels = engine.synthesise(latent[None], 480, Box(0, 0, 200, 150))
    assert largest_difference(pixels, decoded(walloc, tiled).array) <= 1


def test_weights_of_the_other_medium_are_refused(walloc_entry: registry.CodecEntry) -> None:
    assert walloc_entry.also is not None
    with pytest.raises(ncodec.errors.ModelMismatchError):
        WallocPictures(walloc_entry.also.weights[0])
