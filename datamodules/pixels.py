"""Images as uint8 pixels, indexed by whole batches, and the one place where they become floats in [-1, 1]."""

import mmap
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.regular_files import permitted

Batch = tuple[Tensor, Tensor]


class PixelDataset(Dataset[Batch]):
    """Images held as uint8 and indexed by whole batches: no per-image transform, no collation.

    Args:
        pixels: (N, C, H, W) uint8 in [0, 255].
        labels: (N,) int64.

    Raises:
        ValueError: The tensors are not of these types and shapes, or their counts differ.
    """

    def __init__(self, pixels: Tensor, labels: Tensor) -> None:
        if pixels.dtype != torch.uint8 or pixels.ndim != 4:
            raise ValueError(f"pixels must be uint8 (N, C, H, W), not {pixels.dtype} {tuple(pixels.shape)}.")
        if labels.dtype != torch.int64 or labels.shape != pixels.shape[:1]:
            raise ValueError(
                f"labels must be int64 ({len(pixels)},), one an image, not {labels.dtype} {tuple(labels.shape)}."
            )
        self.pixels = pixels
        self.labels = labels

    def __len__(self) -> int:
        """Number of images."""
        return len(self.pixels)

    def __getitem__(self, indices: list[int]) -> Batch:
        """The batch of these images, see :func:`normalize`.

        Args:
            indices: Each in [0, 2 * len(self)): the second half are the images of the first, mirrored left to right.

        Returns:
            pixels: (len(indices), C, H, W) uint8 in [0, 255].
            labels: (len(indices),) int64.
        """
        numbers = np.array(indices)
        chosen = numbers % len(self)
        pixels, labels = (torch.from_numpy(values.numpy().take(chosen, 0)) for values in (self.pixels, self.labels))
        if max(indices) >= len(self):
            position = np.arange(len(numbers)) + len(numbers) * (numbers >= len(self))
            pixels = torch.cat([pixels, pixels.flip(-1)]).index_select(0, torch.from_numpy(position))
        return pixels, labels


class MappedDataset(PixelDataset):
    """Images that follow each other in a file, memory-mapped: `pixels` take no memory and are not to be written to.

    It is pickled as the path of the file, so that a process that it is sent to maps the same file.

    Args:
        path: File of nothing but the pixels of images, one image after the other.
        shape: (N, C, H, W) of all images in the file.
        first: Position in the file of the first image that is taken.
        labels: int64, of it and those that follow: one for each image that is taken.

    Raises:
        FileNotFoundError: There is no such file, or no longer.
        ValueError: The file is not of the size that `shape` asks for.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int], first: int, labels: Tensor) -> None:
        self.path = path.absolute()  # the other process may stand in another folder
        self.shape = shape
        self.first = first
        self.mapped = MappedFile(self.path, torch.Size(shape).numel())
        super().__init__(self.mapped.tensor.view(shape)[first : first + len(labels)], labels)

    def __getitem__(self, indices: list[int]) -> Batch:
        """The batch of these images, see :class:`PixelDataset`.

        Raises:
            ValueError: The size of the file has changed since it was mapped.
        """
        self.mapped.check()
        return super().__getitem__(indices)

    def __reduce__(self) -> tuple[type["MappedDataset"], tuple[Path, tuple[int, int, int, int], int, Tensor]]:
        """Map the file again."""
        return MappedDataset, (self.path, self.shape, self.first, self.labels)


class MappedFile:
    """A file that is memory-mapped, and is checked: reading beyond the end of one that was cut would end the process.

    Args:
        path: The file.
        size: Bytes that it must hold.

    Attributes:
        tensor: (size,) uint8. Writing to it ends the process.

    Raises:
        FileNotFoundError: There is no such file, or no longer.
        ValueError: It is not of this size.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        try:
            with permitted(path), path.open("rb") as file:
                self._check(os.fstat(file.fileno()).st_size)
                self.mapping = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{path} is not there any more. Start again: it is built anew.") from error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the tensor must not be written to
            self.tensor = torch.frombuffer(self.mapping, dtype=torch.uint8)

    def check(self) -> None:
        """Check that the file, which may have been deleted by now, still has its size.

        Raises:
            ValueError: It has another.
        """
        self._check(self.mapping.size())

    def _check(self, found: int) -> None:
        if found != self.size:
            raise ValueError(
                f"{self.path} has {found:,} bytes, but must have {self.size:,}: it was "
                f"{'cut' if found < self.size else 'added to'} after it was made. Delete the folder {self.path.parent} "
                "and start again: it is built anew."
            )


def normalize(batch: Batch) -> Batch:
    """Turn the uint8 pixels of a batch into floats, on their device.

    Args:
        batch: Images (N, C, H, W), uint8 in [0, 255], and labels, which may be such images, too.

    Returns:
        The images, float32 in [-1, 1], and the labels. What is not uint8 is returned as it is.
    """
    if all(values.dtype != torch.uint8 for values in batch):
        return batch
    images, labels = (
        values.float().sub_(127.5).mul_(1 / 127.5) if values.dtype == torch.uint8 else values  # -1 and 1 to the bit
        for values in batch
    )
    return images, labels
