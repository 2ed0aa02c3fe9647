"""docs/format.md says what the code does."""

import dataclasses
import re
from pathlib import Path

import pytest

from ncodec.container import (
    MAGIC,
    VERSION,
    AudioHeader,
    ChunkKind,
    Header,
    ImageHeader,
    Limits,
    pack,
)

DOCUMENT = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
MODEL_ID = bytes.fromhex("d43c9107")
TILED = pack(
    Header(1, MODEL_ID, ImageHeader(100, 40, False, 64, 300)),
    [("L", b"1st tile"), ("L", b"2nd tile"), ("x", b"Exifdata")],
)
SINGLE = pack(Header(1, MODEL_ID, ImageHeader(100, 40, True, None, 300)), [("L", b"latents!")])
SECONDS = pack(
    Header(2, MODEL_ID, AudioHeader(40_000, 16_000, 1, 6)),
    [("L", b"1st second"), ("L", b"2nd second."), ("L", b"half")],
)
SAMPLE = pack(Header(2, MODEL_ID, AudioHeader(1, 8_000, 2, 6)), [("L", b"tiny")])
BRIEF = pack(
    Header(4, MODEL_ID, ImageHeader(768, 512, False, None, 48, brief=True)),
    [("L", b"even rows"), ("L", b"odd rows")],
)
EXAMPLES = {
    "tiled": TILED, "single": SINGLE, "seconds": SECONDS, "sample": SAMPLE, "brief": BRIEF,
}  # fmt: skip


def dump(block: str) -> list[tuple[int, bytes]]:
    rows = re.findall(r"^ *(\d+)  ((?:[0-9a-f]{2} )+) *\S", block, re.MULTILINE)
    return [(int(offset), bytes.fromhex(row)) for offset, row in rows]


def table(columns: int) -> list[list[str]]:
    lines = [line.strip("|").split("|") for line in DOCUMENT.splitlines() if line[:1] == "|"]
    rows = [[cell.strip().strip("`") for cell in line] for line in lines]
    return [row for row in rows if len(row) == columns]


@pytest.mark.parametrize(("index", "blob"), list(enumerate(EXAMPLES.values())), ids=EXAMPLES)
def test_each_hex_dump_is_what_pack_writes(index: int, blob: bytes) -> None:
    rows = dump(re.findall(r"^```\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)[index])
    assert b"".join(row for _, row in rows) == blob
    assert [offset for offset, _ in rows] == [
        sum(len(row) for _, row in rows[:number]) for number in range(len(rows))
    ]


def test_the_hex_dump_shows_a_file_of_60_bytes() -> None:
    assert len(TILED) == 60


def test_the_limits_are_the_default_ones() -> None:
    named = {row[0]: row[1] for row in table(3)}
    for field in dataclasses.fields(Limits):
        assert named[field.name] == str(field.default)


def test_every_kind_of_chunk_is_described() -> None:
    assert {row[0] for row in table(3) if len(row[0]) == 1} == ChunkKind.KNOWN


def test_magic_and_version_are_the_ones_in_force() -> None:
    assert ["magic", "4", MAGIC.hex(" ")] in table(3)
    assert DOCUMENT.startswith(f"# The ncodec file format, version {VERSION}\n")
