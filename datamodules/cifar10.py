"""CIFAR-10 (Krizhevsky, 2009, "Learning multiple layers of features from tiny images")."""

import hashlib
import io
import pickle
import tarfile
import tempfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets.utils import download_url

from datamodules.arguments import read_count, read_flag, read_path
from datamodules.base import ImageDataModule, Split
from datamodules.held_out import held_out
from datamodules.regular_files import is_file, read_file


class Form(NamedTuple):
    """A form in which the set is published: an archive with a folder of five training files and a test file.

    Args:
        archive: Name of the archive, a .tar.gz.
        archive_md5: Its checksum.
        folder: Name of the folder inside.
        md5s: Checksum of each file by its name; the test file comes last.
        decode: Makes records (N, 3073) uint8 of the content of a file, each a label and three planes of 32 x 32.
    """

    archive: str
    archive_md5: str
    folder: str
    md5s: dict[str, str]
    decode: Callable[[bytes], Tensor]

    def missing(self, root: Path) -> list[str]:
        """Names of the files that are not below a root."""
        return [name for name in self.md5s if not is_file(root / self.folder / name)]

    def read(self, root: Path, name: str) -> Tensor:
        """Read a file and check it.

        Returns:
            (N, 3073) uint8, see `decode`.

        Raises:
            FileNotFoundError: It is not there.
            ValueError: It is not the published file: truncated, another one, a web page in its place.
        """
        path = root / self.folder / name
        if not is_file(path):
            raise FileNotFoundError(f"{path} is missing. Copy the file there, or call prepare_data() to download it.")
        content = read_file(path)
        check_md5(path, content, self.md5s[name])
        return self.decode(content)


def decode_binary(content: bytes) -> Tensor:
    """The records of a file of the binary form, see :class:`Form`, which are all that it holds."""
    return torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 3073)


class ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and Python's own containers, and calls nothing else: a pickle may name any function."""

    def find_class(self, module: str, name: str) -> Any:
        """Find the three names that an array is pickled with.

        Raises:
            pickle.UnpicklingError: The pickle names something else.
        """
        reconstruct = np.empty(0).__reduce__()[0]
        allowed = {
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
            "numpy.core.multiarray._reconstruct": reconstruct,
        }
        if f"{module}.{name}" not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of images.")
        return allowed[f"{module}.{name}"]


def decode_python(content: bytes) -> Tensor:
    """The records of a file of the Python form, see :class:`Form`: a pickle of pixels and labels."""
    entry = ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    labels = np.asarray(entry["labels"], dtype=np.uint8)
    return torch.from_numpy(np.concatenate([labels[:, None], entry["data"]], axis=1))


BINARY = Form(
    "cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-10-batches-bin",
    {
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
    decode_binary,
)
PYTHON = Form(
    "cifar-10-python.tar.gz",
    "c58f30108f718f92721af3b95e74349a",
    "cifar-10-batches-py",
    {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    decode_python,
)
URL = "https://www.cs.toronto.edu/~kriz/"


class CIFAR10DataModule(ImageDataModule):
    """CIFAR-10: 45,000 training, 5,000 validation and 10,000 test images of 32 x 32 in ten classes.

    The files are read from `root/cifar-10-batches-bin`, or else from torchvision's `root/cifar-10-batches-py`, which
    holds the same images, and checked against their published checksums. An archive of either that lies in root is
    unpacked; where there is none, the binary one is downloaded.

    Args:
        root: Folder of the folder of the files, or of an archive; made if absent.
        val_size: Validation images held out of the 50,000 training images by a fixed permutation, in [1, 50000).
        download: Whether files that are not there are downloaded; if not, they are an error.
        **kwargs: See :class:`ImageDataModule`.

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> data = CIFAR10DataModule(batch_size=128)
        >>> data.image_shape, data.num_classes
        ((3, 32, 32), 10)
    """

    name = "cifar10"

    def __init__(self, root: str = "data", val_size: int = 5_000, download: bool = True, **kwargs: Any) -> None:
        super().__init__(image_shape=(3, 32, 32), num_classes=10, **kwargs)
        self.root = read_path("root", root)
        self.val_size = read_count("val_size", val_size, most=49_999)
        self.download = read_flag("download", download)

    @property
    def version(self) -> str:
        """Checksums of the files, the same for both forms, and the size of the validation split."""
        return f"{list(BINARY.md5s.values())} permuted val {self.val_size}"

    @property
    def form(self) -> Form:
        """The form of which fewer files are missing in root; the binary one if it is the same number."""
        return min(BINARY, PYTHON, key=lambda form: len(form.missing(self.root)))

    @property
    def folder(self) -> Path:
        """Folder of the files."""
        return self.root / self.form.folder

    def prepare_data(self) -> None:
        """Unpack an archive, or download one, where files are missing.

        Raises:
            FileNotFoundError: Files and archives are missing, and `download` is off.
            ValueError: An archive is not the published one.
            ConnectionError: The download failed; nothing is left of it.
        """
        missing = self.form.missing(self.root)
        if not missing:
            return
        for form in (BINARY, PYTHON):
            if is_file(self.root / form.archive):
                unpack(self.root / form.archive, form, self.root)
                return
        if not self.download:
            raise FileNotFoundError(
                f"{self.folder} lacks {', '.join(missing)}. Copy {BINARY.archive} or {PYTHON.archive} to {self.root}, "
                "or set root to the folder that holds one, or set download to true."
            )
        download(self.root)

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        """Read a split, see :class:`ImageDataModule`."""
        form = self.form
        *train, test = form.md5s
        records = torch.cat([form.read(self.root, name) for name in ([test] if split == "test" else train)])
        if split != "test":
            in_val = held_out(len(records), self.val_size)
            records = records[in_val if split == "val" else ~in_val]
        return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()


def download(root: Path) -> None:
    """Download the archive of the binary form and unpack it; each file appears whole or not at all.

    Raises:
        ConnectionError: The download failed; nothing is left of it.
    """
    existing = next(place for place in (root.absolute(), *root.absolute().parents) if place.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".cifar10-", dir=existing) as partial:  # on the same disk
            download_url(URL + BINARY.archive, partial, md5=BINARY.archive_md5)
            unpack(Path(partial) / BINARY.archive, BINARY, root)
    except (OSError, RuntimeError, HTTPException) as error:
        raise ConnectionError(
            f"CIFAR-10 could not be downloaded to {root}: {error}\nConnect to the network, or copy {BINARY.archive} or "
            f"{PYTHON.archive} there, or set root to the folder that holds one."
        ) from error


def unpack(archive: Path, form: Form, root: Path) -> None:
    """Unpack the files that are missing; each appears whole or not at all.

    Raises:
        ValueError: The archive is not the published one.
    """
    check_md5(archive, read_file(archive), form.archive_md5)
    (root / form.folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".cifar10-", dir=root) as partial, tarfile.open(archive) as tar:
        tar.extractall(partial, filter="data")
        for name in form.missing(root):
            (Path(partial) / form.folder / name).replace(root / form.folder / name)


def check_md5(path: Path, content: bytes, md5: str) -> None:
    """Compare the content of a file with its published checksum.

    Raises:
        ValueError: They differ.
    """
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        page = f", a web page ({content.lstrip()[:40]!r} ...)" if content.lstrip()[:1] == b"<" else ""
        raise ValueError(
            f"{path} holds {len(content):,} bytes with md5 {found}{page}, but should be the published "
            f"{path.name} with md5 {md5}. Move the file away and run again to download it, or copy the published "
            "file there."
        )
