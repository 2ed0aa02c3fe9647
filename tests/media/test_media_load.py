"""Ordinary picture files become upright 8-bit arrays, or a clear error."""

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import PIL.PngImagePlugin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncodec.container import MAGIC, Limits
from ncodec.errors import InputError, LimitExceededError
from ncodec.media import load_image

SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()


def pattern(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, shape, np.uint8)


def written(picture: PIL.Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG from raw parts; `extra` are (type + data) of chunks before the pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (head, *extra, b"IDAT" + zlib.compress(rows), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )


def profile(space: bytes, size: int = 200) -> bytes:
    body = bytearray(size)
    body[:4] = struct.pack(">I", size)
    body[16:20], body[36:40] = space, b"acsp"
    return bytes(body)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP", "PPM", "TGA"])
def test_rgb_files_give_their_samples(kind: str) -> None:
    samples = pattern(5, 7, 3)
    options = {"lossless": True} if kind == "WEBP" else {}
    image = load_image(written(PIL.Image.fromarray(samples), kind, **options))
    assert np.array_equal(image.array, samples)
    assert image.warnings == ()
    assert (image.width, image.height, image.grey, image.alpha) == (7, 5, False, None)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_its_channels(channels: int) -> None:
    samples = pattern(4, 6) if channels == 1 else pattern(4, 6, channels)
    image = load_image(written(PIL.Image.fromarray(samples), "PNG"))
    assert np.array_equal(image.array, samples)
    assert image.grey == (channels < 3)
    assert image.array.flags.c_contiguous


@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "JPEG2000", "GIF"])
def test_other_formats_are_read(kind: str) -> None:
    image = load_image(written(PIL.Image.new("RGB", (9, 5), (200, 30, 90)), kind))
    assert image.array.shape == (5, 9, 3)
    assert np.abs(image.array.astype(int) - (200, 30, 90)).max() <= 6


def test_black_and_white_becomes_grey() -> None:
    bits = pattern(5, 9) > 127
    image = load_image(written(PIL.Image.fromarray(bits), "PNG"))
    assert np.array_equal(image.array, np.where(bits, 255, 0))


def test_grey_jpeg_stays_grey() -> None:
    image = load_image(written(PIL.Image.new("L", (8, 8), 77), "JPEG"))
    assert np.array_equal(image.array, np.full((8, 8), 77))


def test_palette_with_alpha_becomes_rgba() -> None:
    picture = PIL.Image.new("P", (3, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.putdata([0, 1, 2])
    image = load_image(written(picture, "PNG", transparency=bytes([10, 20, 255])))
    assert image.array.tolist() == [[[255, 0, 0, 10], [0, 255, 0, 20], [0, 0, 255, 255]]]
    assert load_image(written(picture, "PNG")).array.shape == (1, 3, 3)


def test_a_grey_palette_becomes_grey_unless_its_profile_is_rgb() -> None:
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([9, 9, 9, 200, 200, 200, 1, 2, 3])
    picture.putdata([1, 0])
    assert load_image(written(picture, "GIF")).array.tolist() == [[200, 9]]
    see_through = load_image(written(picture, "PNG", transparency=0)).array
    assert see_through.tolist() == [[[200, 255], [9, 0]]]
    profiled = load_image(written(picture, "PNG", icc_profile=SRGB))
    assert profiled.array.shape == (1, 2, 3)
    assert profiled.metadata.icc == SRGB


def test_a_transparent_colour_becomes_alpha() -> None:
    rgb = PIL.Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    image = load_image(written(rgb, "PNG", transparency=(4, 5, 6)))
    assert image.array.tolist() == [[[1, 2, 3, 255], [4, 5, 6, 0]]]
    grey = load_image(written(rgb.getchannel(0), "PNG", transparency=4))
    assert grey.array.tolist() == [[[1, 255], [4, 0]]]


@pytest.mark.parametrize(("depth", "step"), [(1, 255), (2, 85), (4, 17)])
def test_the_transparent_grey_of_a_shallow_png(depth: int, step: int) -> None:
    row = bytes([0, 1 << (8 - depth)])
    key = b"tRNS" + struct.pack(">H", 1)
    image = load_image(png(2, 1, depth, 0, row, key))
    assert image.array.tolist() == [[[step, 0], [0, 255]]]


def test_sixteen_bit_grey_is_scaled_with_a_warning() -> None:
    samples = np.array([[0, 128, 257, 65535, 65535 - 129]], np.uint16)
    rows = b"\0" + samples.astype(">u2").tobytes()
    image = load_image(png(5, 1, 16, 0, rows))
    assert image.array.tolist() == [[0, 0, 1, 255, 254]]
    assert any("8 bits" in text for text in image.warnings)
    keyed = load_image(png(5, 1, 16, 0, rows, b"tRNS" + struct.pack(">H", 257)))
    assert keyed.alpha is not None
    assert keyed.alpha.tolist() == [[255, 255, 0, 255, 255]]


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_sixteen_bit_colour_is_noticed(colour: int, channels: int) -> None:
    rows = b"\0" + np.full(channels, 0x80FF, ">u2").tobytes()
    image = load_image(png(1, 1, 16, colour, rows))
    assert image.array.tolist() == [[[0x80] * channels]]
    assert any("8 bits" in text for text in image.warnings)


def test_the_transparent_colour_of_a_sixteen_bit_png() -> None:
    key = struct.pack(">HHH", 0x1234, 0x5678, 0x9ABC)
    image = load_image(png(2, 1, 16, 2, b"\0" + key + bytes(6), b"tRNS" + key))
    assert image.array.tolist() == [[[0x12, 0x56, 0x9A, 0], [0, 0, 0, 255]]]


def test_sixteen_bit_ppm_is_noticed() -> None:
    image = load_image(b"P6 1 1 65535\n" + struct.pack(">HHH", 0, 65535, 257))
    assert image.array.tolist() == [[[0, 255, 1]]]
    assert any("8 bits" in text for text in image.warnings)
    assert load_image(b"P6 1 1 255\n\x01\x02\x03").warnings == ()


def test_sixteen_bit_sgi_is_noticed() -> None:
    image = load_image(written(PIL.Image.new("L", (2, 2), 9), "SGI", bpc=2))
    assert image.array.tolist() == [[9, 9], [9, 9]]
    assert any("8 bits" in text for text in image.warnings)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.4, 255.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
    ],
)
def test_float_grey_says_how_it_was_read(samples: list[float], expected: list[int]) -> None:
    picture = PIL.Image.fromarray(np.array([samples], np.float32))
    image = load_image(written(picture, "TIFF"))
    assert image.array.tolist() == [expected]
    assert any(text.startswith("samples") for text in image.warnings)


def test_32_bit_grey_is_read() -> None:
    picture = PIL.Image.fromarray(np.array([[0, 257, 65535]], np.int32))
    assert load_image(written(picture, "TIFF")).array.tolist() == [[0, 1, 255]]
    wide = PIL.Image.fromarray(np.array([[-(2**31), 2**31 - 1]], np.int32))
    assert load_image(written(wide, "TIFF")).array.tolist() == [[0, 255]]
    flat = PIL.Image.fromarray(np.full((1, 2), -5, np.int32))
    assert load_image(written(flat, "TIFF")).array.tolist() == [[0, 0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_floats_that_are_no_numbers_are_refused(bad: float) -> None:
    for samples in ([0.0, bad], [bad, 0.0]):
        picture = PIL.Image.fromarray(np.array([samples], np.float32))
        with pytest.raises(InputError, match="finite"):
            load_image(written(picture, "TIFF"))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_srgb_and_says_so(kind: str) -> None:
    picture = PIL.Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    image = load_image(written(picture, kind))
    assert np.abs(image.array.astype(int) - (255, 0, 0)).max() <= 2
    assert any("without colour management" in text for text in image.warnings)
    broken = load_image(written(picture, kind, icc_profile=profile(b"CMYK")))
    assert broken.metadata.icc is None
    assert any("profile does not work" in text for text in broken.warnings)
    assert any("dropped" in text for text in broken.warnings)


def test_lab_becomes_srgb() -> None:
    srgb, lab = PIL.ImageCms.createProfile("sRGB"), PIL.ImageCms.createProfile("LAB")
    colour = PIL.Image.new("RGB", (4, 4), (180, 40, 90))
    picture = PIL.ImageCms.profileToProfile(colour, srgb, lab, outputMode="LAB")
    assert picture is not None
    image = load_image(written(picture, "TIFF"))
    assert np.abs(image.array.astype(int) - (180, 40, 90)).max() <= 3
    assert any("LAB" in text for text in image.warnings)


def test_ycbcr_tiff_becomes_rgb() -> None:
    picture = PIL.Image.new("RGB", (4, 4), (180, 40, 90)).convert("YCbCr")
    image = load_image(written(picture, "TIFF"))
    assert np.abs(image.array.astype(int) - (180, 40, 90)).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_frame_is_taken(kind: str) -> None:
    frames = [PIL.Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = written(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    image = load_image(data)
    assert np.array_equal(image.array[0, 0, :3], (255, 0, 0))
    assert any("frames" in text for text in image.warnings)


def test_every_kind_of_source(tmp_path: Path) -> None:
    data = written(PIL.Image.fromarray(pattern(3, 4)), "PNG")
    path = tmp_path / "a picture.with dots"
    path.write_bytes(data)
    with path.open("rb") as stream:
        from_stream = load_image(stream).array
    read_end, write_end = os.pipe()
    os.write(write_end, data)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        from_pipe = load_image(pipe).array
    for array in (load_image(path).array, load_image(str(path)).array, from_stream, from_pipe):
        assert np.array_equal(array, pattern(3, 4))


def test_a_pipe_without_end_is_refused() -> None:
    class Endless(io.RawIOBase):
        def seekable(self) -> bool:
            return False

        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    with pytest.raises(LimitExceededError, match="too many"):
        load_image(Endless(), Limits(max_pixels=16))  # type: ignore[arg-type]


def test_paths_that_hold_no_picture(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.png").write_text("not a picture at all")
    for name, reason in [
        ("missing.png", "no such file"),
        ("", "folder"),
        ("empty.png", "empty"),
        ("words.png", "not a picture"),
        ("a\0b.png", "null"),
        ("a" * 300, "name too long"),
    ]:
        with pytest.raises(InputError, match=f"(?i){reason}") as caught:
            load_image(tmp_path / name)
        assert str(tmp_path) in str(caught.value)


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        load_image("secret.png")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "MP4"),
        (b"\xff\x0a" + bytes(40), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL"),
        (b'<?xml version="1.0"?>\n<svg xmlns="a" width="9"/>', "SVG"),
        (b"%PDF-1.7\n" + bytes(40), "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (MAGIC + bytes(40), "ncodec"),
    ],
)
def test_foreign_formats_are_named(data: bytes, name: str) -> None:
    with pytest.raises(InputError, match=name):
        load_image(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "PPM"])
def test_cut_files_are_refused_or_whole(kind: str) -> None:
    picture = PIL.Image.fromarray(pattern(24, 24, 3))
    data = written(picture, kind)
    whole = load_image(data).array
    for length in (0, 1, 9, 30, len(data) // 3, len(data) // 2, len(data) - 40, len(data) - 1):
        try:
            array = load_image(data[:length]).array
        except InputError:
            continue
        assert length > len(data) - 16
        assert np.array_equal(array, whole)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "ICO", "TGA"])
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_damaged_files_raise_only_our_errors(kind: str, data: st.DataObject) -> None:
    blob = bytearray(written(PIL.Image.fromarray(pattern(16, 16, 3)), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        blob[data.draw(st.integers(0, min(len(blob) - 1, 120)))] = data.draw(st.integers(0, 255))
    try:
        image = load_image(bytes(blob), Limits(max_pixels=2**16))
    except (InputError, LimitExceededError):
        return
    assert image.width * image.height <= 2**16


def test_limits_hold_before_pixels_are_decoded() -> None:
    claims_much = png(60_000, 60_000, 8, 2, b"")
    with pytest.raises(LimitExceededError, match="60000 x 60000"):
        load_image(claims_much)
    with pytest.raises(LimitExceededError, match="65536"):
        load_image(png(65_536, 1, 8, 0, b""))
    small = written(PIL.Image.new("L", (5, 4)), "PNG")
    assert load_image(small, Limits(max_pixels=20)).width == 5
    for limits in (Limits(max_pixels=19), Limits(max_side=4)):
        with pytest.raises(LimitExceededError):
            load_image(small, limits)


@pytest.mark.parametrize("side", [10_000, 16_000])
def test_pillows_own_limit_does_not_apply(side: int) -> None:
    before = PIL.Image.MAX_IMAGE_PIXELS
    with pytest.raises(InputError, match="truncated"):
        load_image(png(side, side, 8, 3, b"\0", b"PLTE" + bytes(3)))
    assert before == PIL.Image.MAX_IMAGE_PIXELS


def test_pillows_limit_within_a_plugin_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(PIL.Image.new("RGB", (32, 32)), "WEBP")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(LimitExceededError, match="exceeds limit"):
        load_image(data)


def test_pillows_warnings_become_ours() -> None:
    def noisy() -> None:
        warnings.warn("odd but readable", stacklevel=1)
        warnings.warn("ours to fix", DeprecationWarning, stacklevel=1)

    class Odd(PIL.Image.Image):
        def load(self) -> None:
            noisy()
            super().load()

    from ncodec.media import as_image

    odd = Odd()
    odd.__setstate__(list(PIL.Image.new("L", (1, 1)).__getstate__()))
    assert as_image(odd).warnings == ("odd but readable",)
