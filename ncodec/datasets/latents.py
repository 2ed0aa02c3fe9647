"""Learning from compressed files: latents as tensors, without decoding to pixels or samples."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from ncodec.api import Codec, choose_device, read_info
from ncodec.codecs import registry
from ncodec.errors import InputError

SUFFIX = ".ncd"


class LatentDataset(Dataset[Any]):
    """The dequantised latents [C, h, w] of `.ncd` files, as they come out of the entropy decoder.

    Made for `torch.utils.data.DataLoader`: every worker opens files itself, on the processor.
    Files must be of one codec and medium; sizes may differ, see `pad_latents`.

    Example:
        >>> dataset = LatentDataset.from_folder(Path("photos"))  # photos/cat/1.ncd, ...
        >>> loader = DataLoader(dataset, 32, num_workers=2, collate_fn=pad_latents)

    Attributes:
        files: their paths.
        labels: a class for each, or None.
        classes: the names of the classes, if they come from folders.
    """

    def __init__(
        self,
        files: Sequence[str | Path],
        labels: Sequence[int] | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
        classes: tuple[str, ...] = (),
    ) -> None:
        """Take paths, a class for each, and what is done with every latent.

        Raises `InputError` if there are no files, or not as many labels.
        """
        self.files = [Path(file) for file in files]
        self.labels = None if labels is None else [int(label) for label in labels]
        self.transform, self.classes = transform, classes
        if not self.files:
            raise InputError("a dataset of no files")
        if self.labels is not None and len(self.labels) != len(self.files):
            raise InputError(f"{len(self.files)} files with {len(self.labels)} labels")
        self.codec = read_info(self.files[0]).codec

    @classmethod
    def from_folder(
        cls, folder: str | Path, transform: Callable[[Tensor], Tensor] | None = None
    ) -> "LatentDataset":
        """All `.ncd` files below a folder; if it has subfolders, each is a class."""
        place = Path(folder)
        files = sorted(path for path in place.rglob("*") if path.suffix.lower() == SUFFIX)
        if not files:
            raise InputError(f"{place}: no {SUFFIX} files")
        tops = [path.relative_to(place).parts[0] for path in files]
        if any(path.parent == place for path in files):
            return cls(files, None, transform)
        classes = tuple(sorted(set(tops)))
        return cls(files, [classes.index(top) for top in tops], transform, classes)

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.files)

    def __getitem__(self, index: int) -> Any:  # noqa: ANN401 - with a label or without
        """Return a latent, or a latent and its label. Raises `BitstreamError`s."""
        latent = self._codec().latents(self.files[index])
        latent = self.transform(latent) if self.transform else latent
        return latent if self.labels is None else (latent, self.labels[index])

    def _codec(self) -> Codec:
        """The codec; a process loads it once."""
        return Codec(registry.entry_by_name(self.codec), choose_device("cpu"))


def pad_latents(items: Sequence[Any]) -> Any:  # noqa: ANN401 - with labels or without
    """Put latents of several sizes into one batch: the rest is filled with zeros.

    Takes what a `LatentDataset` yields; returns latents [B, C, h, w] and sizes int64 [B, 2], and
    after them labels int64 [B] if there are any.
    """
    labelled = isinstance(items[0], tuple)
    latents = [item[0] if labelled else item for item in items]
    sizes = torch.tensor([latent.shape[1:] for latent in latents])
    height, width = sizes.amax(0).tolist()
    padded = [F.pad(x, (0, width - x.shape[2], 0, height - x.shape[1])) for x in latents]
    batch = torch.stack(padded)
    if not labelled:
        return batch, sizes
    return batch, sizes, torch.tensor([item[1] for item in items])
