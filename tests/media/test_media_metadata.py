"""Orientation is applied; EXIF and ICC profiles survive where they make sense."""

import io
import struct

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import PIL.PngImagePlugin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncodec.media import load_image

SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()


def pattern(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, shape, np.uint8)


def written(picture: PIL.Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def exif_with(orientation: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A camera"
    return exif.tobytes()


def profile(space: bytes, size: int = 200) -> bytes:
    body = bytearray(size)
    body[:4] = struct.pack(">I", size)
    body[16:20], body[36:40] = space, b"acsp"
    return bytes(body)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied_once(kind: str, orientation: int) -> None:
    picture = PIL.Image.fromarray(pattern(3, 5, 3).repeat(16, 0).repeat(16, 1))
    options = {"lossless": True} if kind == "WEBP" else {}
    data = written(picture, kind, exif=exif_with(orientation), **options)
    with PIL.Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(PIL.ImageOps.exif_transpose(opened))
    image = load_image(data)
    assert np.array_equal(image.array, expected)
    assert image.array.shape[:2] == ((80, 48) if orientation > 4 else (48, 80))
    stored = PIL.Image.Exif()
    stored.load(image.metadata.exif or b"")
    assert stored.get(0x0112, 1) == 1
    assert stored[0x010F] == "A camera"


def test_orientation_across_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncodec.media.image.STRIP_PIXELS", 20)
    samples = pattern(33, 9, 3)
    data = written(PIL.Image.fromarray(samples), "PNG", exif=exif_with(6))
    assert np.array_equal(load_image(data).array, np.rot90(samples, -1))


def test_exif_is_kept_byte_for_byte_but_for_the_orientation() -> None:
    exif = bytearray(exif_with(8))
    data = written(PIL.Image.new("L", (2, 2)), "PNG", exif=bytes(exif))
    kept = load_image(data).metadata.exif
    assert kept is not None
    changed = [a != b for a, b in zip(kept, exif[6:], strict=True)]
    assert sum(changed) == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_of_exif(order: str) -> None:
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0)
    exif = (
        {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, 1) + entry + bytes(4)
    )
    image = load_image(written(PIL.Image.new("L", (2, 1)), "PNG", exif=b"Exif\0\0" + exif))
    assert image.array.shape == (2, 1)
    assert image.metadata.exif == exif.replace(
        entry, struct.pack(order + "HHIHH", 0x0112, 3, 1, 1, 0)
    )


def test_a_cut_exif_turns_the_picture_and_is_dropped() -> None:
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"II*\0" + struct.pack("<IH", 8, 500) + entry + bytes(4)
    image = load_image(written(PIL.Image.new("L", (2, 1)), "PNG", exif=b"Exif\0\0" + exif))
    assert image.array.shape == (2, 1)
    assert image.metadata.exif is None
    assert any("EXIF dropped" in text for text in image.warnings)


@pytest.mark.parametrize(
    "exif", [b"no", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\x05"]
)
def test_damaged_exif_is_dropped_with_a_warning(exif: bytes) -> None:
    image = load_image(written(PIL.Image.new("RGB", (3, 2)), "JPEG", exif=b"Exif\0\0" + exif))
    assert image.metadata.exif is None
    assert any("EXIF dropped" in text for text in image.warnings)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=150)
def test_any_exif_bytes_leave_the_picture_readable(exif: bytes) -> None:
    head = b"II*\0\x08\0\0\0" if len(exif) % 2 else b""
    data = written(PIL.Image.new("L", (2, 1)), "PNG", exif=b"Exif\0\0" + head + exif)
    assert load_image(data).array.size == 2


def test_exif_in_the_text_of_old_pngs() -> None:
    info = PIL.PngImagePlugin.PngInfo()
    exif = exif_with(6)
    info.add_text("Raw profile type exif", f"\nexif\n    {len(exif)}\n{exif.hex()}\n")
    image = load_image(written(PIL.Image.new("L", (2, 1)), "PNG", pnginfo=info))
    assert image.array.shape == (2, 1)
    assert image.metadata.exif is not None


def test_tiff_exif_holds_no_storage_tags() -> None:
    exif = PIL.Image.Exif()
    exif[0x010F] = "A camera"
    exif.get_ifd(34665)[33434] = 0.5
    exif[34665] = exif.get_ifd(34665)
    image = load_image(written(PIL.Image.new("L", (2, 2)), "TIFF", exif=exif))
    stored = PIL.Image.Exif()
    stored.load(image.metadata.exif or b"")
    assert set(stored) == {0x010F, 34665}
    assert float(stored.get_ifd(34665)[33434]) == 0.5


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_icc_survives(kind: str) -> None:
    image = load_image(written(PIL.Image.new("RGB", (8, 8)), kind, icc_profile=SRGB))
    assert image.metadata.icc == SRGB
    assert image.warnings == ()


@pytest.mark.parametrize(
    ("icc", "reason"),
    [
        (profile(b"CMYK"), "CMYK"),
        (profile(b"GRAY"), "GRAY"),
        (b"rubbish" * 30, "damaged"),
        (b"short", "damaged"),
        (SRGB[:-1], "damaged"),
        (profile(b"RGB ", 2**22 + 1), "more than"),
    ],
)
def test_a_profile_that_does_not_fit_is_dropped(icc: bytes, reason: str) -> None:
    image = load_image(written(PIL.Image.new("RGB", (2, 2)), "TIFF", icc_profile=icc))
    assert image.metadata.icc is None
    assert any("ICC profile dropped" in text and reason in text for text in image.warnings)


def test_profiles_of_grey_pictures() -> None:
    grey = PIL.Image.new("L", (2, 2))
    kept = load_image(written(grey, "PNG", icc_profile=profile(b"GRAY")))
    assert kept.metadata.icc == profile(b"GRAY")
    dropped = load_image(written(grey, "PNG", icc_profile=SRGB))
    assert dropped.metadata.icc is None
    assert dropped.grey
