import errno
import os

import pytest

from datamodules.cifar10 import CIFAR10DataModule
from datamodules.mnist import MNISTDataModule
from datamodules.regular_files import is_file

CURE = "cannot be read: permission denied. Give your user the permission, for example with chmod u+rX, or move it away."


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A folder in which no file may be looked at; root may look at all."""
    look = os.stat

    def refuse(path, *args, **kwargs):
        if str(path).startswith(f"{tmp_path}/locked/"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refuse)
    return tmp_path / "locked"


def test_regular_files_and_links_to_them_are_files(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("absent")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    found = [path.name for path in tmp_path.iterdir() if is_file(path)]
    assert sorted(found) == ["file", "link"]


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        (MNISTDataModule, "MNIST/raw/train-images-idx3-ubyte"),
        (CIFAR10DataModule, "cifar-10-batches-bin/data_batch_1.bin"),
    ],
)
def test_published_files_that_may_not_be_looked_at_are_named_with_the_cure(locked, kind, first):
    for call in (lambda data: data.prepare_data(), lambda data: data.read("train")):
        with pytest.raises(PermissionError) as raised:
            call(kind(root=str(locked), download=False))
        assert str(raised.value) == f"{locked}/{first} {CURE}"
