"""The two networks of the codec `grvq` with their state: samples to latents, latents to samples."""

import numpy as np
import torch
from numpy.typing import NDArray

from ncodec.codecs.grvq_layout import Single
from ncodec.codecs.weights import Arrays, load_module
from ncodec.models.grvq import LATENT, Decoder, DecoderState, Encoder, EncoderState


class Networks:
    """Both networks with a weights file's weights, on a device.

    The encoder works in float64: what depends there on the shape of a block, on the machine or the
    number of threads is some 10^-15, and the quantiser rounds it away. So a sound has the same
    indices however it is cut. A whole second at once takes half of the time that float32 takes in
    steps of 40 ms.
    """

    def __init__(self, arrays: Arrays, device: str) -> None:
        """Load them. Raises `ModelMismatchError`."""
        self.device = torch.device(device)
        self.encoder, self.decoder = Encoder(), Decoder()
        load_module(self.encoder, arrays, "model/encoder.")
        load_module(self.decoder, arrays, "model/decoder.")
        self.encoder.double()
        for network in (self.encoder, self.decoder):
            network.to(self.device).eval().requires_grad_(False)


class Analyser:
    """Samples to latents, piece by piece; several channels side by side."""

    def __init__(self, networks: Networks, channels: int) -> None:
        self._networks, self._channels = networks, channels
        self.reset()

    def reset(self) -> None:
        """Start anew: silence is before the next sample."""
        self._state: EncoderState = self._networks.encoder.initial_state(self._channels)

    @torch.inference_mode()
    def step(self, samples: Single) -> NDArray[np.float64]:
        """The next samples [C, n] at 16 kHz, n a multiple of 640 -> latents [C, n / 320, 128]."""
        if not samples.shape[1]:
            return np.zeros((len(samples), 0, LATENT))
        block = torch.from_numpy(samples).double().to(self._networks.device)
        latent, self._state = self._networks.encoder.step(block, self._state)
        found: NDArray[np.float64] = latent.cpu().numpy()
        return found


class Synthesiser:
    """Latents to samples, any number of frames at once; several channels side by side."""

    def __init__(self, networks: Networks, channels: int) -> None:
        self._networks, self._channels = networks, channels
        self.reset()

    def reset(self) -> None:
        """Start anew, as if nothing had been decoded."""
        self._state: DecoderState = self._networks.decoder.initial_state(self._channels)

    @torch.inference_mode()
    def step(self, latent: Single, counts: NDArray[np.uint8]) -> Single:
        """Latents [C, T, 128] and codebooks a frame [C, T] -> samples [C, 320 T]; 0 is lost."""
        device = self._networks.device
        values, numbers = torch.from_numpy(latent), torch.from_numpy(counts.astype(np.int64))
        samples, self._state = self._networks.decoder.step(
            values.to(device), numbers.to(device), self._state
        )
        found: Single = np.nan_to_num(samples.cpu().numpy())
        return found
