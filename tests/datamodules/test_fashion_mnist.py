import pytest
import torch
import torchvision

import datamodules.fashion_mnist
import datamodules.mnist
from datamodules.fashion_mnist import FashionMNISTDataModule
from datamodules.mnist import MNISTDataModule

IMAGES = "train-images-idx3-ubyte"


@pytest.fixture
def drawn_fashion(drawn_mnist, monkeypatch):
    """Root of a small set in Fashion-MNIST's layout, whose checksums stand in for the published ones."""
    monkeypatch.setattr(datamodules.fashion_mnist, "FILES", datamodules.mnist.FILES)
    (drawn_mnist / "MNIST").rename(drawn_mnist / "FashionMNIST")
    return drawn_mnist


def drawn(root, **kwargs):
    return FashionMNISTDataModule(str(root), **{"val_size": 12, "batch_size": 8, **kwargs})


def test_the_files_are_those_that_torchvision_knows_in_the_shapes_of_mnist():
    files = [file for pair in datamodules.fashion_mnist.FILES.values() for file in pair]
    resources = torchvision.datasets.FashionMNIST.resources
    assert [f"{file.name}.gz" for file in files] == [name for name, _ in resources]
    assert [file.shape for file in files] == [file.shape for pair in datamodules.mnist.FILES.values() for file in pair]
    assert not {file.md5 for file in files} & {file.md5 for pair in datamodules.mnist.FILES.values() for file in pair}


def test_it_is_read_as_torchvision_reads_it(drawn_fashion, monkeypatch):
    data = drawn(drawn_fashion)
    for source in ("train", "test"):
        expected = torchvision.datasets.FashionMNIST(str(drawn_fashion), train=source == "train")
        pixels, labels = data.read_digits(source)
        assert torch.equal(pixels, expected.data)
        assert torch.equal(labels.long(), expected.targets)


def test_training_and_validation_part_the_training_file(drawn_fashion):
    data = drawn(drawn_fashion, image_size=32)
    train, val, test = (data.dataset(split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (48, 12, 20)
    together = torch.cat([train.pixels, val.pixels])[:, 0, 2:-2, 2:-2]
    assert sorted(together.flatten(1).tolist()) == sorted(data.read_digits("train")[0].flatten(1).tolist())


def test_fingerprint_is_not_that_of_mnist():
    assert FashionMNISTDataModule().fingerprint.startswith("fashion_mnist-28px-")
    assert FashionMNISTDataModule().version != MNISTDataModule().version


def test_errors_name_fashion_mnist(drawn_fashion, tmp_path):
    with pytest.raises(ValueError, match="image_size is 64, but Fashion-MNIST is made in 28 or 32"):
        FashionMNISTDataModule(image_size=64)
    with pytest.raises(FileNotFoundError, match=rf"absent/FashionMNIST/raw lacks {IMAGES}, .*set download to true"):
        drawn(tmp_path / "absent", download=False).prepare_data()


def test_mnist_in_its_place_is_named(drawn_fashion):
    path = drawn_fashion / "FashionMNIST" / "raw" / IMAGES
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(ValueError, match=rf"FashionMNIST/raw/{IMAGES} holds .*Move the file away"):
        drawn(drawn_fashion).setup("fit")


def test_no_network_names_the_set_and_its_files(drawn_fashion, tmp_path, monkeypatch):
    def offline(*_):
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(ConnectionError, match=rf"(?s)FashionMNIST could not .*{IMAGES}.*no route to host.*copy the"):
        drawn(tmp_path / "absent").prepare_data()
    assert [path.name for path in tmp_path.iterdir()] == ["drawn"]
