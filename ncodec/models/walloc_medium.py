"""The two media of the `walloc` codec: sizes of their models, and what their bands are."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ncodec.models.pyramid import kinds
from ncodec.models.wavelets import inverse_1d, inverse_2d, packets_1d, packets_2d

TILT, HIGHEST = 200.0, 16_500.0
"""Hertz, of the weights of a sound's bands."""


@dataclass(frozen=True)
class Medium:
    """Sizes of the model of one medium.

    Attributes:
        channels: of the medium itself: colours, or channels of sound coded together.
        levels: levels of wavelet packets; a position of the latent is 2^levels samples wide.
        axes: 2 for pictures, 1 for sounds.
        latents: channels of the latent.
        groups: where the groups of channels end that are coded one after the other. The last group
            is weak: contexts look at the others only, and predictors are only sent for them.
        plain: the first kinds of passes, which are few positions, code all channels at once.
        coarsest: distance of positions in the first pass.
        neighbours: positions around each that its distribution is predicted from, 4 or 2.
        summed: whether scale networks see the sum of the neighbours' levels, not each: that takes
            a third of the time, and 1 % of the bits (measured for pictures).
        hidden: units of the context networks of each group.
        foreseen: how many channels have means, which are fixed linear maps of the same channels of
            the neighbours; others gain too little. Where there are none, predictors are sent along
            (`ncodec.models.prediction`).
        paths: how many of the last table rows may be of values that are rounded along paths
            (`ncodec.codecs.trellis`); 0 for pictures, whose encoder that would slow too much.
        width, blocks: channels and residual blocks of the decoder.
    """

    name: str
    channels: int
    levels: int
    axes: int
    latents: int
    groups: tuple[int, ...]
    plain: int
    coarsest: int
    neighbours: int
    summed: bool
    hidden: tuple[int, ...]
    foreseen: int
    paths: int
    width: int
    blocks: int

    @property
    def stride(self) -> int:
        """Samples along an axis for one position of the latent."""
        return 1 << self.levels

    @property
    def bands(self) -> int:
        """Wavelet bands of all channels."""
        return self.channels << (self.levels * self.axes)

    @property
    def kernel(self) -> tuple[int, int]:
        """Size of the decoder's convolutions."""
        return (3, 3) if self.axes == 2 else (1, 3)

    @property
    def views(self) -> int:
        """How many levels of each channel scale networks see of the neighbours."""
        return 1 if self.summed else self.neighbours

    def reliefs(self, kind: int) -> int:
        """How many inputs of a kind's scale networks tell how well channels are predicted."""
        return self.seen if kind and not self.foreseen else 0

    @property
    def seen(self) -> int:
        """How many channels are seen."""
        return self.groups[-2]

    @property
    def seen_groups(self) -> int:
        """How many groups of channels are seen."""
        return len(self.groups) - 1

    def spans(self, kind: int) -> list[tuple[int, int]]:
        """First channel of each group of a kind of pass, and the one after its last."""
        ends = self.groups if kind >= self.plain else (self.latents,)
        return list(zip((0, *ends), ends, strict=False))

    def packets(self, x: Tensor) -> Tensor:
        """Samples [B, C, H, W] or [B, C, T] -> bands [B, K, h, w] or [B, K, 1, t], in float32.

        Multiples of the stride; bands of sounds are weighted as the ear hears them.
        """
        with torch.autocast(x.device.type, enabled=False):
            if self.axes == 2:
                return packets_2d(x.float(), self.levels)
            bands = packets_1d(x.float(), self.levels)[:, :, None]
            return bands * loudness(self.levels, self.channels, x.device)

    def unpack(self, bands: Tensor) -> Tensor:
        """Undo `packets`."""
        with torch.autocast(bands.device.type, enabled=False):
            if self.axes == 2:
                return inverse_2d(bands, self.levels)
            bands = bands / loudness(self.levels, self.channels, bands.device)
            return inverse_1d(bands[:, :, 0], self.levels)


PICTURE = Medium(
    name="image",
    channels=3,
    levels=3,
    axes=2,
    latents=96,
    groups=(8, 64, 96),
    plain=3,
    coarsest=4,
    neighbours=4,
    summed=True,
    hidden=(32, 64, 64),
    foreseen=16,
    paths=0,
    width=128,
    blocks=3,
)


SAMPLE_RATE = 44_100
"""Of sounds, as they are coded."""


LEVEL = 5.0
"""What samples at the common level are multiplied by: one range of rates then serves both media."""


SOUND = Medium(
    name="audio",
    channels=2,
    levels=8,
    axes=1,
    latents=512,
    groups=(8, 24, 64, 160, 384, 512),
    plain=0,
    coarsest=8,
    neighbours=2,
    summed=False,
    hidden=(48, 64, 96, 96, 128, 96),
    foreseen=0,
    paths=45,
    width=256,
    blocks=3,
)


@lru_cache
@torch.inference_mode(False)  # What is kept must also serve training.
def loudness(levels: int, channels: int, device: torch.device) -> Tensor:
    """What bands of sounds are multiplied by, [channels 2^levels, 1, 1].

    High frequencies are weak in most sounds, and noise there is heard as well: 3 dB an octave
    above some hundred hertz puts it where the sound hides it. Above 16 kHz few hear anything.
    """
    count = 1 << levels
    hertz = (torch.arange(count, dtype=torch.float64) + 0.5) * (SAMPLE_RATE / 2 / count)
    weights = ((hertz + TILT) / (1000 + TILT)).sqrt() / (1 + (hertz / HIGHEST) ** 12)
    return weights.float().repeat(channels)[:, None, None].to(device)


def used_kinds(medium: Medium) -> list[int]:
    """Kinds of passes that latents of the medium have: in one row there are no corners."""
    return [k for k in range(kinds(medium.coarsest)) if medium.axes == 2 or k % 2 == 0]


def network_sizes(medium: Medium) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each scale network, by its name "KIND_GROUP".

    The first group of the first pass has nothing to look at, and no network.
    """
    sizes = {}
    for kind in used_kinds(medium):
        around = medium.views * medium.seen if kind else 0
        for number, (first, stop) in enumerate(medium.spans(kind)):
            inputs = medium.reliefs(kind) + around + first
            if inputs:
                sizes[f"{kind}_{number}"] = (inputs, stop - first)
    return sizes


def hidden_units(medium: Medium, name: str) -> int:
    """Hidden units of a scale network; where all channels are coded at once, of the last group."""
    kind, group = (int(part) for part in name.split("_"))
    return medium.hidden[group if kind >= medium.plain else -1]
