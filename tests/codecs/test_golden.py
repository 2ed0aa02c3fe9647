"""Files of the past decode to the same symbols for ever, and to the same pixels within 1."""

import json
from pathlib import Path

import pytest
import torch

from ncodec.api import Codec
from ncodec.codecs import registry
from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.container import Reader
from ncodec.media import load_image
from ncodec.models.blocks import lay_out
from tests.golden.symbols import symbols_sha256, tile_symbols

from .arithmetic import arithmetic, said_elsewhere
from .pictures import decoded, largest_difference, picture

GOLDEN = Path(__file__).parent.parent / "golden"
HASHES: dict[str, str] = json.loads((GOLDEN / "symbols.json").read_text())
PRINT_HASHES = """
from pathlib import Path
from tests.golden.make import HERE, engine
from tests.golden.symbols import symbols_sha256
for path in sorted(HERE.glob("*.ncd")):
    print(symbols_sha256(engine(), path.read_bytes()))
"""


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.ncd").read_bytes()


def test_every_golden_file_is_listed() -> None:
    assert {path.stem for path in GOLDEN.glob("*.ncd")} == set(HASHES)
    assert len(HASHES) >= 4


@pytest.mark.parametrize("name", HASHES)
def test_symbols_are_the_same(engine: HyperpriorCodec, name: str) -> None:
    assert symbols_sha256(engine, golden(name)) == HASHES[name]


@pytest.mark.parametrize("name", HASHES)
def test_pixels_are_the_same_within_one(codec: Codec, name: str) -> None:
    expected = load_image(GOLDEN / f"{name}.png")
    image = decoded(codec, golden(name))
    assert largest_difference(image.array, expected.array) <= 1
    if expected.alpha is not None and image.alpha is not None:
        assert largest_difference(image.alpha, expected.alpha) == 0


@pytest.mark.parametrize("name", HASHES)
def test_the_same_symbols_give_the_same_bytes(engine: HyperpriorCodec, name: str) -> None:
    step = Reader(golden(name)).picture.rate
    for payload, symbols, rows, other_rows in tile_symbols(engine, golden(name)):
        assert engine.latents._written(symbols, rows, other_rows, step) == payload


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("onednn", [True, False])
def test_threads_and_kernels_change_no_symbol(
    engine: HyperpriorCodec, codec: Codec, count: int, onednn: bool
) -> None:
    with arithmetic(count, onednn):
        for name, digest in HASHES.items():
            assert symbols_sha256(engine, golden(name)) == digest
        image = decoded(codec, golden("tiles-fine"))
    expected = load_image(GOLDEN / "tiles-fine.png")
    assert largest_difference(image.array, expected.array) <= 1


def test_memory_format_changes_no_symbol(engine: HyperpriorCodec) -> None:
    """The loaded codec is channels-last; this one is not."""
    weights = registry.weights_for(registry.entry_by_name("hyperprior"), None)
    plain = HyperpriorCodec(weights)
    lay_out(plain.model, torch.contiguous_format)
    for name, digest in HASHES.items():
        assert symbols_sha256(plain, golden(name)) == digest
        image = plain.decompress(Reader(golden(name)))
        expected = engine.decompress(Reader(golden(name)))
        assert largest_difference(image.array, expected.array) <= 1


def test_another_instruction_set_changes_no_symbol() -> None:
    assert said_elsewhere(PRINT_HASHES) == [HASHES[name] for name in sorted(HASHES)]


def test_what_other_arithmetic_encodes_decodes(codec: Codec, engine: HyperpriorCodec) -> None:
    source = picture(90, 70)
    with arithmetic(1, onednn=False):
        other = codec.encode(source, quality=80)
    engine.check(Reader(other))
    ours = codec.encode(source, quality=80)
    assert abs(len(ours) - len(other)) <= 0.01 * len(ours) + 8
