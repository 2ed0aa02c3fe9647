"""Pictures of every size and kind come back as what they were."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ncodec
from ncodec.api import Codec, load_codec
from ncodec.codecs.picture_file import METADATA_BYTES
from ncodec.errors import InputError, NcodecWarning, OptionError
from ncodec.media import Image, Metadata, load_image

from .pictures import Pixels, decoded, picture, psnr

sides = st.sampled_from([1, 2, 3, 15, 16, 17, 31, 33, 63, 64, 65]) | st.integers(1, 70)
qualities = st.floats(0, 100)


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.integers(1, 4), qualities)
def test_any_size_and_kind_keeps_its_shape(w: int, h: int, channels: int, quality: float) -> None:
    codec = load_codec("hyperprior", "cpu")
    source = picture(w, h, channels)
    image = decoded(codec, codec.encode(source, quality=quality))
    assert image.array.shape == source.shape
    assert image.lost == ()
    if channels in (2, 4):
        np.testing.assert_array_equal(image.array[..., -1], source[..., -1])


@pytest.mark.parametrize("channels", [1, 3])
def test_high_quality_is_close_to_the_source(codec: Codec, channels: int) -> None:
    source = picture(96, 80, channels)
    assert psnr(decoded(codec, codec.encode(source, quality=95)).array, source) > 28


def test_flat_picture_takes_few_bytes(codec: Codec) -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert len(codec.encode(flat)) < 150
    assert len(codec.encode(flat)) < len(codec.encode(noise)) / 4


def test_long_thin_pictures(codec: Codec) -> None:
    for shape in ((1, 700), (700, 1)):
        source = np.tile(np.arange(700, dtype=np.uint8).reshape(shape)[..., None], 3)
        assert decoded(codec, codec.encode(source)).array.shape == source.shape


@pytest.mark.parametrize("kind", ["noise", "clear", "opaque"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_lossless(codec: Codec, channels: int, kind: str) -> None:
    source = picture(37, 29, channels)
    noise = np.random.default_rng(1).integers(0, 256, (29, 37))
    source[..., -1] = {"noise": noise, "clear": 0, "opaque": 255}[kind]
    image = decoded(codec, codec.encode(source))
    assert image.alpha is not None
    np.testing.assert_array_equal(image.alpha, source[..., -1])
    assert image.grey == (channels == 2)


def test_grey_is_coded_as_the_same_colour_would_be(codec: Codec) -> None:
    grey = picture(48, 40, 1)
    back = decoded(codec, codec.encode(grey))
    assert back.grey
    assert back.array.ndim == 2
    colour = decoded(codec, codec.encode(np.repeat(grey[..., None], 3, 2))).array
    np.testing.assert_array_equal(back.array, (colour.sum(2, dtype=np.int32) + 1) // 3)


def test_metadata_survives_and_strip_drops_it(codec: Codec) -> None:
    source = Image(picture(24, 16, 4), Metadata(icc=bytes(range(256)) * 5, exif=b"MM\0*" * 9))
    kept = decoded(codec, codec.encode(source))
    assert kept.metadata == source.metadata
    bare = codec.encode(source, strip=True)
    stripped = decoded(codec, bare)
    assert stripped.metadata == Metadata()
    np.testing.assert_array_equal(stripped.array, kept.array)
    assert len(bare) < len(codec.encode(source))


def test_files_say_what_they_cannot_keep(codec: Codec, tmp_path: Path) -> None:
    coded, flat = tmp_path / "a.ncd", tmp_path / "a.jpg"
    coded.write_bytes(codec.encode(picture(24, 16, 4)))
    with pytest.warns(NcodecWarning, match="no transparency"):
        codec.decode_file(coded, flat)
    assert load_image(flat).alpha is None


def test_metadata_that_no_decoder_takes_is_refused(codec: Codec) -> None:
    source = Image(picture(8, 8), Metadata(exif=bytes(METADATA_BYTES)))
    assert decoded(codec, codec.encode(source)).metadata == source.metadata
    with pytest.raises(InputError, match="strip"):
        codec.encode(Image(picture(8, 8), Metadata(icc=bytes(METADATA_BYTES + 1))))


def test_pillow_in_and_out(codec: Codec) -> None:
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    exif = PIL.Image.Exif()
    exif[0x010E] = "a description"
    source = PIL.Image.fromarray(picture(30, 20))
    source.info |= {"icc_profile": profile, "exif": exif.tobytes()}
    restored = decoded(codec, codec.encode(source)).to_pil()
    assert (restored.mode, restored.size) == ("RGB", (30, 20))
    assert restored.info["icc_profile"] == profile
    assert restored.getexif()[0x010E] == "a description"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays_and_tensors_give_the_same_file(codec: Codec, channels: int) -> None:
    source = picture(20, 12, channels)
    planes = torch.from_numpy(np.moveaxis(np.atleast_3d(source), 2, 0).copy())
    blob = codec.encode(source)
    assert codec.encode(planes) == blob
    assert codec.encode(planes.float() / 255) == blob
    tensor = decoded(codec, blob).to_tensor()
    assert tensor.dtype == torch.uint8
    assert tensor.shape == planes.shape


def test_what_is_no_picture_is_refused(codec: Codec) -> None:
    for wrong in (np.zeros((4, 4, 5), np.uint8), np.zeros((4, 4)), torch.zeros(4, 4), "x", None):
        with pytest.raises(InputError):
            codec.encode(wrong)


def test_the_source_is_left_alone(codec: Codec) -> None:
    source: Pixels = picture(33, 17, 4)
    before = source.copy()
    source.flags.writeable = False
    codec.encode(source)
    np.testing.assert_array_equal(source, before)


def test_encoding_twice_gives_the_same_bytes(codec: Codec) -> None:
    source = picture(50, 34)
    assert codec.encode(source, quality=61.3) == codec.encode(source, quality=61.3, verify=True)


def test_module_functions_files_and_streams(tmp_path: Path) -> None:
    source = picture(40, 24)
    blob = ncodec.encode(source, quality=40, device="cpu")
    path = tmp_path / "picture.ncd"
    path.write_bytes(blob)
    expected = ncodec.decode(blob, device="cpu").array
    places: list[Any] = [path, str(path), io.BytesIO(blob), bytearray(blob), memoryview(blob)]
    for place in places:
        np.testing.assert_array_equal(ncodec.decode(place, device="cpu").array, expected)
    with pytest.raises(InputError, match="nowhere"):
        ncodec.decode(tmp_path / "nowhere.ncd")


def test_info_tells_what_was_encoded(codec: Codec) -> None:
    source = Image(picture(40, 24, 2), Metadata(icc=b"profile"))
    blob = codec.encode(source, quality=30)
    info = ncodec.read_info(blob)
    assert isinstance(info, ncodec.ImageInfo)
    assert (info.width, info.height, info.grey, info.alpha) == (40, 24, True, True)
    assert (info.icc, info.exif, info.quality, info.codec) == (True, False, 30, "hyperprior")
    assert info.size == len(blob) == info.payload + info.metadata + info.overhead
    assert info.model_available


def test_overhead_of_a_plain_small_picture_is_small(codec: Codec) -> None:
    assert ncodec.read_info(codec.encode(picture(100, 90))).overhead <= 24


def test_region_is_the_crop_of_the_picture(codec: Codec) -> None:
    blob = codec.encode(picture(60, 44, 4))
    whole = decoded(codec, blob).array
    for x, y, w, h in ((0, 0, 60, 44), (59, 43, 1, 1), (5, 11, 30, 20)):
        part = decoded(codec, blob, region=(x, y, w, h)).array
        np.testing.assert_array_equal(part, whole[y : y + h, x : x + w])


@pytest.mark.parametrize(
    "region",
    [(0, 0, 0, 5), (0, 0, 61, 5), (-1, 0, 5, 5), (56, 0, 5, 5), (0, 0, 2**40, 1), (1.5, 0, 2, 2),
     (1, 2, 3), "abcd"],
)  # fmt: skip
def test_impossible_regions_are_refused(codec: Codec, region: object) -> None:
    with pytest.raises(OptionError, match="region"):
        decoded(codec, codec.encode(picture(60, 44)), region=region)  # type: ignore[arg-type]
