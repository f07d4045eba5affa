"""Stacked MNIST (Metz et al., 2016, arXiv:1611.02163, section 3.3.1): 1,000 modes, to count those that a GAN finds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules.arguments import read_count
from datamodules.base import ImageDataModule, Split
from datamodules.mnist import DigitDataModule, MNISTDataModule, MNISTSampleDataModule, read_digit_size
from datamodules.pixels import Batch, PixelDataset
from datamodules.report import DataCheck

SEEDS: dict[Split, int] = {"train": 0, "val": 1, "test": 2}
"""Of the triples; no seed of a run changes them."""


class StackedDataset(PixelDataset):
    """Digits, three at a time: the channels of an image. Images are made batch by batch, never all.

    `pixels` and `labels` are those of the single digits.

    Args:
        digits: The single digits.
        triples: (N, 3) int64, which digits are the channels of each image.
    """

    def __init__(self, digits: PixelDataset, triples: Tensor) -> None:
        super().__init__(digits.pixels, digits.labels)
        self.digits = digits
        self.triples = triples

    def __len__(self) -> int:
        """Number of images."""
        return len(self.triples)

    def __getitem__(self, indices: list[int]) -> Batch:
        """The batch of these images, see :func:`normalize`.

        Args:
            indices: Each in [0, 2 * len(self)): the second half are the images of the first, mirrored left to right.

        Returns:
            pixels: (len(indices), 3, H, W) uint8 in [0, 255].
            labels: (len(indices),) int64, 100 a + 10 b + c for the digits a, b, c of the channels.
        """
        numbers = torch.tensor(indices)
        mirrored = numbers >= len(self)
        triples = self.triples[numbers % len(self)] + len(self.digits) * mirrored.view(-1, 1)
        digits, labels = self.digits[triples.flatten().tolist()]
        return digits.view(-1, 3, *digits.shape[2:]), labels.view(-1, 3) @ torch.tensor([100, 10, 1])


class StackedMNISTDataModule(ImageDataModule):
    """Three random digits of MNIST as red, green and blue, in 1,000 classes of about as many images.

    Image k of a split is a function of the split and k alone. Splits share no digit: training images are made of
    MNIST's training digits, validation images of those held out, test images of the test digits.

    Args:
        root: Root of MNIST, see :class:`MNISTDataModule`; null for the sample of it that comes with the package.
        image_size: 28, or 32 for a black border of two pixels.
        num_train: Training images, at least 1; 128,000 is what the literature takes.
        num_val: Validation images, at least 1.
        num_test: Test images, at least 1.
        download: Whether files of MNIST that are not there are downloaded; if not, they are an error.
        **kwargs: See :class:`ImageDataModule`.

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> data = StackedMNISTDataModule(root=None, batch_size=16)
        >>> images, labels = next(iter(data.train_dataloader()))
        >>> images.shape, data.num_classes
        (torch.Size([16, 3, 28, 28]), 1000)
    """

    name = "stacked_mnist"

    def __init__(
        self,
        root: str | None = "data",
        image_size: int = 28,
        num_train: int = 128_000,
        num_val: int = 10_000,
        num_test: int = 26_000,
        download: bool = True,
        **kwargs: Any,
    ) -> None:
        side = read_digit_size(image_size)
        super().__init__(image_shape=(3, side, side), num_classes=1000, **kwargs)
        counts: dict[Split, int] = {"train": num_train, "val": num_val, "test": num_test}
        self.counts = {split: read_count(f"num_{split}", count) for split, count in counts.items()}
        self.digits: DigitDataModule = (
            MNISTSampleDataModule(side) if root is None else MNISTDataModule(root, side, download=download)
        )

    @property
    def version(self) -> str:
        """That of the digits, and the number of images of each split."""
        return f"{self.digits.name} {self.digits.version} stacked {list(self.counts.values())}"

    @property
    def folder(self) -> Path | None:
        """Folder of MNIST's files; None for the sample."""
        return self.digits.folder if isinstance(self.digits, MNISTDataModule) else None

    def prepare_data(self) -> None:
        """Download the digits that are not there, see :meth:`MNISTDataModule.prepare_data`."""
        self.digits.prepare_data()

    def check(self, deep: bool = False) -> DataCheck:
        """Look at the files of the digits, see :meth:`ImageDataModule.check`."""
        return replace(self.digits.check(deep), name=self.name)

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        """Read the single digits of a split, see :class:`ImageDataModule`."""
        return self.digits.read(split)

    def make_dataset(self, split: Split) -> StackedDataset:
        """Read the digits of a split and draw which three make each image."""
        digits = PixelDataset(*self.read(split))
        # Row k consumes the numbers 3k to 3k + 2 of the stream, so that it does not depend on how many rows follow.
        generator = torch.Generator().manual_seed(SEEDS[split])
        triples = torch.randint(len(digits), (self.counts[split], 3), generator=generator)
        return StackedDataset(digits, triples)
