import gzip
import hashlib
import io
import shutil
from urllib.error import HTTPError, URLError

import pytest
import torch
import torchvision

import datamodules.mnist
from datamodules import MNISTDataModule, MNISTSampleDataModule

IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


def drawn(root, **kwargs):
    return MNISTDataModule(str(root), **{"val_size": 12, "batch_size": 8, **kwargs})


def rows(pixels):
    """Images as a sorted list, to compare sets of them."""
    return sorted(pixels.flatten(1).tolist())


@pytest.fixture
def sample():
    data = MNISTSampleDataModule()
    data.setup()
    return data


@pytest.fixture
def server(drawn_mnist, monkeypatch):
    """Serves the drawn set to torchvision; `served` maps file names to what is sent."""
    served = {}
    for path in (drawn_mnist / "MNIST" / "raw").iterdir():
        served[f"{path.name}.gz"] = gzip.compress(path.read_bytes())
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in served.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)

    def urlopen(request):
        name = request.full_url.rsplit("/", 1)[1]
        if name not in served:
            raise HTTPError(request.full_url, 404, "Not Found", None, None)
        response = io.BytesIO(served[name])
        response.url, response.length = request.full_url, len(served[name])
        return response

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return served


@pytest.mark.parametrize("cls", [MNISTDataModule, MNISTSampleDataModule])
@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"image_size": 64}, "image_size is 64, but MNIST is made in 28 or 32"),
        ({"val_size": 0}, "val_size is 0, but must be from 1 to"),
        ({"val_size": 60_000}, "val_size is 60000, but must be from 1 to"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_numbers_are_checked_at_construction(cls, argument, said):
    with pytest.raises(ValueError, match=said):
        cls(**argument)


def test_shape_and_classes_are_known_before_any_file_is_there(tmp_path):
    data = MNISTDataModule(str(tmp_path / "absent"), image_size=32)
    assert data.image_shape == (1, 32, 32)
    assert data.num_classes == 10
    assert not (tmp_path / "absent").exists()


def test_fingerprint_tells_set_size_and_split_apart():
    modules = [
        MNISTDataModule(),
        MNISTDataModule(image_size=32),
        MNISTDataModule(val_size=10),
        MNISTSampleDataModule(),
        MNISTSampleDataModule(image_size=32),
    ]
    assert len({data.fingerprint for data in modules}) == 5
    assert MNISTDataModule(root="elsewhere", batch_size=3).fingerprint == modules[0].fingerprint


def test_fingerprints_stay_what_statistics_on_disk_were_written_under():
    assert MNISTDataModule().fingerprint == "mnist-28px-02524e52"
    assert MNISTSampleDataModule().fingerprint == "mnist_sample-28px-991ba300"


def test_training_and_validation_part_the_training_file_and_test_is_the_test_file(drawn_mnist):
    data = drawn(drawn_mnist)
    train, val, test = (data.dataset(split) for split in ("train", "val", "test"))
    pixels, _ = data.read_digits("train")
    assert (len(train), len(val), len(test)) == (48, 12, 20)
    assert rows(torch.cat([train.pixels, val.pixels])) == rows(pixels)
    assert not set(map(tuple, rows(val.pixels))) & set(map(tuple, rows(train.pixels)))
    assert torch.equal(test.pixels[:, 0], data.read_digits("test")[0])


def test_labels_go_with_their_images(drawn_mnist):
    data = drawn(drawn_mnist)
    pixels, labels = data.read_digits("train")
    label_of = dict(zip(map(tuple, pixels.flatten(1).tolist()), labels.tolist(), strict=True))
    for split in ("train", "val"):
        dataset = data.dataset(split)
        found = [label_of[tuple(image)] for image in dataset.pixels.flatten(1).tolist()]
        assert found == dataset.labels.tolist()


def test_size_32_is_a_black_border_around_size_28(drawn_mnist):
    small, large = (drawn(drawn_mnist, image_size=size).dataset("test").pixels for size in (28, 32))
    assert large.shape == (20, 1, 32, 32)
    assert torch.equal(large[..., 2:-2, 2:-2], small)
    assert large.long().sum() == small.long().sum()


def test_the_real_set_is_read_as_torchvision_reads_it(shared_mnist):
    data = MNISTDataModule(shared_mnist)
    for source in ("train", "test"):
        expected = torchvision.datasets.MNIST(shared_mnist, train=source == "train")
        pixels, labels = data.read_digits(source)
        assert torch.equal(pixels, expected.data)
        assert torch.equal(labels.long(), expected.targets)


def test_validation_split_of_the_real_set_is_balanced(shared_mnist):
    data = MNISTDataModule(shared_mnist)
    train, val = data.dataset("train").labels.bincount(), data.dataset("val").labels.bincount()
    assert (train.sum(), val.sum()) == (55_000, 5_000)
    assert torch.allclose(val / train, torch.tensor(5 / 55), rtol=0.15)


def test_validation_split_holds_both_sources_which_alternate_in_the_file(shared_mnist):
    data = MNISTDataModule(shared_mnist)
    held_out = {image.numpy().tobytes() for image in data.dataset("val").pixels}
    pixels, _ = data.read_digits("train")
    even = sum(image.numpy().tobytes() in held_out for image in pixels[::2])
    assert 0.47 < even / len(held_out) < 0.53


def test_sample_has_as_many_images_of_each_class(sample):
    counts = {split: sample.dataset(split).labels.bincount() for split in ("train", "val", "test")}
    assert (counts["train"] + counts["val"]).tolist() == [1000] * 10
    assert counts["val"].sum() == 1000
    assert torch.allclose(counts["val"].float(), torch.tensor(100.0), rtol=0.3)
    assert counts["test"].tolist() == [250] * 10


def test_sample_comes_from_the_real_files_by_the_script(shared_mnist, tmp_path):
    import importlib.util
    from pathlib import Path

    from PIL import Image

    script = Path(__file__).parents[2] / "scripts" / "make_mnist_sample.py"
    spec = importlib.util.spec_from_file_location("make_mnist_sample", script)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.make_sample(shared_mnist, tmp_path)
    for sheet in datamodules.mnist.SHEETS.values():
        with Image.open(tmp_path / sheet.name) as new, Image.open(datamodules.mnist.SAMPLE_FOLDER / sheet.name) as old:
            assert (new.mode, new.size) == (old.mode, old.size) == ("L", (28 * sheet.side, 28 * sheet.side))
            assert new.tobytes() == old.tobytes()


def test_images_and_labels_of_the_sample_are_pairs_of_the_real_set(shared_mnist, sample):
    pixels, labels = MNISTDataModule(shared_mnist).read_digits("test")
    label_of = {image.numpy().tobytes(): int(label) for image, label in zip(pixels, labels, strict=True)}
    test = sample.dataset("test")
    assert [label_of[image.numpy().tobytes()] for image in test.pixels] == test.labels.tolist()


def test_sample_needs_no_network(monkeypatch):
    monkeypatch.setattr("socket.socket", lambda *_, **__: pytest.fail("network"))
    data = MNISTSampleDataModule(batch_size=32)
    data.prepare_data()
    data.setup("fit")
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (32, 1, 28, 28)
    assert (images.min(), images.max()) == (-1, 1)
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("damage", [bytes.upper, lambda content: content[:9999], lambda _: b"<html>"])
def test_damaged_sheet_is_named(tmp_path, monkeypatch, damage):
    folder = shutil.copytree(datamodules.mnist.SAMPLE_FOLDER, tmp_path / "sheets")
    (folder / "train.png").write_bytes(damage((folder / "train.png").read_bytes()))
    monkeypatch.setattr(datamodules.mnist, "SAMPLE_FOLDER", folder)
    with pytest.raises(ValueError, match=r"train\.png.* part of this package.*Install the package again"):
        MNISTSampleDataModule().setup("fit")


def test_missing_sheet_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(datamodules.mnist, "SAMPLE_FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"test\.png.*Install the package again"):
        MNISTSampleDataModule().setup("test")


def test_images_of_one_file_do_not_go_with_labels_of_another(drawn_mnist):
    folder = drawn_mnist / "MNIST" / "raw"
    shutil.copy(folder / "t10k-labels-idx1-ubyte", folder / LABELS)
    with pytest.raises(ValueError, match=rf"{LABELS} holds an IDX file of shape \(20,\), but .* shape \(60,\)"):
        drawn(drawn_mnist).setup("fit")


def test_files_that_are_there_are_not_downloaded(drawn_mnist, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_: pytest.fail("network"))
    folder = drawn_mnist / "MNIST" / "raw"
    (folder / f"{LABELS}.gz").write_bytes(gzip.compress((folder / LABELS).read_bytes()))
    (folder / LABELS).unlink()
    drawn(drawn_mnist).prepare_data()
    assert len(drawn(drawn_mnist).dataset("train")) == 48  # of 60, 12 are for validation


def test_without_download_missing_files_are_named(drawn_mnist, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_: pytest.fail("network"))
    drawn(drawn_mnist, download=False).prepare_data()
    (drawn_mnist / "MNIST" / "raw" / LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=rf"MNIST/raw lacks {LABELS}\. Copy them there.*set download to true"):
        drawn(drawn_mnist, download=False).prepare_data()


def test_download_brings_what_is_read(server, drawn_mnist, tmp_path):
    data = drawn(tmp_path / "new" / "root")
    data.prepare_data()
    assert torch.equal(data.dataset("train").pixels, drawn(drawn_mnist).dataset("train").pixels)
    names = {path.name for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert names == {name.removesuffix(".gz") for name in server}
    assert not list(tmp_path.glob(".mnist-*"))


def test_download_leaves_the_files_that_are_there(server, drawn_mnist):
    folder = drawn_mnist / "MNIST" / "raw"
    (folder / IMAGES).unlink()
    (folder / LABELS).write_bytes(b"mine")
    drawn(drawn_mnist).prepare_data()
    assert (folder / LABELS).read_bytes() == b"mine"
    assert (folder / IMAGES).is_file()


def test_no_network_is_one_error_and_leaves_nothing(drawn_mnist, tmp_path, monkeypatch):
    def offline(*_):
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(ConnectionError, match=rf"(?s){IMAGES}.*name resolution.*copy the files.*MNISTSampleDataModule"):
        drawn(tmp_path / "absent").prepare_data()
    assert [path.name for path in tmp_path.iterdir()] == ["drawn"]


@pytest.mark.parametrize("sent", [b"<html>log in to this network</html>", None, b""], ids=["web page", "404", "empty"])
def test_failed_download_leaves_nothing(server, drawn_mnist, tmp_path, sent):
    if sent is None:
        del server[f"{LABELS}.gz"]
    else:
        server[f"{LABELS}.gz"] = sent
    with pytest.raises(ConnectionError, match="could not be downloaded"):
        drawn(tmp_path / "absent").prepare_data()
    assert [path.name for path in tmp_path.iterdir()] == ["drawn"]
