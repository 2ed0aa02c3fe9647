"""How to train, in numbers. Imports no torch: the command line shows these as its defaults."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train; one step is one batch.

    The step size warms up, stays constant, and falls linearly to zero over the last
    `anneal_steps` of `steps`. The state before the fall is kept as `stable.safetensors`: a later
    run that asks for more steps goes on from there, since an annealed model learns no more.
    `crop` is pixels a side, or samples of a sound. `start` names the file to start from: finished
    weights, or for `vqgan` the checkpoint of a run.
    """

    steps: int = 100_000
    anneal_steps: int = 20_000
    warmup_steps: int = 400
    learning_rate: float = 6e-4
    batch: int = 4
    crop: int = 192
    clip: float = 1.0
    average: float = 0.999
    seed: int = 0
    checkpoint_every: int = 500
    report_every: int = 50
    precision: str = "auto"
    compile: bool = True
    start: str = ""

    def factor(self, step: int) -> float:
        """Fraction of the learning rate in force at `step`."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        left = (self.steps - step) / max(1, self.anneal_steps)
        return warm * min(1.0, max(0.0, left))


@dataclass(frozen=True)
class RecipeEntry:
    """A recipe by name: where its class is, what a crop is, its settings unless told otherwise.

    Crops are multiples of `crop_unit` and no smaller than `smallest_crop`. `restores`: training can
    start from a file. `decoder`: the class that trains the decoder of such a file alone.
    """

    target: str
    crop_meaning: str
    crop_unit: int
    smallest_crop: int
    settings: Settings
    restores: bool = False
    decoder: str | None = None


RECIPES = {
    "hyperprior": RecipeEntry(
        "ncodec.training.hyperprior:HyperpriorRecipe",
        "pixels a side",
        64,
        64,
        Settings(),
        True,
        "ncodec.training.decoder_only:HyperpriorDecoder",
    ),
    "grvq": RecipeEntry(
        "ncodec.training.grvq:GrvqRecipe",
        "samples at 16 kHz",
        640,
        9_600,
        Settings(
            steps=16_000,
            anneal_steps=7_000,
            learning_rate=1e-3,
            batch=12,
            crop=19_200,
            compile=False,
        ),
    ),
    "walloc image": RecipeEntry(
        "ncodec.training.walloc:PictureRecipe",
        "pixels a side",
        32,
        64,
        Settings(steps=60_000, anneal_steps=20_000, batch=4, crop=192, compile=False),
        True,
        decoder="ncodec.training.decoder_only:WallocDecoder",
    ),
    "walloc audio": RecipeEntry(
        "ncodec.training.walloc:SoundRecipe",
        "samples at 44.1 kHz",
        2_048,
        32_768,
        Settings(steps=40_000, anneal_steps=15_000, batch=8, crop=32_768, compile=False),
        True,
        "ncodec.training.decoder_only:WallocSoundDecoder",
    ),
    "vqgan": RecipeEntry(
        "ncodec.training.vqgan:VqganRecipe",
        "pixels a side",
        64,
        192,
        Settings(steps=30_000, anneal_steps=10_000, batch=4, crop=256, compile=False),
        True,
    ),
}
"""By the name of the model; one that has a model a medium is named with it."""
