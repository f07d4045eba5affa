import gzip

import pytest
import torch

FILE = "train-images-idx3-ubyte"
HTML = b"<!DOCTYPE html><html><body>403 Forbidden</body></html>"


@pytest.fixture
def images(drawn_mnist):
    from datamodules.mnist import FILES

    return FILES["train"][0], drawn_mnist / "MNIST" / "raw"


def idx(shape, fill=0):
    """An IDX file of another origin."""
    words = (0x800 + len(shape), *shape)
    return b"".join(word.to_bytes(4, "big") for word in words) + bytes([fill]) * torch.Size(shape).numel()


def test_header_and_size_are_those_of_the_published_file(shared_mnist):
    from pathlib import Path

    from datamodules.mnist import FILES

    for pair in FILES.values():
        for file in pair:
            content = (Path(shared_mnist) / "MNIST" / "raw" / file.name).read_bytes()
            assert content.startswith(file.header)
            assert len(content) == file.size


def test_bytes_stand_in_row_order(images):
    file, folder = images
    pixels = file.read(folder)
    content = (folder / FILE).read_bytes()
    assert pixels.shape == (60, 28, 28)
    assert pixels[0, 0, 1] == content[17]
    assert pixels[2, 3, 4] == content[16 + 2 * 784 + 3 * 28 + 4]


def test_gzip_is_read_as_the_file_itself(images):
    file, folder = images
    plain = file.read(folder)
    (folder / f"{FILE}.gz").write_bytes(gzip.compress((folder / FILE).read_bytes()))
    (folder / FILE).unlink()
    assert torch.equal(file.read(folder), plain)


def test_missing_file_is_named(images):
    file, folder = images
    (folder / FILE).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{FILE} is missing.*prepare_data"):
        file.read(folder)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (HTML, "a web page"),
        (b"", "0 bytes that are no IDX file"),
        (b"\x89PNG and more", "no IDX file"),
        (idx((60, 28, 28))[:3], "3 bytes that are no IDX file"),
        (idx((60, 28, 28))[:5000], r"5,000 bytes \(truncated\)"),
        (idx((60, 28, 28)) + b"x", r"47,057 bytes \(too long\)"),
        (idx((10, 28, 28)), r"an IDX file of shape \(10, 28, 28\)"),
        (idx((60,)), r"an IDX file of shape \(60,\)"),
        (idx((60, 28, 28), fill=7), "other content of the same size"),
    ],
    ids=["web page", "empty", "png", "three bytes", "truncated", "too long", "other count", "labels", "other pixels"],
)
def test_another_content_is_named_and_left_alone(images, content, found):
    file, folder = images
    (folder / FILE).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{FILE} holds .*{found}.*47,056 bytes.*{file.md5}.*Move the file away"):
        file.read(folder)
    assert (folder / FILE).read_bytes() == content


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (HTML, "a web page"),
        (gzip.compress(idx((60, 28, 28), fill=3))[:60], "a damaged gzip archive of 60 bytes"),
        (gzip.compress(idx((10, 28, 28))), r"an IDX file of shape \(10, 28, 28\)"),
    ],
    ids=["web page", "truncated", "other count"],
)
def test_another_content_of_a_gzip_is_named(images, content, found):
    file, folder = images
    (folder / FILE).unlink()
    (folder / f"{FILE}.gz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"{FILE}\.gz holds {found}"):
        file.read(folder)
