"""What every image data set shares: splits, loaders, and images that become floats where the trainer computes."""

import inspect
import os
from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import Any, Literal, Self

import torch
from lightning import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn, TrainerStatus
from torch import Tensor
from torch.utils.data import Sampler

from datamodules.arguments import describe_size, read_count, read_flag, read_shape
from datamodules.loader import BatchLoader
from datamodules.pixels import PixelDataset, normalize
from datamodules.report import DataCheck
from datamodules.sampler import CountedSampler, OrderedSampler

Split = Literal["train", "val", "test"]

SPLITS_OF_STAGE: dict[str | None, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("test",),
    None: ("train", "val", "test"),
}


class Derivable(ABC):  # noqa: B024 -- a subclass has abstract methods
    """Base of abstract classes: calling one of them is an error that says what to call instead."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make an object.

        Raises:
            TypeError: The class is abstract.
        """
        if inspect.isabstract(cls):
            absent = " and ".join(sorted(cls.__abstractmethods__))
            raise TypeError(
                f"{cls.__name__} is abstract: it does not define {absent}. Choose a data set, such as "
                f"ImageFolderDataModule, or define {absent} in a class of your own that is derived from it."
            )
        return super().__new__(cls)


class ImageDataModule(LightningDataModule, Derivable):
    """Base of every image data set. A subclass says where its pixels are; this class does the rest.

    A batch is `(images, labels)`: float32 (N, C, H, W) in [-1, 1] and int64 (N,). A training batch holds one
    micro-batch for each of the `n_critic` D-updates of the module that is trained. A running trainer takes uint8
    pixels from the loaders, and has the floats made on its device, see :meth:`on_after_batch_transfer`.

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
        self.image_shape = read_shape(image_shape)
        self.num_classes = read_count("num_classes", num_classes, least=0)
        self.batch_size = read_count("batch_size", batch_size)
        self.eval_batch_size = read_count("eval_batch_size", eval_batch_size)
        self.num_workers = read_count("num_workers", num_workers, least=0)
        self.flip = read_flag("flip", flip)
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
        return f"{self.name}-{describe_size(*self.image_shape[1:])}px-{digest}"

    @property
    def class_counts(self) -> list[int] | None:
        """Training images of each class, by which an evaluation draws classes; None where there are none."""
        labels = self.dataset("train").labels if self.num_classes else None
        return None if labels is None else labels.bincount(minlength=self.num_classes).tolist()

    def __str__(self) -> str:
        """The class and what models need to know of it; Lightning's would read all splits."""
        return f"{type(self).__name__}(image_shape={self.image_shape}, num_classes={self.num_classes})"

    @property
    def order(self) -> dict[str, Any]:
        """What decides which images each batch of a run holds, by name; a run that is resumed keeps it."""
        _, world_size = self._shard
        return {"data": self.fingerprint, "batch_size of all devices": self.batch_size * world_size, "flip": self.flip}

    def setup(self, stage: str | None = None) -> None:
        """Read the splits of a stage.

        Raises:
            ValueError: A split is empty, or has labels out of range.
        """
        for split in SPLITS_OF_STAGE[stage]:
            self._check_labels(split)
            if not len(self.dataset(split)) and not (stage in ("fit", None) and self.may_be_empty(split)):
                raise ValueError(f"The {split} split of {self.name} is empty. {self.how_to_fill(split)}")

    def may_be_empty(self, split: Split) -> bool:
        """Whether the arguments ask for no image in a split, so that training goes without."""
        return False

    def how_to_fill(self, split: Split) -> str:
        """What to do about an empty split, a sentence."""
        return f"Let read({split!r}) return at least one image."

    def dataset(self, split: Split) -> PixelDataset:
        """The images of a split, read on first use."""
        if split not in self._datasets:
            self._datasets[split] = self.make_dataset(split)
        return self._datasets[split]

    def make_dataset(self, split: Split) -> PixelDataset:
        """Read a split, whose images are indexed by whole batches."""
        return PixelDataset(*self.read(split))

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
            largest = len(dataset) // per_batch_size
            noun = "image" if len(dataset) == 1 else "images"
            raise ValueError(
                f"The training split of {self.name} holds {len(dataset)} {noun}, less than one batch of "
                f"{self.batch_size * per_batch_size}: batch_size {self.batch_size} x n_critic {n_critic} x "
                f"{world_size} devices. "
                + (f"Set batch_size to at most {largest}." if largest else f"Add images: {per_batch_size} or more.")
            )
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))  # set by seed_everything
        options = {"seed": seed, "start": self._batches_processed, "rank": rank, "world_size": world_size}
        return self._loader(dataset, self.make_sampler(dataset, self.batch_size * n_critic, flip=self.flip, **options))

    def make_sampler(self, dataset: PixelDataset, batch_size: int, **options: Any) -> Sampler[Any]:
        """What chooses the images of each training batch, see :class:`CountedSampler`."""
        return CountedSampler(len(dataset), batch_size, **options)

    def val_dataloader(self) -> BatchLoader:
        """Validation images in order, each once over all devices."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> BatchLoader:
        """Test images in order, each once over all devices."""
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> BatchLoader:
        """The test images."""
        return self._evaluation_loader("test")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Make floats of the uint8 pixels of a batch, on the device that it was transferred to.

        Args:
            batch: `(images, labels)`; anything but a pair whose first is uint8 is returned as it is.
            dataloader_idx: Not used.

        Returns:
            images: (N, C, H, W) in [-1, 1], float32, or what `trainer.precision` makes of that.
            labels: As they were.
        """
        match batch:
            case (Tensor(dtype=torch.uint8) as pixels, labels):
                normal = normalize((pixels, labels))
                # Lightning converts before the transfer, when there are no floats yet.
                return self.trainer.precision_plugin.convert_input(normal) if self.trainer else normal
        return batch

    def _check_labels(self, split: Split) -> None:
        labels, end = self.dataset(split).labels, max(1, self.num_classes)
        if len(labels) and not 0 <= labels.min() <= labels.max() < end:
            wrong = int(labels.min() if labels.min() < 0 else labels.max())
            raise ValueError(
                f"The {split} split of {self.name} has the label {wrong}, but labels must be from 0 to {end - 1}: "
                f"num_classes is {self.num_classes}. Correct the labels or num_classes."
            )

    def _evaluation_loader(self, split: Split) -> BatchLoader:
        dataset = self.dataset(split)
        return self._loader(dataset, OrderedSampler(len(dataset), self.eval_batch_size, *self._shard))

    def _loader(self, dataset: PixelDataset, sampler: Sampler[Any]) -> BatchLoader:
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return BatchLoader(dataset, sampler, self.num_workers, pin_memory=on_gpu, run=self._run)

    @property
    def _shard(self) -> tuple[int, int]:
        """Rank of this process and number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _run(self) -> TrainerFn | None:
        """What the trainer runs; None if it does not run."""
        if self.trainer is None or self.trainer.state.status != TrainerStatus.RUNNING:
            return None
        return self.trainer.state.fn

    def _batches_processed(self) -> int:
        """Training batches that the run has processed, over all epochs and resumptions."""
        if self.trainer is None or getattr(self.trainer, "overfit_batches", False):  # the latter: the same ones again
            return 0
        progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress
        return int(progress.total.processed)
