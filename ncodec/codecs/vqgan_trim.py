"""Cutting a picture's file to a smaller codebook: words and their coding only, no transforms."""

from dataclasses import replace

from ncodec.codecs.base import Target
from ncodec.codecs.rate_search import highest_below
from ncodec.codecs.registry import entry_of, weights_for
from ncodec.codecs.tile_decoding import DecodeJob
from ncodec.codecs.vqgan_contexts import ContextModel, coarser
from ncodec.codecs.vqgan_rate import Rate
from ncodec.codecs.vqgan_tiles import MEANING, WordTiles
from ncodec.codecs.weights import read_verified
from ncodec.container import ChunkKind, Reader, pack


def trim(reader: Reader, target: Target) -> bytes:
    """The bytes of a file below a ceiling, with each word replaced by the one it was split off.

    The codebook is the largest that fits. Words that were left out stay so. Raises
    `BitstreamError`s, and `OptionError` if no file is that small.
    """
    header, media = reader.header, reader.picture
    arrays, _ = read_verified(weights_for(entry_of(header), header.model_id), MEANING)
    tiles, rate = WordTiles(ContextModel(arrays)), Rate.of(media.rate)
    job = DecodeJob(tiles, reader, partial=False)
    maps = [tiles.read_all(job.parts(i), job.area(i), media.rate) for i in range(len(job.grid))]
    others = [(c.kind, reader.read(c)) for c in reader.chunks if c.kind != ChunkKind.LATENTS]
    finer = tiles.contexts.codebook(rate.step)

    def attempt(step: int) -> tuple[float, bytes]:
        lower, book = Rate(step, rate.left_out), tiles.contexts.codebook(step)
        payloads = [
            (ChunkKind.LATENTS, payload)
            for words in maps
            for payload in tiles.written(coarser(words, finer, book), lower, verify=False)
        ]
        wanted = replace(media, rate=lower.number, brief=tiles.brief)
        data = pack(replace(header, media=wanted), [*others, *payloads])
        return float(len(data)), data

    ceiling = target.value if target.kind == "size" else target.value * job.pixels / 8
    what = f"{target.kind} {target.value:g}, in bytes"
    return highest_below(attempt, rate.step + 1, ceiling, what)[0].result
