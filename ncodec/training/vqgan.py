"""The recipe of the `vqgan` codec: words are fitted first, then the painter learns from them.

All rates are learned at once: each crop has a codebook of its own size. Beside the painter learn
the networks that tell how likely words are, and the predictor of lost ones.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_msssim import ms_ssim
from torch import Tensor, nn

from ncodec.datasets.pictures import PictureCrops
from ncodec.evaluation.efficientnet import network
from ncodec.models.blocks import lay_out
from ncodec.models.vqgan import COMPONENTS, HALO_BLOCKS, STRIDE, Vqgan
from ncodec.models.word_tree import MISSING_NODE, STEPS
from ncodec.training import vqgan_restart, vqgan_words
from ncodec.training.export_vqgan import export
from ncodec.training.loop import Recipe, Settings, StepResult, strata
from ncodec.training.vqgan_contexts import (
    Books,
    Contexts,
    choose,
    code_bits,
    nats,
    weighted_distances,
)
from ncodec.training.vqgan_losses import Critic, combined, feature_distance, judge

FEATURES_OF = "lite0"
"""Its features are in the loss; another network measures."""
CHANNELS_LAST = torch.channels_last
SEEN = 160
"""Pixels a side of what features are compared of: they take as long as all the rest."""
WEIGHTS = {"absolute": 5.0, "structure": 1.0, "features": 0.04}
"""So that all have gradients of a size by pixels. That of features is mostly noise of high
frequency: at equal weights it drowned the others, and nothing was learned in 1,300 steps."""
MAP_MARGIN = HALO_BLOCKS // 3
"""Blocks around what is painted that only maps of words have: contexts want larger maps."""
BLOCKS_ONLY, BLOCK_WEIGHT = 0.35, 1.0
"""Part of all steps in which nothing is painted, and the weight of the loss in it."""
CRITIC_FROM, CRITIC_FULL, CRITIC_SHARE = 0.72, 0.8, 0.12
"""When the critic gets a say (parts of all steps), and how much: late, when steps get smaller. At
their full size a fifth of the gradient is too much: painter and critic go round in circles."""
CONTEXT_WEIGHT, PREDICTOR_WEIGHT, CRITIC_WEIGHT = 0.1, 0.1, 0.1
FITTED = ("vqgan.encoder.", "contexts.vectors", "books.")
COUNTED, GUESSED = 4, 2
"""Crops of a batch that networks beside the painter learn from: they see as much as they need."""
LOST, ROWS_LOST, BURST = (0.05, 0.6), 0.25, 0.25
"""Part of the words that is lost, how often every other row is, how often words nearby are."""


class Trained(nn.Module):
    """The codec's networks and those that only training has."""

    def __init__(self) -> None:
        super().__init__()
        self.vqgan, self.contexts, self.books = Vqgan(), Contexts(), Books()
        self.critic = Critic()


class VqganRecipe(Recipe):
    """Minimises distances of pixels, structure and features, and code lengths of words."""

    name = "vqgan"

    def __init__(self, folder: Path, settings: Settings, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.folder, self.device = folder, device
        self.model: Trained = Trained()
        self.goes_on = bool(settings.start)
        if self.goes_on:
            vqgan_restart.load(self.model, Path(settings.start))
        self.data = PictureCrops(folder, settings.crop + 2 * MAP_MARGIN * STRIDE)
        if self.goes_on:
            random = np.random.default_rng(settings.seed)
            vqgan_restart.restart(self.model, lambda n, size: self.data.batch(n, size, random))
        self.model.to(device)
        lay_out(self.model, CHANNELS_LAST)
        self.features = network(FEATURES_OF).to(device)
        lay_out(self.features, CHANNELS_LAST)

    def step(self, settings: Settings, random: np.random.Generator) -> StepResult:
        """One batch, each crop at a rate of its own."""
        if not self.model.books.size(0):
            self._start(settings)
        blocks_only = self._behind() < BLOCKS_ONLY
        count = settings.batch * (2 if blocks_only else 1)
        side = settings.crop + 2 * MAP_MARGIN * STRIDE
        planes = self.data.batch(count, side, random).to(self.device)
        steps = [round(rate * (STEPS - 1)) for rate in strata(count, random)]
        words = self._words(planes, steps)
        books = self.model.books
        nodes = torch.stack([books.nodes[s][word] for s, word in zip(steps, words, strict=True)])
        with torch.autocast(self.device.type, enabled=False):
            bits = self._bits(words[:COUNTED], steps)
        guessed = self._guessed(words[:GUESSED], nodes[:GUESSED], steps, random)
        if blocks_only:
            made, figures = self._blocks(planes, nodes, steps)
        else:
            made, figures = self._painted(planes, nodes, steps, random)
        loss = made + CONTEXT_WEIGHT * bits.mean() + PREDICTOR_WEIGHT * guessed
        figures |= {"bits": bits.mean().item(), "guess": guessed.item()}
        figures["perplexity"] = float(np.mean([perplexity(word) for word in words]))
        return StepResult(loss, figures)

    def _behind(self) -> float:
        """The part of all steps that lies behind: all of them where another run came before."""
        return 1.0 if self.goes_on else self.done

    def _blocks(
        self, planes: Tensor, nodes: Tensor, steps: list[int]
    ) -> tuple[Tensor, dict[str, float]]:
        """Distance of blocks' components, weighed as words are chosen; and figures.

        Within a tenth of the time of a painted crop the network learns what blocks look like beside
        others; painting starts from there.
        """
        encoder = self.model.vqgan.encoder
        rate = torch.tensor(steps, device=self.device) / (STEPS - 1)
        found = self.model.vqgan.decoder.blocks(nodes, rate)[1]
        with torch.no_grad():
            wanted, weight = encoder(planes)[:, :COMPONENTS], encoder.weight(planes)
            word = (
                encoder.centroids[nodes][..., :COMPONENTS].permute(0, 3, 1, 2) - wanted
            ).square()
        error = (found - wanted).square()
        distance = (weight * error.sum(1, keepdim=True)).mean()
        saved = 1 - error.sum() / word.sum()
        figures = dict.fromkeys((*WEIGHTS, "psnr", "critic"), 0.0)
        return BLOCK_WEIGHT * distance, figures | {"saved": saved.item()}

    @torch.no_grad()
    def _start(self, settings: Settings) -> None:
        """Fit words; a run that goes on has them in its checkpoint."""
        random = np.random.default_rng(settings.seed)
        tree, weights = vqgan_words.start(
            self.model.vqgan, lambda n, size: self.data.batch(n, size, random).to(self.device)
        )
        self.model.books.take(tree)
        self.model.contexts.begin(self.model.vqgan.encoder.centroids, weights)

    def averaged(self, name: str) -> bool:
        """What was fitted stays as it is."""
        return not name.startswith(FITTED) and not name.endswith("basis")

    def _words(self, planes: Tensor, steps: list[int]) -> list[Tensor]:
        """Maps of words [h, w] as the codec would choose them now."""
        model, encoder = self.model, self.model.vqgan.encoder
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            features, weight = encoder(planes), encoder.weight(planes)
            return [
                choose(
                    model.contexts,
                    model.books,
                    encoder,
                    weighted_distances(encoder, model.books, features[i], weight[i], step),
                    step,
                )
                for i, step in enumerate(steps)
            ]

    def _bits(self, words: list[Tensor], steps: list[int]) -> Tensor:
        """Bits a word [B]."""
        contexts, books = self.model.contexts, self.model.books
        found = [
            code_bits(contexts, books, word, step) / word.numel()
            for word, step in zip(words, steps, strict=False)
        ]
        return torch.stack(found)

    def _guessed(
        self, words: list[Tensor], nodes: Tensor, steps: list[int], random: np.random.Generator
    ) -> Tensor:
        """Mean code length of lost words in nats, a number."""
        lost = torch.stack([lost_words(nodes.shape[1:], random) for _ in words]).to(self.device)
        logits = self.model.vqgan.predictor(nodes.masked_fill(lost, MISSING_NODE))
        found = [
            nats(logits[i][:, lost[i]].T, word[lost[i]], self.model.books.coarse[step])
            for i, (word, step) in enumerate(zip(words, steps, strict=False))
        ]
        return torch.cat(found).mean()

    def _painted(
        self, planes: Tensor, nodes: Tensor, steps: list[int], random: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """The painter's loss, and figures."""
        inner = slice(MAP_MARGIN, -MAP_MARGIN)
        rate = torch.tensor(steps, device=self.device) / (STEPS - 1)
        made = self.model.vqgan.decoder(nodes[:, inner, inner], rate)
        border = MAP_MARGIN * STRIDE
        wanted = planes[:, :, border:-border, border:-border]
        with torch.autocast(self.device.type, enabled=False):
            shown = made.detach().requires_grad_(True)
            losses = self._losses(shown, wanted, random)
            loss = torch.stack([WEIGHTS[k] * v for k, v in losses.items()]).sum()
            figures = {k: v.item() for k, v in losses.items()}
            error = (shown.detach().clamp(-0.5, 0.5) - wanted).square().mean((1, 2, 3))
            figures["psnr"] = -10 * error.log10().mean().item()
        share = CRITIC_SHARE * min(
            1.0, max(0.0, (self._behind() - CRITIC_FROM) / (CRITIC_FULL - CRITIC_FROM))
        )
        if not share:
            (gradient,) = torch.autograd.grad(loss, shown)
            return (made * gradient).sum(), figures | {"critic": 0.0, "saved": 0.0}
        judged = judge(self.model.critic, shown, wanted)
        gradient = combined(loss, shown, judged.gradient, share)
        surrogate = (made * gradient).sum() + CRITIC_WEIGHT * judged.loss
        return surrogate, figures | {"critic": judged.loss.item(), "saved": 0.0}

    def _losses(
        self, made: Tensor, wanted: Tensor, random: np.random.Generator
    ) -> dict[str, Tensor]:
        top, left = random.integers(made.shape[2] - SEEN + 1, size=2)
        window = (..., slice(top, top + SEEN), slice(left, left + SEEN))
        with torch.no_grad():
            targets = self._stages(wanted[window])
        return {
            "absolute": (made - wanted).abs().mean(),
            "structure": 1 - ms_ssim(made + 0.5, wanted + 0.5, data_range=1.0),
            "features": feature_distance(self._stages(made[window]), targets),
        }

    def _stages(self, planes: Tensor) -> list[Tensor]:
        """What the network of features makes of pixels minus 0.5."""
        return list(self.features.stages((2 * planes).contiguous(memory_format=CHANNELS_LAST)))

    def write(
        self, average: dict[str, Tensor], path: Path, settings: Settings
    ) -> Mapping[str, str]:
        """See `Recipe.write`."""
        model = Trained()
        model.load_state_dict(average)
        random = np.random.default_rng((settings.seed, 1))
        return export(
            model.requires_grad_(False).eval(),
            lambda count, size: self.data.batch(count, size, random),
            path,
        )


def perplexity(words: Tensor) -> float:
    """How many equally frequent words would be as varied as those of a map [h, w]."""
    shares = torch.bincount(words.flatten()).float() / words.numel()
    return float(torch.special.entr(shares).sum().exp())


def lost_words(shape: torch.Size, random: np.random.Generator) -> Tensor:
    """Which words of a map [h, w] are lost: some anywhere, a spot of them, or every other row."""
    height, width = shape
    part, kind = random.uniform(*LOST), random.random()
    lost = torch.from_numpy(random.random((height, width)) < part)
    if kind < ROWS_LOST:
        lost = torch.zeros_like(lost)
        lost[random.integers(2) :: 2] = True
    elif kind < ROWS_LOST + BURST:
        chance = torch.from_numpy(random.normal(size=(1, 1, height, width)))
        smooth = F.avg_pool2d(chance, 5, 1, padding=2, count_include_pad=False)[0, 0]
        lost = smooth < smooth.quantile(part)
    lost[random.integers(height), random.integers(width)] = True
    return lost
