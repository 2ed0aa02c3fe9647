"""Pictures are written in the format asked for, and what is lost is said."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import ncodec.media.image
import ncodec.media.save
from ncodec.errors import OptionError, OutputError
from ncodec.media import Image, Metadata, load_image, output_format, save_image

SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
EXIF = b"II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, 1, 0) + bytes(4)


def pattern(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, shape, np.uint8)


def saved(image: Image, kind: str) -> tuple[bytes, tuple[str, ...]]:
    out = io.BytesIO()
    notes = save_image(image, out, kind)
    return out.getvalue(), notes


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([(), (2,), (3,), (4,)]),
    st.sampled_from(["png", "tif"]),
)
@settings(deadline=None, max_examples=60)
def test_lossless_formats_give_back_what_was_saved(
    height: int, width: int, tail: tuple[int, ...], kind: str
) -> None:
    samples = pattern(height, width, *tail)
    grey = len(tail) == 0 or tail[0] == 2
    metadata = Metadata(None if grey else SRGB, EXIF)
    data, notes = saved(Image(samples, metadata), kind)
    image = load_image(data)
    assert np.array_equal(image.array, samples)
    assert image.metadata.icc == metadata.icc
    assert (notes, image.warnings) == ((), ())


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif", "avif"])
def test_metadata_is_written(kind: str) -> None:
    exif = PIL.Image.Exif()
    exif[0x010F] = "A camera"
    image = Image(pattern(16, 16, 3), Metadata(SRGB, exif.tobytes()))
    data, notes = saved(image, kind)
    back = load_image(data)
    assert notes == ()
    assert back.metadata.icc == SRGB
    stored = PIL.Image.Exif()
    stored.load(back.metadata.exif or b"")
    assert stored[0x010F] == "A camera"


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 2), (40, 50, 3), (1, 90, 3), (70, 1, 4)])
def test_large_pngs_are_what_pillow_makes_of_the_whole(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ncodec.media.save, "_FAST_PNG_PIXELS", 0)
    monkeypatch.setattr(ncodec.media.image, "STRIP_PIXELS", 150)
    samples = np.cumsum(pattern(*shape) // 32, axis=0, dtype=np.uint8)  # All filters are chosen.
    image = Image(samples, Metadata(SRGB if shape[2:] > (2,) else None, EXIF))
    data, notes = saved(image, "png")
    whole = image.to_pil()
    whole.info.clear()
    options = {"icc_profile": image.metadata.icc, "exif": EXIF, "compress_level": 1}
    assert notes == ()
    assert inflated(data) == inflated(pillow_png(whole, options))


def pillow_png(picture: PIL.Image.Image, options: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    return out.getvalue()


def inflated(png: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG by kind, the filtered pixels unpacked; their checksums are checked."""
    found, place = dict[bytes, bytes](), 8
    while place < len(png):
        (size,) = struct.unpack_from(">I", png, place)
        chunk = png[place + 4 : place + 8 + size]
        assert png[place + 8 + size :][:4] == struct.pack(">I", zlib.crc32(chunk))
        found[chunk[:4]] = found.get(chunk[:4], b"") + chunk[4:]
        place += 12 + size
    return found | {b"IDAT": zlib.decompress(found[b"IDAT"])}


@pytest.mark.parametrize("kind", ["png", "webp", "tif", "avif", "jp2", "tga"])
def test_alpha_survives(kind: str) -> None:
    samples = np.full((16, 16, 4), 120, np.uint8)
    data, notes = saved(Image(samples), kind)
    alpha = load_image(data).alpha
    assert notes == ()
    assert alpha is not None
    assert np.abs(alpha.astype(int) - 120).max() <= 2


@pytest.mark.parametrize("kind", ["jpg", "bmp", "ppm", "pcx", "pdf"])
def test_alpha_is_flattened_onto_white_with_a_warning(kind: str) -> None:
    samples = np.zeros((8, 8, 4), np.uint8)
    samples[..., 3] = 51
    data, notes = saved(Image(samples), kind)
    assert any("white" in text for text in notes)
    if kind != "pdf":
        assert np.abs(load_image(data).array.astype(int) - 204).max() <= 1
    samples[..., 3] = 255
    assert not any("white" in text for text in saved(Image(samples), kind)[1])


def test_grey_alpha_is_flattened_to_grey() -> None:
    samples = np.dstack([np.full((8, 8), 100, np.uint8), np.zeros((8, 8), np.uint8)])
    data, _ = saved(Image(samples), "jpg")
    assert np.array_equal(load_image(data).array, np.full((8, 8), 255))


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "bmp", "pgm", "tga", "gif"])
def test_grey_stays_grey(kind: str) -> None:
    data, _ = saved(Image(np.full((16, 16), 90, np.uint8)), kind)
    image = load_image(data)
    assert image.grey
    assert np.abs(image.array.astype(int) - 90).max() <= 1


def test_losses_are_said() -> None:
    image = Image(pattern(8, 8, 3), Metadata(SRGB, EXIF))
    assert any("256 colours" in text for text in saved(image, "gif")[1])
    notes = saved(image, "bmp")[1]
    assert any("ICC" in text for text in notes)
    assert any("EXIF" in text for text in notes)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif", "avif"])
@given(exif=st.binary(max_size=120), icc=st.binary(max_size=160))
@settings(deadline=None, max_examples=15)
def test_metadata_of_any_bytes_does_not_stop_the_picture(
    kind: str, exif: bytes, icc: bytes
) -> None:
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", 1)
    for block in (exif, head + exif):
        data, _ = saved(Image(pattern(4, 4, 3), Metadata(icc, block)), kind)
        assert load_image(data).width == 4


def test_exif_too_large_for_jpeg_is_dropped() -> None:
    image = Image(pattern(4, 4, 3), Metadata(None, EXIF + bytes(70_000)))
    data, notes = saved(image, "jpg")
    assert any("EXIF dropped" in text for text in notes)
    assert load_image(data).metadata.exif is None
    assert load_image(saved(image, "png")[0]).metadata.exif == EXIF + bytes(70_000)


def test_a_grey_profile_is_not_written_where_the_format_turns_grey_into_rgb() -> None:
    profile = bytearray(200)
    profile[:4], profile[16:20], profile[36:40] = struct.pack(">I", 200), b"GRAY", b"acsp"
    image = Image(pattern(4, 4), Metadata(bytes(profile)))
    assert load_image(saved(image, "png")[0]).metadata.icc == bytes(profile)
    data, notes = saved(image, "webp")
    assert any("ICC profile dropped" in text for text in notes)
    assert load_image(data).metadata.icc is None


def test_large_pictures_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncodec.media.image.STRIP_PIXELS", 50)
    samples = pattern(37, 11, 4)[:, ::-1]
    image = load_image(saved(Image(samples), "png")[0])
    assert np.array_equal(image.array, samples)
    assert np.array_equal(np.asarray(image.to_pil()), samples)


@pytest.mark.parametrize(
    ("target", "format", "expected"),
    [
        ("a.png", None, "PNG"),
        ("a.JPG", None, "JPEG"),
        ("a.png", "tif", "TIFF"),
        ("a.b/c", ".webp", "WEBP"),
        (None, "JPEG", "JPEG"),
    ],
)
def test_the_format_comes_from_name_or_suffix(
    target: str | None, format: str | None, expected: str
) -> None:
    assert output_format(target, format) == expected


@pytest.mark.parametrize(
    ("target", "format"), [("a", None), (None, None), ("a.xyz", None), ("a", "xyz")]
)
def test_unknown_formats_list_some(target: str | None, format: str | None) -> None:
    with pytest.raises(OptionError, match=r"\.png"):
        output_format(target, format)


def test_a_format_that_is_only_read_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="not written"):
        output_format("a.psd")


def test_what_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    image = Image(pattern(4, 4, 3))
    for target in (tmp_path / "missing" / "a.png", tmp_path / "folder.png"):
        (tmp_path / "folder.png").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match="PNG"):
            save_image(image, target)
    with pytest.raises(OutputError, match="can't hold"):
        save_image(image, io.BytesIO(), "xbm")
    with pytest.raises(OutputError, match="WEBP"):
        save_image(Image(np.zeros((1, 16_384), np.uint8)), io.BytesIO(), "webp")
    with pytest.raises(OptionError):
        save_image(image, None, "png")  # type: ignore[arg-type]


def test_a_path_is_written(tmp_path: Path) -> None:
    samples = pattern(4, 4, 3)
    assert save_image(Image(samples), tmp_path / "a.png") == ()
    assert np.array_equal(load_image(tmp_path / "a.png").array, samples)


@pytest.mark.parametrize("kind", ["png", "tif", "jpg", "webp"])
def test_pipes_are_written(kind: str) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, offset: int, whence: int = 0) -> int:
            raise io.UnsupportedOperation("seek")

        def tell(self) -> int:
            raise io.UnsupportedOperation("tell")

    pipe = Pipe()
    save_image(Image(pattern(4, 5, 3)), pipe, kind)
    assert load_image(pipe.getvalue()).width == 5
