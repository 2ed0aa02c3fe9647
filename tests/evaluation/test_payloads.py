"""Payloads are what is left of a file without headers and metadata."""

import io
import struct

import PIL.Image
import pytest

from ncodec.evaluation import open_subject
from ncodec.evaluation.payloads import payload_bytes
from ncodec.media import Audio
from tests.evaluation.conftest import picture, speech

PICTURE = PIL.Image.fromarray(picture(64, 48))


def saved(format: str, **options: object) -> bytes:
    file = io.BytesIO()
    PICTURE.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_metadata_does_not_count(format: str) -> None:
    bare, tagged = (
        saved(format),
        saved(format, icc_profile=bytes(1000), exif=b"Exif\0\0" + b"x" * 99),
    )
    assert len(tagged) > len(bare) + 1000
    assert payload_bytes(tagged) == payload_bytes(bare) < len(bare)


def test_all_scans_of_a_jpeg_count() -> None:
    data = saved("JPEG", progressive=True, quality=90)
    scans = data.count(b"\xff\xda")
    assert scans > 5
    first = data.index(b"\xff\xda")
    assert 0 < payload_bytes(data) < len(data) - first - 8 * scans


def test_a_jpeg_with_restarts_counts_whole_scans() -> None:
    plain, restarted = saved("JPEG"), saved("JPEG", restart_marker_rows=1)
    assert b"\xff\xd0" in restarted
    assert payload_bytes(restarted) > payload_bytes(plain)


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


def test_media_data_of_boxes_counts() -> None:
    head = box(b"ftyp", b"avif")
    large = struct.pack(">I4sQ", 1, b"mdat", 16 + 7) + bytes(7)
    to_the_end = struct.pack(">I4s", 0, b"mdat") + bytes(9)
    assert payload_bytes(head + box(b"meta", bytes(50)) + box(b"mdat", bytes(5))) == 5
    assert payload_bytes(head + large + to_the_end) == 16


def page(laces: list[int], body: bytes) -> bytes:
    return b"OggS" + bytes(22) + bytes([len(laces), *laces]) + body


def test_packets_of_an_ogg_count_but_not_its_headers() -> None:
    head, tags = b"OpusHead" + bytes(11), b"OpusTags" + bytes(300 - 8)
    first, second = bytes(255 + 40), bytes(20)
    data = page([19], head) + page([255, 45], tags) + page([255], first[:255])
    data += page([40, 20], first[255:] + second)
    assert payload_bytes(data) == len(first) + len(second)


def test_headers_of_vorbis_hold_its_books() -> None:
    subject = open_subject("vorbis")
    short, long = (subject.encode(Audio(speech(s), 16_000), 3) for s in (1.0, 2.0))
    headers = len(short) - subject.payload(short)
    assert headers > 2000
    assert abs(len(long) - subject.payload(long) - headers) < 200


@pytest.mark.parametrize("data", [b"", b"\xff\x0a", b"anything", b"OggS", b"\xff\xd8", b"RIFF"])
def test_other_files_count_whole_or_not_at_all(data: bytes) -> None:
    assert payload_bytes(data) in (0, len(data))
