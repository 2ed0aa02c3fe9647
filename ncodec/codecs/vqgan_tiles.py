"""How the words of a `vqgan` picture lie in tiles and chunks. Has no transforms."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ncodec.codecs.tile_decoding import Part
from ncodec.codecs.tiled_picture import TiledPictureCodec
from ncodec.codecs.tiles import Box
from ncodec.codecs.vqgan_contexts import ContextModel
from ncodec.codecs.vqgan_rate import RATES, Rate
from ncodec.codecs.vqgan_words import Map, WordCoder
from ncodec.models.vqgan import HALO_BLOCKS, STRIDE
from ncodec.models.word_tree import STEPS

MEANING = ("encoder.centroids", "encoder.basis")
"""Float weights that the model id covers: what words mean. The networks may improve."""
CHUNKS = 2
"""A tile's chunks: every second row each."""


class WordTiles(TiledPictureCodec):
    """Reads and writes the words of files."""

    name = "vqgan"
    stride = STRIDE
    encoder_halo = STRIDE
    decoder_halo = HALO_BLOCKS * STRIDE
    steps = STEPS
    rates = RATES
    brief = True

    def __init__(self, contexts: ContextModel) -> None:
        self.contexts, self.coder = contexts, WordCoder(contexts)

    def chunks_of(self, area: Box) -> int:
        """See `TiledPictureCodec.chunks_of`."""
        return min(CHUNKS, area.height)

    def written(self, words: Map, rate: Rate, verify: bool) -> list[bytes]:
        """The payloads of a tile's words [h, w]."""
        parts = [words[first::CHUNKS] for first in range(min(CHUNKS, len(words)))]
        payloads = [self.coder.encode(part, rate) for part in parts]
        if verify:
            for payload, part in zip(payloads, parts, strict=True):
                self.coder.verify(payload, part, rate)
        return payloads

    def read(self, part: Part, like: Tensor, rate: int) -> Map:
        """The words in a chunk, as many as there are places in `like`."""
        height, width = like.shape
        return self.coder.decode(part(), (height, width), Rate.of(rate))

    def read_all(self, parts: Sequence[Part], area: Box, rate: int) -> Map:
        """The words [h, w] of a tile that is whole."""
        words = torch.empty(area.height, area.width, dtype=torch.int64)
        for first, part in enumerate(parts):
            words[first::CHUNKS] = self.read(part, words[first::CHUNKS], rate)
        return words

    def check_parts(self, parts: Sequence[Part], area: Box, rate: int) -> None:
        """See `TiledPictureCodec.check_parts`."""
        self.read_all(parts, area, rate)
