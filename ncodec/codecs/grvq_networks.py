"""The two networks of the codec `grvq` with their state: samples to latents, latents to samples."""

import numpy as np
import torch
from numpy.typing import NDArray

from ncodec.codecs.grvq_contexts import Floats
from ncodec.codecs.weights import Arrays, load_module
from ncodec.models.grvq import BLOCK, LATENT, Decoder, DecoderState, Encoder, EncoderState


class Networks:
    """Both networks with a weights file's weights, on a device."""

    def __init__(self, arrays: Arrays, device: str) -> None:
        """Load them. Raises `ModelMismatchError`."""
        self.device = torch.device(device)
        self.encoder, self.decoder = Encoder(), Decoder()
        load_module(self.encoder, arrays, "model/encoder.")
        load_module(self.decoder, arrays, "model/decoder.")
        for network in (self.encoder, self.decoder):
            network.to(self.device).eval().requires_grad_(False)


class Analyser:
    """Samples to latents, block by block; several channels side by side."""

    def __init__(self, networks: Networks, channels: int) -> None:
        self._networks, self._channels = networks, channels
        self.reset()

    def reset(self) -> None:
        """Start anew: silence is before the next sample."""
        self._state: EncoderState = self._networks.encoder.initial_state(self._channels)

    @torch.inference_mode()
    def step(self, block: Floats) -> Floats:
        """The next samples [C, 640] at 16 kHz -> latents [C, 2, 128]."""
        samples = torch.from_numpy(block).to(self._networks.device)
        latent, self._state = self._networks.encoder.step(samples, self._state)
        found: Floats = latent.cpu().numpy()
        return found

    def run(self, samples: Floats) -> Floats:
        """Samples [C, n], n a multiple of 640 -> latents [C, n / 320, 128], the same as by steps.

        Floating point rounds otherwise in other shapes; therefore every block is a step.
        """
        starts = range(0, samples.shape[1], BLOCK)
        steps = [self.step(np.ascontiguousarray(samples[:, i : i + BLOCK])) for i in starts]
        return np.concatenate([np.zeros((len(samples), 0, LATENT), np.float32), *steps], axis=1)


class Synthesiser:
    """Latents to samples, any number of frames at once; several channels side by side."""

    def __init__(self, networks: Networks, channels: int) -> None:
        self._networks, self._channels = networks, channels
        self.reset()

    def reset(self) -> None:
        """Start anew, as if nothing had been decoded."""
        self._state: DecoderState = self._networks.decoder.initial_state(self._channels)

    @torch.inference_mode()
    def step(self, latent: Floats, counts: NDArray[np.uint8]) -> Floats:
        """Latents [C, T, 128] and codebooks a frame [C, T] -> samples [C, 320 T]; 0 is lost."""
        device = self._networks.device
        values, numbers = torch.from_numpy(latent), torch.from_numpy(counts.astype(np.int64))
        samples, self._state = self._networks.decoder.step(
            values.to(device), numbers.to(device), self._state
        )
        found: Floats = np.nan_to_num(samples.cpu().numpy())
        return found
