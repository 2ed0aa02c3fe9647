"""Each way to fail has its exit code and one line on stderr, and leaves no output behind."""

from pathlib import Path

import pytest

from ncodec.cli.exits import SEVERITY, Exit, exit_code, worst
from ncodec.codecs import registry
from ncodec.container import ChunkKind, Header, ImageHeader, pack
from ncodec.errors import EntropyDesyncError
from ncodec.media import load_image
from tests.cli.conftest import Picture, Run, names, samples
from tests.cli.plain_codec import MODEL_ID, NUMBER, PlainCodec, packed


@pytest.fixture
def good(run: Run, picture: Picture) -> bytes:
    run("encode", picture("a.png", 200, 70), "-o", "good.ncd")
    return Path("good.ncd").read_bytes()


def check_failure(run: Run, data: bytes, code: Exit, *said: str) -> None:
    """Decoding `data` and testing it fails with this code, and decoding writes nothing."""
    Path("bad.ncd").write_bytes(data)
    before = names(Path())
    for answer in (run("decode", "bad.ncd"), run("test", "bad.ncd")):
        assert answer.code == code
        assert answer.out == ""
        assert answer.err.startswith("error: bad.ncd: ")
        assert answer.err.count("\n") == 1
        assert all(text in answer.err for text in said)
    assert names(Path()) == before


def test_a_picture_given_to_decode_is_no_ncodec_file(run: Run, good: bytes) -> None:
    check_failure(run, Path("a.png").read_bytes(), Exit.INPUT, "PNG", "encode")


def test_a_truncated_file_is_corrupt(run: Run, good: bytes) -> None:
    check_failure(run, good[:-1], Exit.CORRUPT)


def test_a_damaged_file_is_corrupt(run: Run, good: bytes) -> None:
    check_failure(run, good[:-9] + b"\0" + good[-8:], Exit.CORRUPT)


def test_a_newer_version_is_unsupported(run: Run, good: bytes) -> None:
    check_failure(run, good[:4] + b"\xf1" + good[5:], Exit.UNSUPPORTED, "version 15")


def test_a_file_of_another_model_is_unsupported(run: Run) -> None:
    media = ImageHeader(8, 8, False, None, 0)
    data = pack(Header(NUMBER, b"\xee" * 4, media), [(ChunkKind.LATENTS, b"x")])
    check_failure(run, data, Exit.UNSUPPORTED, "eeeeeeee")


def test_a_file_of_an_unknown_codec_is_unsupported(run: Run) -> None:
    media = ImageHeader(8, 8, False, None, 0)
    data = pack(Header(12345, bytes(4), media), [(ChunkKind.LATENTS, b"x")])
    check_failure(run, data, Exit.UNSUPPORTED, "12345")


def test_other_symbols_than_were_encoded_are_a_desync(run: Run) -> None:
    media = ImageHeader(8, 8, False, None, 0)
    payload = packed(samples(8, 8))[:-2] + b"\0\0"
    data = pack(Header(NUMBER, MODEL_ID[:4], media), [(ChunkKind.LATENTS, payload)])
    check_failure(run, data, Exit.DESYNC)


def test_a_picture_above_the_limits_is_refused(run: Run, good: bytes) -> None:
    for words in (
        ("decode", "good.ncd", "-o", "x.png"),
        ("test", "good.ncd"),
        ("info", "good.ncd"),
    ):
        answer = run(*words, "--max-pixels", 13_999)
        assert answer.code == Exit.LIMIT
    assert run("encode", "a.png", "--max-pixels", 13_999).code == Exit.LIMIT
    assert run("decode", "good.ncd", "-o", "x.png", "--max-pixels", 14_000).code == Exit.OK


def test_an_endless_pipe_is_cut_off(run: Run) -> None:
    answer = run("decode", "-", "--max-pixels", 1, stdin=bytes(2**24 + 9))
    assert answer.code == Exit.LIMIT


def test_missing_weights_are_unsupported(
    run: Run, picture: Picture, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = registry.BUILT_IN["plain"]
    gone = registry.CodecEntry(**{**vars(entry), "weights": (Path("gone.safetensors"),)})
    monkeypatch.setitem(registry.BUILT_IN, "plain", gone)
    registry.entries.cache_clear()
    answer = run("encode", picture("a.png"))
    assert answer.code == Exit.UNSUPPORTED
    assert "weights" in answer.err


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (EntropyDesyncError("symbols differ"), Exit.DESYNC, "symbols differ"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted"),
        (ZeroDivisionError("two\nlines"), Exit.UNEXPECTED, "two lines; please report"),
        (MemoryError(), Exit.UNEXPECTED, "MemoryError"),
        (OSError(28, "No space left"), Exit.UNEXPECTED, "error: a.png: No space left\n"),
    ],
)
def test_whatever_stops_an_encoder_leaves_nothing_behind(
    run: Run,
    picture: Picture,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: Exit,
    said: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(PlainCodec, "compress", fail)
    answer = run("encode", picture("a.png"))
    assert answer.code == code
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert names(folder) == ["a.png"]
    assert "Traceback" in run("encode", "a.png", "-v").err


def test_partial_writes_what_is_left_and_names_what_is_not(run: Run, good: bytes) -> None:
    Path("cut.ncd").write_bytes(good[:-9] + b"\0" + good[-8:])
    answer = run("decode", "cut.ncd", "--partial")
    assert answer.code == Exit.CORRUPT
    assert "error: cut.ncd: tile 7 lost: 8x6 at 192,64" in answer.err
    left = load_image("cut.png").array
    assert (left[:64] == samples(200, 70)[:64]).all()
    assert (left[64:, 192:] == 0).all()


def test_partial_of_an_intact_file_is_no_error(run: Run, good: bytes) -> None:
    answer = run("decode", "good.ncd", "-o", "all.png", "--partial")
    assert answer.code == Exit.OK
    assert "lost" not in answer.err


def test_test_says_ok_for_each_intact_file(run: Run, good: bytes) -> None:
    answer = run("test", "good.ncd", "good.ncd")
    assert answer.code == Exit.OK
    assert answer.err.count("good.ncd: ok") == 2


def test_test_finds_any_flipped_byte(run: Run, picture: Picture) -> None:
    exif = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    run("encode", picture("tiny.jpg", 3, 2, exif), "-o", "tiny.ncd")
    good = Path("tiny.ncd").read_bytes()
    for position in range(len(good)):
        flipped = good[:position] + bytes([good[position] ^ 0x10]) + good[position + 1 :]
        Path("flipped.ncd").write_bytes(flipped)
        assert run("test", "flipped.ncd").code != Exit.OK


def test_every_code_has_its_place_among_the_others() -> None:
    assert sorted(SEVERITY) == sorted(Exit)
    assert worst(Exit.OK, Exit.INPUT) is Exit.INPUT
    assert worst(Exit.UNEXPECTED, Exit.DESYNC) is Exit.UNEXPECTED
    assert exit_code(BrokenPipeError()) is Exit.PIPE
