"""The `walloc` codec: wavelet packets, a linear encoder, and one model for each medium.

After Jacobellis, Yadwadkar, "Learned Compression for Compressed Learning" (2024); the networks are
in `ncodec.models.walloc`.
"""

from pathlib import Path

import torch
from torch import Tensor

from ncodec.codecs.tiled_picture import TiledPictureCodec
from ncodec.codecs.walloc_latents import LatentCoder, meaning
from ncodec.codecs.weights import Arrays, load_module, read_verified
from ncodec.models.blocks import lay_out, narrow
from ncodec.models.walloc import Walloc
from ncodec.models.walloc_medium import PICTURE, Medium
from ncodec.models.wavelets import strips_2d


def load_model(
    weights: Path, medium: Medium, device: torch.device
) -> tuple[Walloc, LatentCoder, Arrays, bytes]:
    """The model of a weights file, the coder of its latents, all arrays, and the short id.

    Raises `ModelError`s; runs the self-tests of the exact networks.
    """
    arrays, identity = read_verified(weights, meaning(medium))
    model = Walloc.for_coding(medium)
    load_module(model, arrays, "model/")
    model.to(device).eval().requires_grad_(False)
    lay_out(model, torch.channels_last)
    return model, LatentCoder(model, arrays, device), arrays, identity[:4]


class WallocPictures(TiledPictureCodec):
    """Encodes and decodes pictures; see `ImageCodec` for the contract."""

    name = "walloc"
    stride = PICTURE.stride
    encoder_halo = 4 * PICTURE.stride
    decoder_halo = (4 + 2 * PICTURE.blocks + 1) * PICTURE.stride

    latents: LatentCoder

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        """Load weights onto a device. Raises `ModelError`s; runs the self-tests."""
        self.device = torch.device(device)
        found = load_model(weights, PICTURE, self.device)
        self.model, self.latents, _, self.model_id = found
        self._basis, self._offset = self._of_levels()

    @torch.inference_mode()
    def _of_levels(self) -> tuple[Tensor, Tensor]:
        """The linear map of the bands of levels 0..255, in the order of `strips_2d`: [K, M], [M].

        The model takes -0.5..0.5, but to move and scale every pixel takes longer.
        """
        grey = torch.full((1, 3, self.stride, self.stride), -0.5, device=self.device)
        offset = torch.mv(self.model.analysis.basis, PICTURE.packets(grey).flatten())
        basis = self.model.analysis.basis.reshape(-1, 3, self.stride, self.stride)
        return basis.permute(3, 1, 2, 0).flatten(0, 2) / 255, offset

    def analysis(self, pixels: Tensor) -> Tensor:
        """See `TiledPictureCodec.analysis`."""
        height, width = (side // self.stride for side in pixels.shape[2:])
        latent = torch.empty(height * width, PICTURE.latents, device=self.device)
        done = 0
        for strip in strips_2d(pixels.permute(0, 2, 3, 1), PICTURE.levels):
            # Bands lie side by side in memory: their matrix product takes half of a convolution.
            rows = strip.flatten(3).flatten(0, 2)
            place = latent[done : done + len(rows)]
            done += len(torch.addmm(self._offset, rows, self._basis, out=place))
        return latent.reshape(1, height, width, -1).permute(0, 3, 1, 2)

    def synthesis(self, latent: Tensor, rate: Tensor) -> Tensor:
        """See `TiledPictureCodec.synthesis`."""
        with narrow(self.device):
            bands: Tensor = self.model.synthesis(latent, rate)
        return PICTURE.unpack(bands)
