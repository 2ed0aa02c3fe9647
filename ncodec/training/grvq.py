"""The recipe of the `grvq` codec: sounds at 16 kHz, all rates in one model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ncodec.datasets.augment import augment
from ncodec.datasets.sounds import SoundCrops
from ncodec.models.grvq import CODEBOOKS, DELAY, SAMPLE_RATE, Grvq
from ncodec.models.quantiser import Quantised
from ncodec.training.audio_losses import envelope_loss, loudness_loss, mel_loss, spectrum_loss
from ncodec.training.export_grvq import export
from ncodec.training.loop import Recipe, Settings, StepResult, slowed
from ncodec.training.spectral_fit import start_linear

PLAIN_STEPS = 500
"""Steps without a quantiser: codebooks fit latents that mean something."""
START_LATENTS = 16_384
PLAIN_NOISE = 0.1
REVIVE_EVERY = 10
FITTED = ("encoder.enter", "encoder.leave", "decoder.enter", "decoder.leave")
FITTED_FACTOR = 0.15
"""Layers that the linear start sets, and the factor on their learning rate."""
COUNTS, COUNT_CHANCES = (3, 6, 12), (0.2, 0.2, 0.25)
"""Codebooks an item, and how often; otherwise any number."""
CHANGING, LOSSY, LONGEST_LOSS = 0.1, 0.1, 25
"""How often the number changes within an item, how often frames are lost, and how many."""
WEIGHTS = {
    "mel": 1.0,
    "spectrum": 3.0,
    "wave": 1.0,
    "envelope": 2.0,
    "loudness": 0.5,
    "commit": 0.25,
}


class GrvqRecipe(Recipe):
    """Minimises distances of spectra, envelopes and loudness at all rates at once."""

    name = "grvq"

    def __init__(self, folder: Path, settings: Settings, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.folder, self.device = folder, device
        self.data = SoundCrops(folder, SAMPLE_RATE)
        self.model: Grvq = Grvq().to(device)
        self.encoder: Callable[[Tensor], Tensor] = self.model.encoder
        self.decoder: Callable[[Tensor, Tensor], Tensor] = self.model.decoder
        if settings.compile:
            self.encoder, self.decoder = torch.compile(self.encoder), torch.compile(self.decoder)
        self.seen: Quantised | None = None

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the linear start sets learns more slowly: larger steps would soon undo it."""
        return slowed(self.model, FITTED, FITTED_FACTOR)

    def step(self, settings: Settings, random: np.random.Generator) -> StepResult:
        """One batch: coded, decoded, compared with what went in DELAY samples earlier."""
        if not self.model.age:
            start_linear(self.model, self.data, random)
        if not self.model.quantiser.started and self.model.age >= plain_steps(settings):
            self._start_quantiser(settings, random)
        wanted = self._batch(settings, random)
        latent = self.encoder(wanted)
        counts = draw_counts(latent.shape[0], latent.shape[1], random).to(self.device)
        with torch.autocast(self.device.type, enabled=False):
            values, counts, commitment = self._quantise(latent, counts)
        made = self.decoder(values, counts)
        with torch.autocast(self.device.type, enabled=False):
            losses = self._losses(made[:, DELAY:], wanted[:, :-DELAY]) | {"commit": commitment}
        loss = torch.stack([WEIGHTS[name] * value for name, value in losses.items()]).sum()
        figures = {name: value.item() for name, value in losses.items()}
        return StepResult(loss, figures | self._usage())

    def after_step(self, settings: Settings, step: int) -> None:
        """Let the codebooks follow; revive dead codes while the step size is constant."""
        self.model.age += 1
        if self.seen is None:
            return
        quantiser = self.model.quantiser
        quantiser.follow(self.seen.indices, self.seen.residuals)
        constant = step < settings.steps - settings.anneal_steps
        if constant and step % REVIVE_EVERY == 0:
            quantiser.revive(self.seen.residuals)
        self.seen = None

    def averaged(self, name: str) -> bool:
        """Codebooks are averages already, and a mean over a revival would be no code at all."""
        return not name.startswith("quantiser.")

    def _batch(self, settings: Settings, random: np.random.Generator) -> Tensor:
        crops = torch.from_numpy(self.data.batch(settings.batch, settings.crop, random))
        return augment(crops, random).to(self.device)

    @torch.no_grad()
    def _start_quantiser(self, settings: Settings, random: np.random.Generator) -> None:
        latents: list[Tensor] = []
        while sum(len(part) for part in latents) < START_LATENTS:
            latents.append(self.encoder(self._batch(settings, random)).flatten(0, 1))
        self.model.quantiser.start(torch.cat(latents))

    def _quantise(self, latent: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values for the decoder, its counts, and the commitment loss."""
        quantiser = self.model.quantiser
        if not quantiser.started:
            noisy = latent + PLAIN_NOISE * torch.randn_like(latent) * latent.detach().std()
            return noisy, torch.full_like(counts, CODEBOOKS), 1e-3 * latent.square().mean()
        self.seen = quantiser(latent, counts)
        return self.seen.values * (counts > 0).unsqueeze(2), counts, self.seen.commitment

    def _losses(self, made: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        return {
            "mel": mel_loss(made, wanted),
            "spectrum": spectrum_loss(made, wanted),
            "wave": (made - wanted).abs().mean(),
            "envelope": envelope_loss(made, wanted),
            "loudness": loudness_loss(made, wanted),
        }

    def _usage(self) -> dict[str, float]:
        perplexity = self.model.quantiser.perplexity()
        each = {f"perplexity/{k}": value for k, value in enumerate(perplexity.tolist())}
        return {"codes": perplexity.mean().item(), **each}

    def write(
        self, average: dict[str, Tensor], path: Path, settings: Settings
    ) -> Mapping[str, str]:
        """See `Recipe.write`."""
        model = Grvq()
        model.load_state_dict(average)
        return export(model.requires_grad_(False), self.data, path)


def plain_steps(settings: Settings) -> int:
    """Steps without a quantiser, fewer in a short run."""
    return min(PLAIN_STEPS, settings.steps // 20)


def draw_counts(batch: int, frames: int, random: np.random.Generator) -> Tensor:
    """Codebooks of each frame, [B, T]: mostly one number an item, with changes and losses."""
    any_count = random.integers(1, CODEBOOKS + 1, (batch, 2))
    usual = random.choice((0, *COUNTS), (batch, 2), p=(1 - sum(COUNT_CHANCES), *COUNT_CHANCES))
    drawn = np.where(usual > 0, usual, any_count)
    counts = np.repeat(drawn[:, :1], frames, axis=1)
    for item in range(batch):
        if random.random() < CHANGING:
            counts[item, random.integers(frames) :] = drawn[item, 1]
        if random.random() < LOSSY:
            start, length = random.integers(frames), random.integers(2, LONGEST_LOSS + 1)
            counts[item, start : start + length] = 0
    return torch.from_numpy(counts)
