"""The `vqgan` codec: a word for each block of 16x16 pixels, and a network that paints from words.

After Mao et al., "Extreme Image Compression using Fine-tuned VQGANs" (DCC 2024); the networks are
in `ncodec.models.vqgan`. A tile has two chunks, its even rows of words and its odd ones, so that
what is lost can be guessed from what lies between.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ncodec.codecs.tile_decoding import CODED, LEFT_OUT, LOST, Origins, Part
from ncodec.codecs.tiles import Box
from ncodec.codecs.vqgan_contexts import Codebook, ContextModel
from ncodec.codecs.vqgan_guesses import Guesser
from ncodec.codecs.vqgan_rate import Rate
from ncodec.codecs.vqgan_tiles import CHUNKS, MEANING, WordTiles
from ncodec.codecs.vqgan_words import Map
from ncodec.codecs.weights import load_module, read_verified
from ncodec.container import Reader
from ncodec.errors import BitstreamError
from ncodec.models.blocks import centred, lay_out, narrow, narrow_weights
from ncodec.models.vqgan import STRIDE, Vqgan

CPU = torch.device("cpu")
GREY = 128
PRICE = 2
"""What a bit is worth where words are left out: so many times as much as where they are chosen.
At 1 those go that cost hardly any bits, often fewer than the flags that say so (measured)."""


class VqganCodec(WordTiles):
    """Encodes and decodes pictures; see `ImageCodec` for the contract.

    The latent of a tile to encode is the features of its blocks and what an error in each weighs;
    that of a restored one is the nodes of its words and where they come from, int64 [1, 2, h, w].
    """

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        """Load weights onto a device. Raises `ModelError`s; runs the exact networks' self-tests."""
        arrays, identity = read_verified(weights, MEANING)
        super().__init__(ContextModel(arrays))
        self.model_id = identity[:4]
        self.device = torch.device(device)
        self.model = Vqgan()
        load_module(self.model, arrays, "model/")
        self.model.to(self.device).eval().requires_grad_(False)
        lay_out(self.model, torch.channels_last)
        narrow_weights(self.model.decoder, self.device)
        self.guesser = Guesser(self.model, self.device)

    def analysis(self, pixels: Tensor) -> Tensor:
        """See `TiledPictureCodec.analysis`."""
        encoder, planes = self.model.encoder, centred(pixels)
        return torch.cat([encoder(planes), encoder.weight(planes)], 1)

    def synthesis(self, latent: Tensor, rate: Tensor) -> Tensor:
        """See `TiledPictureCodec.synthesis`."""
        with narrow(self.device):
            planes: Tensor = self.model.decoder(latent[:, 0].to(self.device), rate)
        return planes

    def payloads(self, latent: Tensor, rate: int, verify: bool) -> list[bytes]:
        """See `TiledPictureCodec.payloads`."""
        return self.written(self._words(latent, Rate.of(rate)), Rate.of(rate), verify)

    def restore(self, parts: Sequence[Part], area: Box, rate: int, partial: bool) -> Tensor:
        """See `TiledPictureCodec.restore`."""
        book = self.contexts.codebook(Rate.of(rate).step)
        words = torch.full((area.height, area.width), book.size)
        origins = torch.full_like(words, CODED)
        for first, part in enumerate(parts):
            try:
                words[first::CHUNKS] = self.read(part, words[first::CHUNKS], rate)
            except BitstreamError:
                # What is left of a tile is guessed; with nothing left it is lost.
                if not partial or len(parts) == 1 or (origins == LOST).any():
                    raise
                origins[first::CHUNKS] = LOST
        origins[(words == book.size) & (origins == CODED)] = LEFT_OUT
        nodes = torch.from_numpy(book.nodes).long()[self.guesser.filled(words, book)]
        return torch.stack([nodes, origins])[None]

    def origins(self, latent: Tensor) -> Origins | None:
        """See `TiledPictureCodec.origins`."""
        found: Origins = latent[0, 1].numpy().astype("uint8")
        return found if (found != CODED).any() else None

    def empty(self, area: Box, rate: int) -> Tensor:
        """The words of a grey picture."""
        book = self.contexts.codebook(Rate.of(rate).step)
        block = torch.full((1, 3, STRIDE, STRIDE), GREY, dtype=torch.uint8, device=self.device)
        grey = self.analysis(block)
        node = int(book.nodes[int(self._distances(grey, book).argmin())])
        kinds = torch.tensor([node, LOST])[None, :, None, None]
        return kinds.repeat(1, 1, area.height, area.width)

    def read_latents(self, reader: Reader) -> Tensor:
        """The features that the words of a whole picture stand for, [F, h, w]."""
        nodes = super().read_latents(reader)[0]
        return self.model.encoder.centroids.to(CPU)[nodes].permute(2, 0, 1)

    def _words(self, latent: Tensor, rate: Rate) -> Map:
        """The words of a tile, some of them left out if that was asked for."""
        book = self.contexts.codebook(rate.step)
        distances = self._distances(latent, book).reshape(*latent.shape[-2:], book.size)
        slope = float(self.model.encoder.slopes[rate.step])
        words = torch.empty(latent.shape[-2:], dtype=torch.int64)
        for first in range(min(CHUNKS, len(words))):
            part = distances[first::CHUNKS]
            words[first::CHUNKS] = self.coder.choose(part, slope, rate.step)
        return self._thinned(words, distances, slope, rate) if rate.left_out else words

    def _thinned(self, words: Map, distances: Tensor, slope: float, rate: Rate) -> Map:
        """The map without words whose guesses cost least: in distance, less the bits saved."""
        book, bits = self.contexts.codebook(rate.step), torch.empty(words.shape)
        for first in range(min(CHUNKS, len(words))):
            bits[first::CHUNKS] = self.coder.bits(words[first::CHUNKS], rate.step)
        costs = distances.gather(2, words[..., None]) + PRICE * slope * bits[..., None]
        gone = self.guesser.dispensable(words, costs - distances, book, rate.left_out)
        return torch.where(gone, book.size, words)

    def _distances(self, latent: Tensor, book: Codebook) -> Tensor:
        """How far each block is from each word, but for its own length: [h w, K] on the CPU."""
        rows = latent[0].flatten(1).T.cpu()
        features, weight = rows[:, :-1], rows[:, -1:]
        centroids = self.model.encoder.centroids.to(CPU)[torch.from_numpy(book.nodes[:-1]).long()]
        apart = torch.addmm(centroids.square().sum(1), features, centroids.T, alpha=-2)
        return apart.mul_(weight)
