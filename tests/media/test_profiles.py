"""Pictures that lose their profile keep their colours."""

import struct

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

import ncodec
from ncodec.errors import NcodecWarning
from ncodec.media import Image, Metadata
from ncodec.media.image import Pixels

SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
SWAPPED = SRGB.replace(b"rXYZ", b"none").replace(b"gXYZ", b"rXYZ").replace(b"none", b"gXYZ")
"""Its red is sRGB's green, and the other way round."""


def linear_grey() -> bytes:
    """A profile whose samples are proportional to light."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv" + bytes(8)
    start = 128 + 4 + 2 * 12
    tags = struct.pack(">I", 2)
    tags += struct.pack(">4s2I", b"wtpt", start, len(white))
    tags += struct.pack(">4s2I", b"kTRC", start + len(white), len(curve))
    size = start + len(white) + len(curve)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + tags + white + curve


def colours(channels: int) -> Pixels:
    shape = (37, 23) if channels == 1 else (37, 23, channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_another_profile_are_brought_to_srgb(channels: int) -> None:
    source = Image(colours(channels), Metadata(SWAPPED, b"MM\0*"))
    before = source.array.copy()
    bare = source.stripped()
    order = [1, 0, 2, 3][:channels]
    assert np.abs(bare.array.astype(int) - before[..., order]).max() <= 2
    assert bare.metadata == Metadata()
    assert "sRGB" in bare.warnings[0]
    np.testing.assert_array_equal(source.array, before)


@pytest.mark.parametrize("channels", [1, 2])
def test_greys_of_another_profile_are_brought_to_srgb(channels: int) -> None:
    array = np.full((5, 4) if channels == 1 else (5, 4, 2), 55, np.uint8)
    bare = Image(array, Metadata(linear_grey())).stripped()
    assert np.abs(bare.colour.astype(int) - 128).max() <= 2  # 55 of 255 is the light of 128.
    if bare.alpha is not None:
        assert (bare.alpha == 55).all()


def test_srgb_is_left_as_it_is() -> None:
    source = Image(colours(3), Metadata(SRGB))
    bare = source.stripped()
    assert np.shares_memory(bare.array, source.array)
    assert not bare.warnings


@pytest.mark.parametrize("icc", [b"none", bytes(200), SRGB[:300]])
def test_a_profile_that_does_not_work_changes_nothing(icc: bytes) -> None:
    source = Image(colours(3), Metadata(icc))
    bare = source.stripped()
    np.testing.assert_array_equal(bare.array, source.array)
    assert bare.metadata == Metadata()


def test_a_codec_that_keeps_no_profile_encodes_what_it_meant() -> None:
    array = np.zeros((64, 64, 3), np.uint8)
    array[..., 1] = 200
    with pytest.warns(NcodecWarning) as said:
        data = ncodec.encode(Image(array, Metadata(SWAPPED)), codec="vqgan", quality=100)
    assert any("sRGB" in str(warning.message) for warning in said)
    decoded = ncodec.decode(data)
    assert isinstance(decoded, ncodec.Image)
    red, green, _ = decoded.array.mean((0, 1))
    assert red > green + 100
