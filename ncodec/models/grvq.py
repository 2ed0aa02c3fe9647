"""The sound codec's networks: spectra in, 50 latent frames a second, spectra out.

After Yang et al., "HiFi-Codec: Group-residual Vector quantization for High Fidelity Audio Codec"
(2023) for the quantiser and Siuzdak, "Vocos" (2023) for the decoder that makes spectra; both
without any layer at the rate of samples. Everything is causal. Nothing is normalised on the way
from the input to the output, so that training can start from a linear transform.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ncodec.models.causal import CausalStack
from ncodec.models.quantiser import GroupResidualQuantiser
from ncodec.models.spectra import BINS, MAX_LOG_MAGNITUDE, Analysis, Synthesis, compress

SAMPLE_RATE = 16_000
FRAME = 320
BLOCK = 640
DELAY = 800
"""Samples by which the output lags behind the input: a latent frame of look-ahead, and overlap."""
WARM_UP = 50
"""Frames after which a decoder that started anywhere gives what it would have given anyway."""
GROUPS, LAYERS, ENTRIES, GROUP_SIZE = 2, 6, 1024, 64
CODEBOOKS = GROUPS * LAYERS
LATENT = GROUPS * GROUP_SIZE
CHANNELS, HIDDEN = 384, 512
ENCODER_DILATIONS = (1, 2, 4)
DECODER_DILATIONS = (1, 2, 4, 1, 2)
HOPS = 2
"""Spectra a latent frame."""
TAPS = 3
"""Latent frames that enter the decoder together. What it makes lies one or two frames back, so that
a single one would leave the linear path from the input to the output without what it needs."""

States = tuple[Tensor, ...]


class EncoderState(NamedTuple):
    """What the encoder keeps between blocks: samples, and frames of each block of layers."""

    samples: Tensor
    layers: States


class DecoderState(NamedTuple):
    """What the decoder keeps between blocks: latents, frames of each block of layers, overlap."""

    latents: Tensor
    layers: States
    overlap: Tensor


class Encoder(nn.Module):
    """Samples [B, 320 T] -> latent [B, T, LATENT]."""

    def __init__(self) -> None:
        super().__init__()
        self.analysis = Analysis()
        self.enter = nn.Linear(HOPS * 3 * BINS, CHANNELS)
        self.stack = CausalStack(CHANNELS, HIDDEN, ENCODER_DILATIONS)
        self.leave = nn.Linear(CHANNELS, LATENT)

    def initial_state(self, batch: int = 1) -> EncoderState:
        """The state before the first sample."""
        return EncoderState(self.analysis.initial_state(batch), self.stack.initial_state(batch))

    def step(self, samples: Tensor, state: EncoderState) -> tuple[Tensor, EncoderState]:
        """Samples [B, 320 T] that go on from `state` -> latent [B, T, LATENT], next state."""
        spectrum, kept = self.analysis(samples, state.samples)
        features = torch.cat(compress(spectrum), 2)
        x = self.enter(features.reshape(len(samples), -1, HOPS * 3 * BINS)).type_as(samples)
        x, layers = self.stack(x, state.layers)
        return self.leave(x).type_as(samples), EncoderState(kept, layers)

    def forward(self, samples: Tensor) -> Tensor:
        """A whole sound [B, 320 T] -> latent [B, T, LATENT]."""
        return self.step(samples, self.initial_state(len(samples)))[0]


class Decoder(nn.Module):
    """Quantised latent [B, T, LATENT] and codebooks a frame [B, T] -> samples [B, 320 T]."""

    def __init__(self) -> None:
        super().__init__()
        self.count = nn.Embedding(CODEBOOKS + 1, LATENT)
        self.enter = nn.Linear(TAPS * LATENT, CHANNELS)
        self.stack = CausalStack(CHANNELS, HIDDEN, DECODER_DILATIONS)
        self.leave = nn.Linear(CHANNELS, HOPS * 3 * BINS)
        self.synthesis = Synthesis()

    def initial_state(self, batch: int = 1) -> DecoderState:
        """The state before the first frame."""
        latents = self.count.weight.new_zeros(batch, TAPS - 1, LATENT)
        layers, overlap = self.stack.initial_state(batch), self.synthesis.initial_state(batch)
        return DecoderState(latents, layers, overlap)

    def step(
        self, quantised: Tensor, counts: Tensor, state: DecoderState
    ) -> tuple[Tensor, DecoderState]:
        """Frames that go on from `state` -> samples [B, 320 T] and the next state.

        `counts` int [B, T] says how many codebooks each frame has; 0 is a lost frame.
        """
        latents = torch.cat((state.latents, quantised + self.count(counts)), 1)
        x, layers = self.stack(self.enter(neighbours(latents)).float(), state.layers)
        made = self.leave(x).float().reshape(len(x), -1, 3, BINS)
        samples, overlap = self.synthesis(spectrum(made), state.overlap)
        return samples, DecoderState(latents[:, 1 - TAPS :], layers, overlap)

    def forward(self, quantised: Tensor, counts: Tensor) -> Tensor:
        """A whole latent -> samples."""
        return self.step(quantised, counts, self.initial_state(len(quantised)))[0]


class Grvq(nn.Module):
    """All parts, as they are trained together; `age` counts the training steps."""

    age: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("age", torch.zeros((), dtype=torch.int64))
        self.encoder = Encoder()
        self.quantiser = GroupResidualQuantiser(GROUPS, LAYERS, ENTRIES, GROUP_SIZE)
        self.decoder = Decoder()


def neighbours(latents: Tensor) -> Tensor:
    """Each frame after the first two, with the two before it: [B, T + 2, C] -> [B, T, 3 C]."""
    length = latents.shape[1] - TAPS + 1
    return torch.cat([latents[:, i : i + length] for i in range(TAPS)], 2)


def spectrum(made: Tensor) -> Tensor:
    """Log magnitudes and directions [B, T, 3, BINS] -> complex spectra [B, T, BINS]."""
    log_magnitude, real, imaginary = made.unbind(2)
    size = (real.square() + imaginary.square() + 1e-6).rsqrt()
    scale = log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp() * size
    return torch.complex(real * scale, imaginary * scale)
