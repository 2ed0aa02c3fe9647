"""One picture there and back: names, pipes, formats, regions, targets."""

import io
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from ncodec.cli.encode import size_in_bytes
from ncodec.errors import OptionError
from tests.cli.conftest import Picture, Run, names, samples

EXIF = b"II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, 1, 0) + bytes(4)


def pixels(source: Path | bytes) -> NDArray[np.uint8]:
    with PIL.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
        return np.asarray(opened)


def picture_format(path: str) -> str:
    with PIL.Image.open(path) as opened:
        return str(opened.format)


def has_exif(path: str) -> bool:
    with PIL.Image.open(path) as opened:
        return "exif" in opened.info


def test_a_picture_goes_there_and_back_beside_itself(run: Run, picture: Picture) -> None:
    path = picture("a.png")
    assert run("encode", path).code == 0
    path.rename("first.png")
    assert run("decode", "a.ncd").code == 0
    assert np.array_equal(pixels(Path("a.png")), pixels(Path("first.png")))


def test_output_names_a_file_or_a_folder(run: Run, picture: Picture, folder: Path) -> None:
    path = picture("a.png")
    (folder / "out").mkdir()
    assert run("encode", path, "-o", "b.ncd").code == 0
    assert run("encode", path, "-o", "out").code == 0
    assert run("encode", path, "-o", "new/").code == 0
    assert names(folder) == ["a.png", "b.ncd", "new/a.ncd", "out/a.ncd"]


def test_pipes_carry_the_same_bytes_as_files(run: Run, picture: Picture) -> None:
    path = picture("a.png")
    run("encode", path)
    encoded = run("encode", "-", "-o", "-", stdin=path.read_bytes())
    assert (encoded.code, encoded.data) == (0, Path("a.ncd").read_bytes())
    decoded = run("decode", "-", stdin=encoded.data)
    assert decoded.data.startswith(b"\x89PNG")
    assert np.array_equal(pixels(decoded.data), samples(100, 70))


def test_the_suffix_or_format_chooses_the_picture_format(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png"))
    assert run("decode", "a.ncd", "-o", "a.webp").code == 0
    assert run("decode", "a.ncd", "--format", "tif").code == 0
    piped = run("decode", "a.ncd", "-o", "-", "--format", "jpg")
    assert picture_format("a.webp") == "WEBP"
    assert picture_format("a.tif") == "TIFF"
    assert piped.data.startswith(b"\xff\xd8")


@pytest.mark.parametrize("words", [("-o", "a.xyz"), ("--format", "nonsense")])
def test_an_unknown_format_is_refused_before_any_work(
    run: Run, picture: Picture, words: tuple[str, str]
) -> None:
    run("encode", picture("a.png"))
    answer = run("decode", "a.ncd", *words)
    assert answer.code == 2
    assert "unknown picture format" in answer.err


def test_a_region_is_cut_out(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png"))
    assert run("decode", "a.ncd", "-o", "part.png", "--region", "10, 5,60,50").code == 0
    assert np.array_equal(pixels(Path("part.png")), samples(100, 70)[5:55, 10:70])


@pytest.mark.parametrize("region", ["1,2,3", "a,b,c,d", "-1,0,5,5", "0,0,500,500", "1.5,0,2,2", ""])
def test_an_impossible_region_is_a_usage_error(run: Run, picture: Picture, region: str) -> None:
    run("encode", picture("a.png"))
    answer = run("decode", "a.ncd", "-o", "b.png", f"--region={region}")
    assert answer.code == 2
    assert "region" in answer.err
    assert not Path("b.png").exists()


def test_strip_leaves_metadata_out(run: Run, picture: Picture) -> None:
    path = picture("a.jpg", exif=EXIF)
    run("encode", path, "-o", "kept.ncd")
    run("encode", path, "-o", "bare.ncd", "--strip")
    run("decode", "kept.ncd", "bare.ncd", "-o", "out")
    assert has_exif("out/kept.png")
    assert not has_exif("out/bare.png")


def test_the_summary_says_what_was_made(run: Run, picture: Picture) -> None:
    answer = run("encode", picture("a.png"))
    size = Path("a.ncd").stat().st_size
    assert answer.out == ""
    assert answer.err.startswith("a.png 100x70 -> a.ncd  plain  ")
    assert f"{8 * size / 7000:.3f} bpp (1:{21000 / size:.1f})" in answer.err
    assert "verify ok" in answer.err
    assert "not verified" in run("encode", "a.png", "-f", "--no-verify").err


def test_auto_is_the_same_as_no_codec(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png"), "-o", "none.ncd")
    assert run("encode", "a.png", "-o", "auto.ncd", "-c", "auto").code == 0
    assert Path("auto.ncd").read_bytes() == Path("none.ncd").read_bytes()


def test_what_the_codec_warns_of_is_passed_on(run: Run, picture: Picture) -> None:
    answer = run("encode", picture("a.png"), "--psnr", 99)
    assert "warning: a.png: psnr is out of reach" in answer.err
    assert answer.code == 0


def test_what_the_picture_format_loses_is_said(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png"))
    answer = run("decode", "a.ncd", "-o", "a.gif")
    assert "warning: a.ncd: GIF keeps 256 colours" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("-q", "101"),
        ("-q", "nan"),
        ("--bpp", "0"),
        ("--psnr", "-1"),
        ("--size", "20"),
        ("--size", "many"),
        ("-q", "50", "--bpp", "1"),
        ("--threads", "0"),
        ("--max-pixels", "0"),
        ("-c", "nothing"),
    ],
)
def test_targets_and_options_that_make_no_sense_are_usage_errors(
    run: Run, picture: Picture, words: tuple[str, ...]
) -> None:
    answer = run("encode", picture("a.png"), *words)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert not Path("a.ncd").exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20000", 20000),
        ("20k", 20000),
        ("20kB", 20000),
        ("20 KB", 20000),
        ("1.5MB", 1_500_000),
        ("2KiB", 2048),
        ("1.5Mi", 1_572_864),
        ("1GB", 10**9),
        ("100B", 100),
    ],
)
def test_sizes_take_units(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "k", "-5", "1e3", "20x", "1.5.2", "2iB", "\u0662"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(OptionError):
        size_in_bytes(text)
