import errno
import os
import pickle
from pathlib import Path

import pytest
import torch

from datamodules.pixels import MappedDataset, MappedFile, PixelDataset, normalize
from gan_lightning.images import to_float, to_uint8

EVERY_VALUE = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)


def test_batch_is_a_pair_of_pixels_and_labels():
    pixels = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).view(4, 1, 1, 1)
    images, labels = PixelDataset(pixels, torch.tensor([3, 1, 2, 0]))[[3, 0, 1]]
    assert images.dtype == torch.uint8
    assert images.shape == (3, 1, 1, 1)
    assert images.flatten().tolist() == [255, 0, 51]
    assert labels.tolist() == [0, 3, 1]
    assert labels.dtype == torch.int64


def test_indices_beyond_the_images_are_the_same_images_mirrored():
    pixels = torch.arange(24, dtype=torch.uint8).view(4, 1, 2, 3)
    dataset = PixelDataset(pixels, torch.tensor([3, 1, 2, 0]))
    images, labels = dataset[[1, 6, 4, 3]]
    plain, plain_labels = dataset[[1, 2, 0, 3]]
    assert images.dtype == torch.uint8
    assert torch.equal(images, torch.stack([plain[0], plain[1].flip(-1), plain[2].flip(-1), plain[3]]))
    assert torch.equal(labels, plain_labels)
    assert pixels.flatten().tolist() == list(range(24))


@pytest.mark.parametrize(
    ("pixels", "labels", "said"),
    [
        (torch.zeros(2, 1, 4, 4), torch.zeros(2).long(), "pixels must be uint8"),
        (torch.zeros(2, 4, 4).byte(), torch.zeros(2).long(), "pixels must be uint8"),
        (torch.zeros(2, 1, 4, 4).byte(), torch.zeros(3).long(), r"labels must be int64 \(2,\)"),
        (torch.zeros(2, 1, 4, 4).byte(), torch.zeros(2), "labels must be int64"),
    ],
)
def test_pixels_or_labels_of_another_type_or_count_are_refused(pixels, labels, said):
    with pytest.raises(ValueError, match=said):
        PixelDataset(pixels, labels)


def test_the_ends_of_the_range_are_exact_and_it_is_symmetric():
    labels = torch.zeros(256, dtype=torch.int64)
    images, same_labels = normalize((EVERY_VALUE, labels))
    assert images.dtype == torch.float32
    assert images.shape == EVERY_VALUE.shape
    assert same_labels is labels
    flat = images.flatten()
    assert (flat[0], flat[255]) == (-1, 1)
    assert torch.equal(flat, -flat.flip(0))
    assert torch.equal(to_float(EVERY_VALUE.flatten()), flat)
    assert torch.equal(to_uint8(flat), EVERY_VALUE.flatten())


def test_normalizing_a_batch_leaves_the_pixels_as_they_were():
    dataset = PixelDataset(EVERY_VALUE.clone(), torch.zeros(256, dtype=torch.int64))
    batch = dataset[[1, 2]]
    normalize(batch)
    assert batch[0].flatten().tolist() == [1, 2]
    assert torch.equal(dataset.pixels, EVERY_VALUE)


def test_floats_are_not_normalized_again():
    batch = (torch.rand(2, 1, 1, 2), torch.zeros(2).long())
    assert normalize(batch) is batch


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_floats_made_on_a_gpu_are_those_of_the_cpu_to_the_bit():
    images, labels = (values.to("cuda") for values in (EVERY_VALUE, torch.arange(256)))
    normal, same_labels = normalize((images, labels))
    assert normal.device == images.device
    assert same_labels is labels
    assert torch.equal(normal.cpu(), normalize((EVERY_VALUE, torch.arange(256)))[0])


@pytest.fixture
def pixel_file(tmp_path):
    """40 random images of 3 x 16 x 16, one after the other, and the same in memory."""
    pixels = torch.randint(256, (40, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "pixels"
    path.write_bytes(pixels.numpy().tobytes())
    return path, pixels


def is_mapped(pixels, path):
    """Whether a tensor lies where the file is mapped."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    spans = [line.split()[0].split("-") for line in maps.read_text().splitlines() if line.endswith(str(path))]
    return any(int(first, 16) <= pixels.data_ptr() < int(end, 16) for first, end in spans)


def test_mapped_pixels_are_those_of_the_file(pixel_file):
    path, pixels = pixel_file
    mapped = MappedFile(path, pixels.numel()).tensor.view(pixels.shape)
    assert torch.equal(mapped, pixels)
    assert is_mapped(mapped, path)


def test_mapped_images_are_those_from_the_first_on_as_many_as_there_are_labels(pixel_file):
    path, pixels = pixel_file
    dataset = MappedDataset(path, (40, 3, 16, 16), 10, torch.arange(7))
    in_memory = PixelDataset(pixels[10:17], torch.arange(7))
    assert len(dataset) == 7
    for mine, expected in zip(dataset[[6, 0, 7 + 3]], in_memory[[6, 0, 7 + 3]], strict=True):
        assert torch.equal(mine, expected)


def test_no_image_at_all_can_be_mapped_at_the_end(pixel_file):
    path, _ = pixel_file
    assert len(MappedDataset(path, (40, 3, 16, 16), 40, torch.arange(0))) == 0


def test_a_file_that_is_shorter_than_its_labels_is_refused(pixel_file):
    path, _ = pixel_file
    with pytest.raises(ValueError, match=r"labels must be int64 \(5,\)"):
        MappedDataset(path, (40, 3, 16, 16), 35, torch.arange(6))


def test_a_mapped_set_is_pickled_as_its_path_and_maps_the_same_file_again(pixel_file, monkeypatch):
    path, _ = pixel_file
    monkeypatch.chdir(path.parent)
    dataset = MappedDataset(Path(path.name), (40, 3, 16, 16), 10, torch.arange(30))
    pickled = pickle.dumps(dataset)
    assert len(pickled) < dataset.labels.nbytes + 2_000 < dataset.pixels.nbytes
    monkeypatch.chdir("/")
    again = pickle.loads(pickled)
    assert is_mapped(again.pixels, path)
    for mine, expected in zip(again[[29, 3, 30 + 5]], dataset[[29, 3, 30 + 5]], strict=True):
        assert torch.equal(mine, expected)


def test_a_mapped_set_whose_file_is_gone_is_an_error_that_names_it(pixel_file):
    path, _ = pixel_file
    pickled = pickle.dumps(MappedDataset(path, (40, 3, 16, 16), 0, torch.arange(40)))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"pixels is not there any more\. Start again"):
        pickle.loads(pickled)


@pytest.mark.parametrize(("size", "change"), [(0, "cut"), (3 * 16 * 16, "cut"), (30_719, "cut"), (30_721, "added to")])
def test_a_file_of_another_size_is_refused_before_it_is_read(pixel_file, size, change):
    path, _ = pixel_file
    pickled = pickle.dumps(dataset := MappedDataset(path, (40, 3, 16, 16), 0, torch.arange(40)))
    os.truncate(path, size)
    said = rf"pixels has {size:,} bytes, but must have 30,720: it was {change} after .*Delete the folder {path.parent}"
    for read in (
        lambda: dataset[[0]],
        lambda: pickle.loads(pickled),
        lambda: MappedDataset(path, (40, 3, 16, 16), 0, torch.arange(40)),
    ):
        with pytest.raises(ValueError, match=said):
            read()
    os.truncate(path, 30_720)
    assert len(dataset[[0, 39]][0]) == 2


def test_a_file_that_is_deleted_can_be_read_by_who_mapped_it(pixel_file):
    path, pixels = pixel_file
    dataset = MappedDataset(path, (40, 3, 16, 16), 0, torch.arange(40))
    path.unlink()
    assert torch.equal(dataset[[7]][0][0], pixels[7])


def test_a_file_that_may_not_be_read_is_named_with_the_cure(pixel_file, monkeypatch):
    path, _ = pixel_file

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError, match=rf"^{path} cannot be read: permission denied\. Give your user"):
        MappedFile(path, 30_720)


def test_a_set_in_memory_is_pickled_with_its_pixels(pixel_file):
    _, pixels = pixel_file
    pickled = pickle.dumps(PixelDataset(pixels, torch.arange(40)))
    assert len(pickled) > pixels.nbytes
    assert torch.equal(pickle.loads(pickled).pixels, pixels)
