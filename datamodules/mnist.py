"""MNIST (LeCun, Cortes and Burges, 1998): the full set, and the sample that comes with the package."""

import hashlib
import tempfile
from abc import abstractmethod
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import torchvision
from torch import Tensor
from torch.nn import functional as F

from datamodules.arguments import as_integer, read_count, read_flag, read_path
from datamodules.base import ImageDataModule, Split
from datamodules.formats import open_image
from datamodules.held_out import held_out
from datamodules.idx import IdxFile
from datamodules.regular_files import read_file

Source = Literal["train", "test"]


class Sheet(NamedTuple):
    """A square contact sheet of digits: row by row, ordered by class, as many of each."""

    name: str
    side: int
    md5: str


FILES: dict[Source, tuple[IdxFile, IdxFile]] = {
    "train": (
        IdxFile("train-images-idx3-ubyte", (60_000, 28, 28), "6bbc9ace898e44ae57da46a324031adb"),
        IdxFile("train-labels-idx1-ubyte", (60_000,), "a25bea736e30d166cdddb491f175f624"),
    ),
    "test": (
        IdxFile("t10k-images-idx3-ubyte", (10_000, 28, 28), "2646ac647ad5339dbf082846283269ea"),
        IdxFile("t10k-labels-idx1-ubyte", (10_000,), "27ae3e4e09519cfbb04c329615203637"),
    ),
}

SAMPLE_FOLDER = Path(__file__).parent / "mnist_sample"
SHEETS: dict[Source, Sheet] = {
    "train": Sheet("train.png", 100, "86fa759d4ecbfd9c4405bc5f9e7d304d"),
    "test": Sheet("test.png", 50, "cf690cdea0eb19a62055c66c564abe61"),
}


class DigitDataModule(ImageDataModule):
    """What MNIST, its sample and its relatives share: size, black border, validation split.

    The validation split is `val_size` training images by a fixed permutation, which is not the seed of the run. Not
    every twelfth image: MNIST's two sources alternate in its file, and its even and its odd images differ by as much
    as 29 in `fid_mnist`, where two random halves differ by 1.

    Args:
        train_size: Number of training images, validation included.
        image_size: 28, or 32 for a black border of two pixels, so that the central 28 x 28 are the digit's own.
        val_size: Validation images held out of the training images, in [1, train_size).
        **kwargs: See :class:`ImageDataModule`.

    Raises:
        ValueError: A number is out of its range.
    """

    title: str = "MNIST"
    """Name of the published set, for messages."""

    def __init__(self, train_size: int, image_size: int, val_size: int, **kwargs: Any) -> None:
        side = read_digit_size(image_size, self.title)
        super().__init__(image_shape=(1, side, side), num_classes=10, **kwargs)
        self.val_size = read_count("val_size", val_size, most=train_size - 1)

    @abstractmethod
    def read_digits(self, source: Source) -> tuple[Tensor, Tensor]:
        """Read the published training or test images.

        Returns:
            (N, 28, 28) uint8 pixels and (N,) uint8 labels.
        """

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        """Read a split, see :class:`ImageDataModule`."""
        pixels, labels = self.read_digits("test" if split == "test" else "train")
        if split != "test":
            in_val = held_out(len(labels), self.val_size)
            chosen = in_val if split == "val" else ~in_val
            pixels, labels = pixels[chosen], labels[chosen]
        border = (self.image_shape[-1] - 28) // 2
        return F.pad(pixels, [border] * 4).unsqueeze(1), labels.long()


class MNISTDataModule(DigitDataModule):
    """The full MNIST: 55,000 training, 5,000 validation and 10,000 test images.

    The four files are read from `root/MNIST/raw`, uncompressed or as .gz, and checked against their published
    checksums; those that are not there are downloaded.

    Args:
        root: Folder as `torchvision.datasets.MNIST` lays it out; made if absent.
        image_size: 28, or 32 for a black border of two pixels.
        val_size: Validation images held out of the 60,000 training images, in [1, 60000).
        download: Whether files that are not there are downloaded; if not, they are an error.
        **kwargs: See :class:`ImageDataModule`.

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> data = MNISTDataModule(root="../shared/data", batch_size=128)
        >>> data.image_shape, data.num_classes
        ((1, 28, 28), 10)
    """

    name = "mnist"
    downloader: type[torchvision.datasets.MNIST] = torchvision.datasets.MNIST
    """Knows where the files are published; the folder is named after it."""

    def __init__(
        self, root: str = "data", image_size: int = 28, val_size: int = 5_000, download: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(self.files["train"][0].shape[0], image_size, val_size, **kwargs)
        self.folder = read_path("root", root) / self.downloader.__name__ / "raw"
        self.download = read_flag("download", download)

    @property
    def files(self) -> dict[Source, tuple[IdxFile, IdxFile]]:
        """The published files of images and of labels."""
        return FILES

    @property
    def version(self) -> str:
        """Checksums of the files, and the size of the validation split."""
        return f"{[file.md5 for pair in self.files.values() for file in pair]} permuted val {self.val_size}"

    def prepare_data(self) -> None:
        """Download the files that are not there.

        Raises:
            FileNotFoundError: Files are not there and `download` is off.
            ConnectionError: The download failed; nothing is left of it.
        """
        missing = [file for pair in self.files.values() for file in pair if not file.find(self.folder)]
        if not missing:
            return
        if not self.download:
            raise FileNotFoundError(
                f"{self.folder} lacks {', '.join(file.name for file in missing)}. Copy them there (uncompressed or "
                ".gz), or set root to the folder that holds them, or set download to true."
            )
        download(self.folder, missing, self.downloader)

    def read_digits(self, source: Source) -> tuple[Tensor, Tensor]:
        """Read a file of images and its file of labels, see :meth:`IdxFile.read`."""
        images, labels = self.files[source]
        return images.read(self.folder), labels.read(self.folder)


class MNISTSampleDataModule(DigitDataModule):
    """A balanced sample of MNIST that needs no download: 9,000 training, 1,000 validation, 2,500 test images.

    Args:
        image_size: 28, or 32 for a black border of two pixels.
        val_size: Validation images held out of the 10,000 training images, in [1, 10000).
        **kwargs: See :class:`ImageDataModule`.

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> images, labels = next(iter(MNISTSampleDataModule(batch_size=16).train_dataloader()))
        >>> images.shape, labels.shape
        (torch.Size([16, 1, 28, 28]), torch.Size([16]))
    """

    name = "mnist_sample"

    def __init__(self, image_size: int = 28, val_size: int = 1_000, **kwargs: Any) -> None:
        super().__init__(SHEETS["train"].side ** 2, image_size, val_size, **kwargs)

    @property
    def version(self) -> str:
        """Checksums of the sheets, and the size of the validation split."""
        return f"{[sheet.md5 for sheet in SHEETS.values()]} permuted val {self.val_size}"

    def read_digits(self, source: Source) -> tuple[Tensor, Tensor]:
        """Read a contact sheet; the labels follow from the order, see :func:`read_sheet`."""
        pixels = read_sheet(SAMPLE_FOLDER, SHEETS[source])
        return pixels, torch.arange(10, dtype=torch.uint8).repeat_interleave(len(pixels) // 10)


def read_digit_size(image_size: Any, title: str = "MNIST") -> int:
    """Check the size of the digits of a published set.

    Raises:
        ValueError: It is neither 28 nor 32.
    """
    side = as_integer(image_size)
    if side not in (28, 32):
        raise ValueError(f"image_size is {image_size!r}, but {title} is made in 28 or 32 (with a black border).")
    return side


def download(folder: Path, files: list[IdxFile], downloader: type[torchvision.datasets.MNIST]) -> None:
    """Download files with torchvision; each appears in the folder whole or not at all.

    Raises:
        ConnectionError: The download failed; nothing is left of it.
    """
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".mnist-", dir=existing) as partial:  # on the same disk
            source = Path(downloader(partial, download=True).raw_folder)
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                (source / file.name).replace(folder / file.name)
    except (OSError, RuntimeError, HTTPException) as error:
        names = ", ".join(file.name for file in files)
        raise ConnectionError(
            f"{downloader.__name__} could not be downloaded to {folder}, which lacks {names}: {error}\n"
            "Connect to the network, or copy the files there (uncompressed or .gz), or set root to "
            "the folder that holds them. MNISTSampleDataModule needs no download."
        ) from error


def read_sheet(folder: Path, sheet: Sheet) -> Tensor:
    """Read a contact sheet and check it.

    Returns:
        (side * side, 28, 28) uint8, class by class.

    Raises:
        FileNotFoundError: The sheet is not in the folder.
        ValueError: The sheet is not the one that belongs to this version of the package.
    """
    path = folder / sheet.name
    if not path.is_file():
        raise FileNotFoundError(f"{path}, a part of this package, is missing. Install the package again.")
    content = read_file(path)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != sheet.md5:
        raise ValueError(
            f"{path}, a part of this package, holds {len(content):,} bytes with md5 {md5}, but should have "
            f"{sheet.md5}. Install the package again."
        )
    with open_image(content) as image:
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.view(sheet.side, 28, sheet.side, 28).transpose(1, 2).reshape(-1, 28, 28)
