import itertools

import pytest
import torch

from datamodules.mnist import MNISTDataModule, MNISTSampleDataModule
from datamodules.pixels import normalize
from datamodules.stacked_mnist import StackedMNISTDataModule

SPLITS = ("train", "val", "test")


def stacked(**kwargs):
    """Of the sample that comes with the package."""
    return StackedMNISTDataModule(**{"root": None, "num_train": 500, "num_val": 60, "num_test": 70, **kwargs})


def every(data, split):
    """All images and labels of a split."""
    dataset = data.dataset(split)
    return dataset[list(range(len(dataset)))]


def digits_of(data, split):
    """The label of each digit of a split by its pixels."""
    dataset = data.digits.dataset(split)
    images, labels = dataset[list(range(len(dataset)))]
    return {image.numpy().tobytes(): int(label) for image, label in zip(images, labels, strict=True)}


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"num_train": 0}, "num_train is 0, but must be at least 1"),
        ({"num_val": 0}, "num_val is 0, but must be at least 1"),
        ({"num_test": -1}, "num_test is -1, but must be at least 1"),
        ({"image_size": 64}, "image_size is 64, but MNIST is made in 28 or 32"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_numbers_are_checked_at_construction(argument, said):
    with pytest.raises(ValueError, match=said):
        stacked(**argument)


@pytest.mark.parametrize("size", [28, 32])
def test_a_batch_is_colour_images_in_range_and_their_labels(size):
    data = stacked(image_size=size, batch_size=16)
    images, labels = next(iter(data.train_dataloader()))
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert images.shape == (16, *data.image_shape) == (16, 3, size, size)
    assert (images.min(), images.max()) == (-1, 1)
    assert labels.shape == (16,)
    assert data.num_classes == 1000


@pytest.mark.parametrize("split", SPLITS)
def test_label_is_the_number_that_the_channels_spell(split):
    data = stacked()
    digit_of = digits_of(data, split)
    images, labels = every(data, split)
    spelt = [int("".join(str(digit_of[channel.numpy().tobytes()]) for channel in image)) for image in images]
    assert spelt == labels.tolist()


def test_splits_share_no_digit():
    data = stacked()
    channels = {split: {c.numpy().tobytes() for c in every(data, split)[0].flatten(0, 1)} for split in SPLITS}
    assert not any(channels[a] & channels[b] for a, b in itertools.combinations(SPLITS, 2))


def test_images_are_pixels_until_they_are_normalized():
    images, labels = stacked().dataset("val")[[3, 60 + 1]]
    assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert images.shape == (2, 3, 28, 28)


def test_channels_are_drawn_apart():
    triples = stacked(num_train=128_000).dataset("train").triples.double()
    assert triples.T.corrcoef().sub(torch.eye(3)).abs().max() < 5 / 128_000**0.5


def test_every_class_has_about_as_many_images():
    data = stacked(num_train=128_000)
    dataset = data.dataset("train")
    counts = (dataset.labels[dataset.triples] @ torch.tensor([100, 10, 1])).bincount(minlength=1000)
    assert counts.shape == (1000,)
    assert counts.min() > 128 - 6 * 128**0.5
    assert counts.max() < 128 + 6 * 128**0.5


def test_image_k_is_a_function_of_the_split_and_k_alone(monkeypatch):
    images, labels = every(stacked(), "train")
    monkeypatch.setenv("PL_GLOBAL_SEED", "5")
    torch.manual_seed(5)
    more = stacked(num_train=900, num_val=3).dataset("train")
    assert torch.equal(more[[7, 499]][0], images[[7, 499]])
    assert torch.equal(more[[7, 499]][1], labels[[7, 499]])


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_the_validation_images_of_one(attach, world_size):
    labels = []
    for rank in range(world_size):
        data = stacked(eval_batch_size=7)
        attach(data, rank=rank, world_size=world_size)
        labels += [label for _, batch in data.val_dataloader() for label in batch.tolist()]
    assert sorted(labels) == sorted(every(stacked(), "val")[1].tolist())


def test_flip_mirrors_all_channels_of_an_image():
    dataset = stacked(num_train=50).dataset("train")
    images, labels = dataset[[7, 50 + 7, 3]]
    assert torch.equal(images[1], images[0].flip(-1))
    assert labels[0] == labels[1]
    assert torch.equal(images[2], dataset[[3]][0][0])
    batches = [images for images, _ in stacked(num_train=50, batch_size=50, flip=True).train_dataloader()]
    held = {image.numpy().tobytes() for image in normalize(every(stacked(num_train=50), "train"))[0]}
    assert 5 < sum(image.numpy().tobytes() in held for image in batches[0]) < 45


def test_a_check_looks_at_the_files_of_mnist(tmp_path):
    found = stacked().check()
    assert found.ok
    assert found.name == "stacked_mnist"
    missing = StackedMNISTDataModule(str(tmp_path)).check()
    assert not missing.ok
    assert "train-images-idx3-ubyte" in str(missing)


def test_images_are_not_held_in_memory():
    dataset = stacked(num_train=10**6).dataset("train")
    held = sum(tensor.nbytes for tensor in (dataset.pixels, dataset.labels, dataset.triples))
    assert len(dataset) == 10**6
    assert held < 35e6  # 24 MB of triples and 7 MB of digits; the images would be 2.4 GB


def test_fingerprint_tells_source_size_and_counts_apart():
    arguments = ({}, {"root": "data"}, {"image_size": 32}, {"num_train": 9}, {"num_val": 9}, {"num_test": 9})
    assert len({stacked(**argument).fingerprint for argument in arguments}) == len(arguments)
    assert StackedMNISTDataModule("here").fingerprint == StackedMNISTDataModule("there").fingerprint


def test_digits_are_those_of_the_full_set(shared_mnist):
    data = StackedMNISTDataModule(shared_mnist, num_train=100)
    assert len(data.dataset("train")) == 100
    assert torch.equal(data.dataset("train").pixels, MNISTDataModule(shared_mnist).dataset("train").pixels)
    assert data.folder.name == "raw"


def test_the_sample_needs_no_files(monkeypatch):
    monkeypatch.setattr("socket.socket", lambda *_, **__: pytest.fail("network"))
    data = stacked()
    data.prepare_data()
    assert data.folder is None
    assert torch.equal(data.dataset("val").pixels, MNISTSampleDataModule().dataset("val").pixels)


def test_missing_files_of_mnist_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks train-images-idx3-ubyte, .*set download to true"):
        StackedMNISTDataModule(str(tmp_path), download=False).prepare_data()
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte is missing"):
        StackedMNISTDataModule(str(tmp_path)).setup("fit")
