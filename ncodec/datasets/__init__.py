"""Pictures and sounds on disk for training; compressed files to learn from as they are."""

from ncodec.datasets.latents import LatentDataset, pad_latents

__all__ = ["LatentDataset", "pad_latents"]
