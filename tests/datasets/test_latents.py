"""Latents of compressed files as a dataset."""

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from ncodec.api import Codec, load_codec
from ncodec.datasets import LatentDataset, pad_latents
from ncodec.errors import BitstreamError, InputError
from tests.codecs.pictures import picture


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec("hyperprior", "cpu")


@pytest.fixture(scope="module")
def folder(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("files")
    for name, (width, height) in {"cat/a": (40, 60), "cat/b": (64, 64), "dog/c": (90, 33)}.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / f"{name}.ncd").write_bytes(codec.encode(picture(width, height)))
    return place


def test_folders_are_classes(folder: Path) -> None:
    dataset = LatentDataset.from_folder(folder)
    assert (len(dataset), dataset.classes, dataset.labels) == (3, ("cat", "dog"), [0, 0, 1])
    latent, label = dataset[2]
    assert (latent.shape, label) == ((384, 3, 6), 1)


def test_items_are_the_latents_of_the_files(codec: Codec, folder: Path) -> None:
    dataset = LatentDataset(sorted(folder.rglob("*.ncd")), transform=lambda x: 2 * x)
    for file, latent in zip(dataset.files, iter(dataset), strict=False):
        torch.testing.assert_close(latent, 2 * codec.latents(file))
        assert latent.is_contiguous() or latent.numel()


def test_batches_of_several_sizes_come_from_workers(folder: Path) -> None:
    dataset = LatentDataset.from_folder(folder)
    loader = DataLoader(
        dataset, 3, num_workers=1, collate_fn=pad_latents, multiprocessing_context="spawn"
    )
    ((latents, sizes, labels),) = list(loader)
    assert latents.shape == (3, 384, 4, 6)
    assert sizes.tolist() == [[4, 3], [4, 4], [3, 6]]
    assert labels.tolist() == [0, 0, 1]
    torch.testing.assert_close(latents[0, :, :, :3], dataset[0][0])
    assert float(latents[0, :, :, 3:].abs().max()) == 0


def test_without_labels_batches_have_none(folder: Path) -> None:
    dataset = LatentDataset(sorted(folder.rglob("*.ncd"))[:2])
    latents, sizes = pad_latents([dataset[0], dataset[1]])
    assert (latents.shape, sizes.tolist()) == ((2, 384, 4, 4), [[4, 3], [4, 4]])


def test_what_is_no_dataset_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no files"):
        LatentDataset([])
    with pytest.raises(InputError, match="labels"):
        LatentDataset(list(folder.rglob("*.ncd")), [1])
    with pytest.raises(InputError, match="ncd"):
        LatentDataset.from_folder(tmp_path)


def test_a_damaged_file_says_so(folder: Path, tmp_path: Path) -> None:
    data = next(folder.rglob("a.ncd")).read_bytes()
    (tmp_path / "bad.ncd").write_bytes(data[:-3] + b"abc")
    with pytest.raises(BitstreamError):
        LatentDataset.from_folder(tmp_path)[0]
