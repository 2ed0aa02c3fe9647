"""Large pictures: tiles without seams, regions that read little, damage that stays local."""

import random
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ncodec.api import Codec
from ncodec.codecs import tiled_picture
from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.codecs.tile_decoding import DecodeJob
from ncodec.codecs.tiles import Box, TileGrid
from ncodec.container import Chunk, ChunkKind, Reader
from ncodec.errors import CorruptFileError, NcodecWarning, TruncatedError
from ncodec.media import Image, Lost, Metadata
from ncodec.models.transforms import SynthesisTransform

from .pictures import decoded, largest_difference, picture

WIDE = picture(400, 72, 4)


@pytest.fixture(params=[64, 128])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    side: int = request.param
    monkeypatch.setattr(tiled_picture, "TILE", side)
    return side


@pytest.fixture(scope="module")
def wide(codec: Codec) -> Iterator[bytes]:
    """400 x 72 pixels in tiles of 64 (7 columns, 2 rows), with alpha, ICC and EXIF."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiled_picture, "TILE", 64)
        yield codec.encode(Image(WIDE, Metadata(icc=b"profile", exif=b"MM\0*")), quality=60)


def damaged(data: bytes, *chunks: Chunk) -> bytes:
    """The file with one bit of each of these payloads changed."""
    changed = bytearray(data)
    for chunk in chunks:
        changed[chunk.offset + chunk.length // 2] ^= 4
    return bytes(changed)


def tiles_of(data: bytes) -> tuple[Chunk, ...]:
    return Reader(data).of_kind(ChunkKind.LATENTS)


class CountingReader(Reader):
    """Counts how often each chunk is read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads: Counter[Chunk] = Counter()

    def read(self, chunk: Chunk) -> bytes:
        self.reads[chunk] += 1
        return super().read(chunk)


def test_tiles_leave_no_seams(engine: HyperpriorCodec, codec: Codec, tile: int) -> None:
    source = picture(200, 150)
    blob = codec.encode(source, quality=70)
    job = DecodeJob(engine, Reader(blob), partial=False)
    assert len(job.grid) == -(-200 // tile) * -(-150 // tile)
    box = Box(0, 0, 200, 150)
    latent = job._latents(box.align(16), range(len(job.grid)))
    whole = engine.synthesise(latent, job.rate, box)
    assert largest_difference(decoded(codec, blob).array, whole) <= 1


def test_the_decoders_halo_covers_what_a_pixel_depends_on() -> None:
    """Whatever the weights: no pixel of a tile sees a latent beyond the halo."""
    torch.manual_seed(0)
    synthesis = SynthesisTransform(8, 9)
    latent = torch.randn(1, 8, 25, 25, requires_grad=True)
    pixels = synthesis(latent, torch.tensor([0.5]))[:, :, 12 * 16 : 13 * 16, 12 * 16 : 13 * 16]
    (slope,) = torch.autograd.grad(pixels.square().sum(), latent)
    seen = slope.abs().sum((0, 1)).nonzero() - 12
    reach = int(seen.abs().max())
    assert 4 <= reach <= HyperpriorCodec.decoder_halo // 16


def test_tiled_analysis_is_close_to_that_of_the_whole(
    engine: HyperpriorCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = picture(256, 256)
    whole = engine.analyse(source, Box(0, 0, 256, 256))
    part = engine.analyse(source, Box(64, 128, 128, 192))
    error = (whole[:, :, 8:12, 4:8] - part).abs().max()
    assert error < 0.01 * whole.abs().max()


def test_tiled_pictures_come_back(codec: Codec, tile: int) -> None:
    for width, height, channels in ((129, 65, 1), (64, 130, 4), (200, 150, 3)):
        source = picture(width, height, channels)
        image = decoded(codec, codec.encode(source, quality=40, verify=True))
        assert image.array.shape == source.shape
        if channels == 4:
            np.testing.assert_array_equal(image.array[..., 3], source[..., 3])


def test_region_is_the_crop_of_a_tiled_picture(codec: Codec, tile: int) -> None:
    blob = codec.encode(picture(200, 150), quality=60)
    whole = decoded(codec, blob).array
    for x, y, w, h in ((0, 0, 200, 150), (60, 60, 10, 10), (199, 149, 1, 1), (63, 0, 2, 150)):
        part = decoded(codec, blob, region=(x, y, w, h)).array
        assert largest_difference(part, whole[y : y + h, x : x + w]) <= 1


def test_region_reads_only_the_tiles_that_it_needs(engine: HyperpriorCodec, wide: bytes) -> None:
    reader = CountingReader(wide)
    engine.decompress(reader, region=(200, 10, 20, 20))
    tiles = reader.of_kind(ChunkKind.LATENTS)
    read = {i for i, chunk in enumerate(tiles) if reader.reads[chunk]}
    # 112 pixels around columns 200..219 are 88..331: tiles 1 to 5 of both rows.
    assert read == {1, 2, 3, 4, 5, 8, 9, 10, 11, 12}


@pytest.mark.parametrize("region", [None, (100, 0, 200, 72)])
def test_every_tile_is_decoded_once(
    engine: HyperpriorCodec, wide: bytes, region: tuple[int, int, int, int] | None
) -> None:
    reader = CountingReader(wide)
    engine.decompress(reader, region=region)
    assert set(reader.reads.values()) == {1}


def test_every_tile_is_decoded_once_in_a_tall_picture(
    codec: Codec, engine: HyperpriorCodec, tile: int
) -> None:
    reader = CountingReader(codec.encode(picture(70, 400), quality=10))
    engine.decompress(reader)
    assert set(reader.reads.values()) == {1}


def test_latents_of_rows_that_are_done_are_dropped(codec: Codec, engine: HyperpriorCodec) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiled_picture, "TILE", 128)
        blob = codec.encode(picture(20, 128 * 6), quality=10)
    kept = []
    job = DecodeJob(engine, Reader(blob), partial=False)
    job.picture(job.grid.picture, lambda done, total: kept.append(len(job.kept)))
    assert len(kept) == 6
    assert max(kept) <= 3


@pytest.mark.parametrize("region", [None, (100, 0, 100, 300), (63, 52, 130, 200)])
def test_what_is_dropped_was_not_needed(
    codec: Codec,
    engine: HyperpriorCodec,
    tile: int,
    region: tuple[int, int, int, int] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blob = codec.encode(picture(200, 300), quality=30)
    found = engine.decompress(Reader(blob), region=region).array
    monkeypatch.setattr(DecodeJob, "_forget", lambda *_: None)
    np.testing.assert_array_equal(engine.decompress(Reader(blob), region=region).array, found)


def test_a_row_and_its_border_are_kept(codec: Codec, engine: HyperpriorCodec) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiled_picture, "TILE", 256)
        blob = codec.encode(picture(256 * 5, 256 * 3), quality=10)
    job = DecodeJob(engine, Reader(blob), partial=False)
    rows = list[int]()
    job.picture(
        job.grid.picture,
        lambda done, total: rows.append(sum(box.height for box, _ in job.kept.values())),
    )
    # Five tiles of 16 rows and 7 of five tiles above or below, and two whole ones at the ends.
    assert max(rows) <= 5 * 16 + 5 * 7 + 2 * 16


def test_tiles_can_be_decoded_in_any_order(engine: HyperpriorCodec, wide: bytes) -> None:
    whole = engine.decompress(Reader(wide)).colour
    job = DecodeJob(engine, Reader(wide), partial=False)
    order = list(range(len(job.grid)))
    random.Random(1).shuffle(order)
    for index in order:
        box = job.grid.box(index)
        assert largest_difference(job._pixels(box, index), whole[box.slices]) <= 1


def test_partial_names_the_lost_tiles_and_keeps_the_others(codec: Codec, wide: bytes) -> None:
    tiles = tiles_of(wide)
    broken = damaged(wide, tiles[0], tiles[8])
    with pytest.raises(CorruptFileError, match="CRC-32"):
        decoded(codec, broken)
    image = decoded(codec, broken, partial=True)
    assert image.lost == (Lost(0, (0, 0, 64, 64)), Lost(8, (64, 64, 64, 8)))
    whole = decoded(codec, wide).array
    safe = 128 + HyperpriorCodec.decoder_halo
    assert largest_difference(image.array[:, safe:], whole[:, safe:]) <= 1
    np.testing.assert_array_equal(image.array[..., 3], WIDE[..., 3])
    assert largest_difference(image.array[:64, :64, :3], whole[:64, :64, :3]) > 1


def test_partial_of_an_intact_file_loses_nothing(codec: Codec, wide: bytes) -> None:
    image = decoded(codec, wide, partial=True)
    assert image.lost == ()
    np.testing.assert_array_equal(image.array, decoded(codec, wide).array)


def test_partial_decodes_what_a_truncated_file_holds(codec: Codec, wide: bytes) -> None:
    tiles = tiles_of(wide)
    short = wide[: tiles[9].offset + 3]
    with pytest.raises(TruncatedError):
        decoded(codec, short)
    image = decoded(codec, short, partial=True)
    assert [lost.index for lost in image.lost] == [9, 10, 11, 12, 13]


def test_regions_away_from_the_damage_decode_as_ever(codec: Codec, wide: bytes) -> None:
    broken = damaged(wide, tiles_of(wide)[0])
    far = (300, 0, 100, 72)
    np.testing.assert_array_equal(
        decoded(codec, broken, region=far).array, decoded(codec, wide, region=far).array
    )
    with pytest.raises(CorruptFileError):
        decoded(codec, broken, region=(0, 0, 10, 10))


def test_lost_tiles_outside_the_region_are_not_named(codec: Codec, wide: bytes) -> None:
    broken = damaged(wide, tiles_of(wide)[0])
    assert decoded(codec, broken, region=(100, 0, 20, 20), partial=True).lost == ()


@pytest.mark.parametrize(("kind", "name"), [(ChunkKind.ICC, "ICC"), (ChunkKind.EXIF, "EXIF")])
def test_damaged_metadata_is_left_out_with_a_warning(
    codec: Codec, wide: bytes, kind: str, name: str
) -> None:
    broken = damaged(wide, *Reader(wide).of_kind(kind))
    with pytest.warns(NcodecWarning, match=f"{name} metadata is damaged"):
        image = decoded(codec, broken)
    assert getattr(image.metadata, name.lower()) is None
    assert (image.metadata.icc is None) != (image.metadata.exif is None)
    np.testing.assert_array_equal(image.array, decoded(codec, wide).array)


def test_damaged_alpha_is_an_error_and_left_out_of_a_partial_decode(
    codec: Codec, wide: bytes
) -> None:
    broken = damaged(wide, *Reader(wide).of_kind(ChunkKind.ALPHA))
    with pytest.raises(CorruptFileError):
        decoded(codec, broken)
    with pytest.warns(NcodecWarning, match="alpha is damaged"):
        image = decoded(codec, broken, partial=True)
    assert image.alpha is None
    np.testing.assert_array_equal(image.array, decoded(codec, wide).array[..., :3])


def test_progress_counts_tiles(codec: Codec, engine: HyperpriorCodec, wide: bytes) -> None:
    seen: list[tuple[int, int]] = []
    engine.check(Reader(wide), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i + 1, 14) for i in range(14)]


@pytest.mark.parametrize(("width", "height", "side"), [(200, 150, 64), (64, 64, 64), (65, 1, 64)])
def test_tiles_cover_every_pixel_once(width: int, height: int, side: int) -> None:
    grid = TileGrid(width, height, side)
    cover = np.zeros((height, width), int)
    for index in range(len(grid)):
        cover[grid.box(index).slices] += 1
        assert index in grid.touching(grid.box(index))
    assert (cover == 1).all()
    assert list(grid.touching(grid.picture)) == list(range(len(grid)))
    assert len(TileGrid(width, height, None)) == 1
