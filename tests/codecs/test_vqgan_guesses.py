"""What the `vqgan` codec does without some of the words: lost ones, and ones left out."""

from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ncodec.api import Codec
from ncodec.codecs import tiled_picture
from ncodec.codecs.tile_decoding import DecodeJob
from ncodec.codecs.vqgan_rate import Rate
from ncodec.container import Reader, pack
from ncodec.errors import BitstreamError, CorruptFileError, NcodecWarning
from ncodec.media import Image

from .pictures import decoded, largest_difference, picture
from .test_vqgan import engine_of

HALO = 14 * 16


def damaged(blob: bytes, *chunks: int) -> bytes:
    """The file with a bit of each of these chunks changed."""
    changed = bytearray(blob)
    for index in chunks:
        changed[Reader(blob).chunks[index].offset] ^= 1
    return bytes(changed)


def concealed(image: Image) -> NDArray[np.bool_]:
    assert image.concealed is not None
    assert image.concealed.shape == image.array.shape[:2]
    return image.concealed


@pytest.fixture
def blob(vqgan: Codec) -> bytes:
    return vqgan.encode(picture(150, 101), quality=60)


@pytest.mark.parametrize("lost", [0, 1])
def test_half_of_the_rows_are_guessed_from_the_others(vqgan: Codec, blob: bytes, lost: int) -> None:
    with pytest.raises(CorruptFileError, match="CRC-16"):
        vqgan.decode(damaged(blob, lost))
    with pytest.warns(NcodecWarning, match=r"tile 0: \d\d% of it is damaged"):
        image = decoded(vqgan, damaged(blob, lost), partial=True)
    rows = np.arange(101) // 16 % 2 == lost
    np.testing.assert_array_equal(concealed(image), np.tile(rows[:, None], (1, 150)))
    assert image.lost == ()
    assert image.array.shape == (101, 150, 3)


def test_a_file_that_ends_early_is_guessed_on(vqgan: Codec, blob: bytes) -> None:
    with pytest.warns(NcodecWarning, match="guessed"):
        image = decoded(vqgan, blob[:-3], partial=True)
    assert concealed(image)[16:32].all()
    with pytest.raises(CorruptFileError, match="no tile is left"):
        vqgan.decode(damaged(blob, 0, 1), partial=True)


def test_nothing_is_guessed_in_a_whole_file(vqgan: Codec, blob: bytes) -> None:
    image = decoded(vqgan, blob, partial=True)
    assert image.concealed is None
    assert largest_difference(image.array, decoded(vqgan, blob).array) == 0


@pytest.fixture
def tiled(vqgan: Codec, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Two by two tiles, the lower ones with a single row of words."""
    monkeypatch.setattr(tiled_picture, "TILE", 256)
    found = vqgan.encode(picture(520, 266), quality=60)
    assert len(Reader(found).chunks) == 9
    return found


@pytest.mark.filterwarnings("ignore::ncodec.errors.NcodecWarning")
def test_damage_stays_around_its_tile(vqgan: Codec, tiled: bytes) -> None:
    whole = decoded(vqgan, tiled).array
    image = decoded(vqgan, damaged(tiled, 1), partial=True)
    assert image.lost == ()
    assert concealed(image)[16:32, :256].all()
    assert concealed(image).sum() == 256 * 256 / 2
    safe = 256 + HALO
    assert largest_difference(image.array[:, safe:], whole[:, safe:]) <= 1


@pytest.mark.filterwarnings("ignore::ncodec.errors.NcodecWarning")
def test_a_tile_without_any_words_is_grey_and_lost(vqgan: Codec, tiled: bytes) -> None:
    for chunks, tile, box in (((2, 3), 1, (256, 0, 256, 256)), ((6,), 3, (0, 256, 256, 10))):
        image = decoded(vqgan, damaged(tiled, *chunks), partial=True)
        assert [(lost.index, lost.box) for lost in image.lost] == [(tile, box)]
        x, y, width, height = box
        assert concealed(image)[y : y + height, x : x + width].all()
        assert concealed(image).sum() == width * height
        spot = image.array[y : y + height, x : x + width].astype(np.float64)
        assert np.abs(spot.mean() - 128) < 30


@pytest.mark.filterwarnings("ignore::ncodec.errors.NcodecWarning")
def test_regions_of_damaged_files_are_those_of_the_whole(vqgan: Codec, tiled: bytes) -> None:
    whole = decoded(vqgan, damaged(tiled, 1, 2), partial=True)
    x, y, width, height = 200, 20, 90, 100
    part = decoded(vqgan, damaged(tiled, 1, 2), region=(x, y, width, height), partial=True)
    rows, columns = slice(y, y + height), slice(x, x + width)
    assert largest_difference(part.array, whole.array[rows, columns]) <= 1
    np.testing.assert_array_equal(concealed(part), concealed(whole)[rows, columns])
    far = decoded(vqgan, damaged(tiled, 1, 2), region=(519, 0, 1, 1), partial=True)
    assert far.concealed is None
    assert far.warnings == ()


@pytest.mark.parametrize("drop", [10, 30, 50])
def test_files_with_words_left_out_are_whole(vqgan: Codec, drop: int) -> None:
    source = picture(320, 256)
    blob = vqgan.encode(source, quality=60, drop=drop, verify=True)
    image = decoded(vqgan, blob)
    assert image.warnings == ()
    assert image.lost == ()
    assert concealed(image).mean() == (320 * drop // 100) / 320
    assert Rate.of(Reader(blob).picture.rate).left_out == drop


def test_words_are_left_out_only_where_that_saves_bytes(vqgan: Codec) -> None:
    """Flags say which are gone: of few words they cost more than the words."""
    found = set()
    for seed, drop in product((1, 2), (1, 5, 25)):
        source = picture(160, 128, seed=seed)
        whole = vqgan.encode(source, quality=60)
        blob = vqgan.encode(source, quality=60, drop=drop)
        if blob != whole:
            assert len(blob) < len(whole)
            assert 0 < concealed(decoded(vqgan, blob)).mean() <= drop / 100
        found.add((drop, blob == whole))
    assert {(1, True), (25, False)} <= found


def test_leaving_words_out_saves_bytes(vqgan: Codec) -> None:
    source = picture(224, 160)
    sizes = [len(vqgan.encode(source, quality=60, drop=drop)) for drop in (0, 10, 25, 50)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.9 * sizes[0]
    assert len(vqgan.encode(source, size=sizes[2], drop=30)) <= sizes[2]


@pytest.mark.filterwarnings("ignore::ncodec.errors.NcodecWarning")
def test_words_left_out_and_words_lost_are_all_guessed(vqgan: Codec) -> None:
    blob = vqgan.encode(picture(150, 101), quality=60, drop=20)
    before = concealed(decoded(vqgan, blob))
    after = concealed(decoded(vqgan, damaged(blob, 0), partial=True))
    rows = np.arange(101) // 16 % 2 == 0
    np.testing.assert_array_equal(after, before | rows[:, None])


def test_what_is_guessed_well_is_left_out_first(
    vqgan: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A predictor that knows the left half and nothing of the right one: the left half goes."""
    engine, source = engine_of(vqgan), picture(128, 128)
    job = DecodeJob(engine, Reader(vqgan.encode(source, quality=100)), partial=False)
    words = engine.read_all(job.parts(0), job.area(0), job.rate)

    def half_known(nodes: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(1, 1024, 8, 8).scatter_(1, words[None, None], 50.0)
        logits[..., 4:] = logits[..., 4:].flip(1)
        return logits

    monkeypatch.setattr(engine.guesser, "_predictor", half_known)
    image = decoded(vqgan, vqgan.encode(source, quality=100, drop=25))
    gone = concealed(image)
    assert gone[:, :64].sum() > 0.9 * gone.sum()
    assert gone.mean() == 0.25


def test_no_table_depends_on_guesses(vqgan: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another network guesses otherwise: the words that are there stay what they are."""
    blob = vqgan.encode(picture(150, 101), quality=60, drop=40)
    engine = engine_of(vqgan)
    before = engine.read_latents(Reader(blob))
    monkeypatch.setattr(
        engine.guesser, "_predictor", lambda nodes: 999 * torch.rand(1, 1024, *nodes.shape[1:])
    )
    engine.check(Reader(blob))
    after = engine.read_latents(Reader(blob))
    there = ~concealed(decoded(vqgan, blob))[::16, ::16]
    assert torch.equal(before[:, there], after[:, there])
    assert not torch.equal(before, after)


@pytest.mark.filterwarnings("ignore::ncodec.errors.NcodecWarning")
def test_damage_that_a_checksum_does_not_show_is_guessed_as_well(vqgan: Codec, blob: bytes) -> None:
    """Payloads that changed places have right checksums, but decode to other symbols."""
    reader = Reader(blob)
    one, two = (reader.read(chunk) for chunk in reader.chunks)
    swapped = pack(reader.header, [("L", two), ("L", two)])
    with pytest.raises(BitstreamError):
        vqgan.decode(swapped)
    image = decoded(vqgan, swapped, partial=True)
    assert concealed(image)[:16].all()
    assert one != two
