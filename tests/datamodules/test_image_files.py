import pickle

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from datamodules.celeba import CelebADataModule
from datamodules.folder import ImageFolderDataModule

SPLITS = ("train", "val", "test")


@pytest.fixture(params=["celeba", "folder"])
def data(request, drawn_celeba, tmp_path):
    """Images of 32 x 32 pixels in files, of both data sets that are made of them."""
    if request.param == "celeba":
        return CelebADataModule(str(drawn_celeba()), image_size=32, attributes=["Male"])
    for number in range(60):
        path = tmp_path / "images" / f"{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number, 0, 0)).save(path)
    return ImageFolderDataModule(str(tmp_path / "images"), image_size=32)


def test_splits_are_slices_of_one_file_in_the_cache(data):
    datasets = [data.dataset(split) for split in SPLITS]
    assert {dataset.path for dataset in datasets} == {data.folder.absolute() / "pixels"}
    assert torch.equal(torch.cat([dataset.pixels for dataset in datasets]), data.cached.pixels)
    for split, dataset in zip(SPLITS, datasets, strict=True):
        pixels, labels = data.read(split)
        assert torch.equal(pixels, dataset.pixels)
        assert torch.equal(labels, dataset.labels)


def test_a_split_is_pickled_without_its_pixels_and_with_its_own_labels_alone(data):
    for split in SPLITS:
        dataset = data.dataset(split)
        pickled = pickle.dumps(dataset)
        assert len(pickled) < 2_000 + dataset.labels.nbytes < 3_072 * len(dataset)
        assert dataset.labels.untyped_storage().nbytes() == dataset.labels.nbytes  # all of it is pickled
        again, indices = pickle.loads(pickled), [len(dataset) - 1, 0, len(dataset)]
        for mine, expected in zip(again[indices], dataset[indices], strict=True):
            assert torch.equal(mine, expected)


def test_the_open_cache_is_pickled_without_its_pixels(data):
    pickled = pickle.dumps(data.cached)
    assert len(pickled) < 2_000 + data.cached.kept.nbytes
    assert torch.equal(pickle.loads(pickled).pixels, data.cached.pixels)


@pytest.mark.parametrize("data", ["celeba"], indirect=True)
@pytest.mark.slow
def test_a_spawned_worker_gives_the_same_batches(data):
    dataset = data.dataset("train")
    batches = [[5, 0, len(dataset) + 3], [1, 2]]
    options = {"collate_fn": tuple, "num_workers": 1, "multiprocessing_context": "spawn"}
    for found, indices in zip(DataLoader(dataset, None, sampler=batches, **options), batches, strict=True):
        for mine, expected in zip(found, dataset[indices], strict=True):
            assert torch.equal(mine, expected)
