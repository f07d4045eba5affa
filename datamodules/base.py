"""What every image data set shares: batches indexed from uint8 pixels, the value range, splits and loaders."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from datamodules.checks import DataCheck
from datamodules.sampler import CountedSampler, OrderedSampler

Split = Literal["train", "val", "test"]
Batch = tuple[Tensor, Tensor]

SPLITS_OF_STAGE: dict[str | None, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("test",),
    None: ("train", "val", "test"),
}


class PixelDataset(Dataset[Batch]):
    """Images held as uint8 and indexed by whole batches: no per-image transform, no collation.

    Args:
        pixels: (N, C, H, W) uint8 in [0, 255]; it may be memory-mapped.
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
        """The finished batch of these images.

        Args:
            indices: Each in [0, 2 * len(self)): the second half are the images of the first, mirrored left to right.

        Returns:
            images: (len(indices), C, H, W) float32 in [-1, 1].
            labels: (len(indices),) int64.
        """
        numbers = np.array(indices)
        chosen = numbers % len(self)
        pixels, labels = (torch.from_numpy(values.numpy().take(chosen, 0)) for values in (self.pixels, self.labels))
        if max(indices) >= len(self):
            position = np.arange(len(numbers)) + len(numbers) * (numbers >= len(self))
            pixels = torch.cat([pixels, pixels.flip(-1)]).index_select(0, torch.from_numpy(position))
        return pixels.float().sub_(127.5).mul_(1 / 127.5), labels  # 0 and 255 become -1 and 1 to the bit


class BatchLoader:
    """Loader of finished batches that Lightning takes exactly as it is.

    It holds a `DataLoader` and is none: Lightning would replace the sampler of one (for several processes, for
    `overfit_batches`) and advise more workers, which slow an in-memory set down. It has `state_dict` because
    Lightning asks that of a loader that may be resumed in the middle of an epoch; the state is empty, for the
    sampler counts.

    Args:
        dataset: Indexed by the lists that the sampler yields.
        sampler: Yields one list of indices a batch.
        num_workers: Worker processes, at least 0.
    """

    def __init__(self, dataset: PixelDataset, sampler: Sampler[list[int]], num_workers: int = 0) -> None:
        self.dataset = dataset
        self.loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_size=None,
            sampler=sampler,
            collate_fn=tuple,  # the default would turn the pair into a list
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        """Yields `(images, labels)`, see :class:`PixelDataset`."""
        if self.loader.num_workers or self.loader.pin_memory:
            return iter(self.loader)
        return map(self.dataset.__getitem__, self.loader.sampler)  # spares a quarter of the time for small images

    @property
    def _iterator(self) -> Any:
        """Holds the worker processes; under this name Lightning looks for it, to end them after a run."""
        return self.loader._iterator

    @_iterator.setter
    def _iterator(self, iterator: None) -> None:
        self.loader._iterator = iterator

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Does nothing."""


class ImageDataModule(LightningDataModule, ABC):
    """Base of every image data set. A subclass says where its pixels are; this class does the rest.

    A batch is `(images, labels)`: float32 (N, C, H, W) in [-1, 1] and int64 (N,). A training batch holds one
    micro-batch for each of the `n_critic` D-updates of the module that is trained.

    Args:
        image_shape: (C, H, W), each at least 1.
        num_classes: Number of classes, 0 where there are no labels.
        batch_size: Real images a D-update on each device, at least 1.
        eval_batch_size: Most images a batch of validation, test and prediction on each device, at least 1.
        num_workers: Worker processes a loader, at least 0. More than 0 hardly pays for pixels that are in memory or
            memory-mapped.
        flip: Mirror each training image left to right with probability 1/2, drawn anew in each epoch.

    Raises:
        ValueError: A number is out of its range.
    """

    name: str = ""
    """Name of the data set, lower case, usable in a file name."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        batch_size: int = 64,
        eval_batch_size: int = 500,
        num_workers: int = 0,
        flip: bool = False,
    ) -> None:
        super().__init__()
        at_least = {"batch_size": (batch_size, 1), "eval_batch_size": (eval_batch_size, 1)}
        for argument, (value, least) in {**at_least, "num_workers": (num_workers, 0)}.items():
            if value < least:
                raise ValueError(f"{argument} is {value}, but must be at least {least}.")
        self.image_shape = image_shape
        self.num_classes = num_classes
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.num_workers = num_workers
        self.flip = flip
        self._datasets: dict[Split, PixelDataset] = {}

    @abstractmethod
    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        """Read a split, which shares no image with another.

        Returns:
            pixels: (N, C, H, W) uint8 in [0, 255], of `image_shape`.
            labels: (N,) int64 in [0, num_classes), zeros where there are no labels.
        """

    @property
    @abstractmethod
    def version(self) -> str:
        """All that decides the pixels of each split besides `image_shape`, known without reading them.

        For example checksums of the files, the crop, the rule that splits.
        """

    @property
    def fingerprint(self) -> str:
        """Names the data set, its size and its version: a cache key, together with the split."""
        digest = blake2b(f"{self.image_shape} {self.version}".encode(), digest_size=4).hexdigest()
        return f"{self.name}-{self.image_shape[-1]}px-{digest}"

    def setup(self, stage: str | None = None) -> None:
        """Read the splits of a stage."""
        for split in SPLITS_OF_STAGE[stage]:
            self.dataset(split)

    def dataset(self, split: Split) -> PixelDataset:
        """The images of a split, read on first use."""
        if split not in self._datasets:
            self._datasets[split] = PixelDataset(*self.read(split))
        return self._datasets[split]

    def check(self, deep: bool = False) -> DataCheck:
        """Look at the files without changing any: what is there, what is missing, what is damaged.

        Args:
            deep: Decode every image, where images are files of their own. Otherwise each split is read.
        """
        present, missing, damaged = [], [], []
        for split in SPLITS_OF_STAGE[None]:
            try:
                pixels, _ = self.read(split)
            except FileNotFoundError as error:
                missing.append(str(error))
            except (OSError, ValueError) as error:
                damaged.append(str(error))
            else:
                present.append(f"{split}: {len(pixels):,} images of {tuple(pixels.shape[1:])}")
        return DataCheck(self.name, tuple(present), tuple(dict.fromkeys(missing)), tuple(dict.fromkeys(damaged)))

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of `batch_size * n_critic` images on each device, see :class:`CountedSampler`.

        Raises:
            ValueError: The training split holds less than one batch for all devices.
        """
        dataset = self.dataset("train")
        n_critic = getattr(self.trainer.lightning_module, "n_critic", 1) if self.trainer else 1
        rank, world_size = self._shard
        per_batch_size = n_critic * world_size
        if len(dataset) < self.batch_size * per_batch_size:
            raise ValueError(
                f"The training split of {self.name} holds {len(dataset)} images, less than one batch of "
                f"{self.batch_size * per_batch_size}: batch_size {self.batch_size} x n_critic {n_critic} x "
                f"{world_size} devices. Set batch_size to at most {len(dataset) // per_batch_size}."
            )
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))  # set by seed_everything
        sampler = CountedSampler(
            len(dataset),
            self.batch_size * n_critic,
            seed=seed,
            start=self._batches_processed,
            rank=rank,
            world_size=world_size,
            flip=self.flip,
        )
        return BatchLoader(dataset, sampler, self.num_workers)

    def val_dataloader(self) -> BatchLoader:
        """Validation images in order, each once over all devices."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> BatchLoader:
        """Test images in order, each once over all devices."""
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> BatchLoader:
        """The test images."""
        return self._evaluation_loader("test")

    def _evaluation_loader(self, split: Split) -> BatchLoader:
        dataset = self.dataset(split)
        return BatchLoader(dataset, OrderedSampler(len(dataset), self.eval_batch_size, *self._shard), self.num_workers)

    @property
    def _shard(self) -> tuple[int, int]:
        """Rank of this process and number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _batches_processed(self) -> int:
        """Training batches that the run has processed, over all epochs and resumptions."""
        if self.trainer is None or getattr(self.trainer, "overfit_batches", False):  # the latter: the same ones again
            return 0
        progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress
        return int(progress.total.processed)
