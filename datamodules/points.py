"""What the mixtures of Gaussians share: points in one or two dimensions in the place of images."""

import torch
from torch import Tensor

from datamodules.arguments import read_count, read_positive
from datamodules.base import ImageDataModule, Split
from datamodules.pixels import Batch, PixelDataset

SPLITS: tuple[Split, ...] = ("train", "val", "test")


class PointDataset(PixelDataset):
    """Points held as floats, because 256 levels would be coarser than a mode is wide, and indexed by whole batches.

    Args:
        pixels: (N, 1, 1, D) float32 in [-1, 1].
        labels: (N,) int64.
    """

    def __init__(self, pixels: Tensor, labels: Tensor) -> None:
        self.pixels = pixels
        self.labels = labels

    def __getitem__(self, indices: list[int]) -> Batch:
        """The points as images (len(indices), 1, 1, D) float32 in [-1, 1], and their labels (len(indices),) int64."""
        chosen = torch.tensor(indices)
        return self.pixels.index_select(0, chosen), self.labels.index_select(0, chosen)


class PointDataModule(ImageDataModule):
    """A mixture of equal Gaussians, to see in numbers which modes a GAN finds and how wide it makes them.

    A point is an image of one channel, one row and D columns, divided by `scale`, so that any GAN trains on it whose
    networks take that shape. Point k of a split belongs to mode k mod K, and is a function of `seed`, the split and
    k alone. Points are not images: there is no `flip`.

    Args:
        modes: (K, D) float, centres of the modes. The label of a point is the number of its mode.
        std: Standard deviation of a mode along each axis, above 0.
        num_train: Training points, at least 1.
        num_val: Validation points, at least 1.
        num_test: Test points, at least 1.
        seed: Of the points, at least 0; the seed of a run does not change them.
        batch_size: See :class:`ImageDataModule`.
        eval_batch_size: See :class:`ImageDataModule`.
        num_workers: See :class:`ImageDataModule`.

    Attributes:
        modes: (K, D) float64, as given.
        std: As given.
        scale: What coordinate 1 of an image stands for: the largest coordinate of a centre and 6 standard deviations.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(
        self,
        modes: Tensor,
        std: float,
        num_train: int = 100_000,
        num_val: int = 10_000,
        num_test: int = 10_000,
        seed: int = 0,
        batch_size: int = 64,
        eval_batch_size: int = 500,
        num_workers: int = 0,
    ) -> None:
        num_modes, dimensions = modes.shape
        classes = num_modes if num_modes > 1 else 0
        super().__init__((1, 1, dimensions), classes, batch_size, eval_batch_size, num_workers)
        counts: dict[Split, int] = {"train": num_train, "val": num_val, "test": num_test}
        self.counts = {split: read_count(f"num_{split}", count) for split, count in counts.items()}
        self.modes = modes.double()
        self.std = read_positive("std", std)
        self.scale = float(self.modes.abs().max()) + 6 * self.std
        self.seed = read_count("seed", seed, least=0)

    @property
    def version(self) -> str:
        """The modes, their width, the seed and the number of points of each split."""
        return f"{self.modes.tolist()} {self.std} seed {self.seed} {list(self.counts.values())}"

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        """Draw a split.

        Returns:
            images: (N, 1, 1, D) float32 in [-1, 1]: unlike pixels, they are not uint8.
            labels: (N,) int64 in [0, K).
        """
        count, (num_modes, dimensions) = self.counts[split], self.modes.shape
        generator = torch.Generator().manual_seed(3 * self.seed + SPLITS.index(split))
        # Not torch.randn, whose last numbers depend on how many are drawn. One in 500 million is clipped, to 6.
        uniform = torch.rand(count, dimensions, dtype=torch.float64, generator=generator)
        noise = torch.special.ndtri(uniform).clamp_(-6, 6)
        labels = torch.arange(count) % num_modes
        points = self.modes[labels] + self.std * noise
        return (points / self.scale).float().view(count, *self.image_shape), labels

    def make_dataset(self, split: Split) -> PointDataset:
        """Draw a split, whose points are indexed by whole batches."""
        return PointDataset(*self.read(split))

    def to_points(self, images: Tensor) -> Tensor:
        """Turn images (N, 1, 1, D) in [-1, 1], real or generated, into points (N, D) in the units of `modes`."""
        return images.flatten(1) * self.scale
