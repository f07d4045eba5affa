"""Images of a set that is larger than a disk, in shards that LitData streams from a folder or a store."""

import os
import shutil
import tempfile
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from datamodules.arguments import read_count, read_path
from datamodules.base import SPLITS_OF_STAGE, ImageDataModule, Split
from datamodules.decode import decode_all
from datamodules.image_files import SPLITS, ImageFilesDataModule
from datamodules.report import DataCheck
from datamodules.shards import CountedStream, Stream, import_litdata, store_explained

SHARD_BYTES = "64MB"


class StreamingImageDataModule(ImageDataModule):
    """Images in shards of LitData, https://github.com/Lightning-AI/litData, of which only a few are at hand at a time.

    Training images are streamed. LitData shuffles them, of which it knows the seed of the run, and shares them among
    processes and workers. A run that is resumed, in the middle of an epoch, too, goes on with the very batches that it
    would have had; the numbers of processes and workers must stay. Unlike those of the other data sets, batches depend
    on these numbers. Validation and test images are read into memory, the first ``eval_size`` of each.

    Needs the extra ``streaming``.

    Args:
        root: Folder, or address such as s3://bucket/folder, that holds the shards of each split in "train", "val" and
            "test".
        image_shape: (C, H, W) of the images in the shards; needless with a source.
        num_classes: Of their labels; needless with a source.
        source: Image files that ``prepare_data`` decodes, crops and resizes into shards, if there are none. Images are
            decoded one by one; its cache is not made.
        eval_size: Most images of the validation and of the test split that are read, at least 1.
        cache_dir: Where shards of a store are kept while they are read; None for LitData's default.
        max_cache_size: What they may take, such as "100GB"; None for three quarters of the free disk.
        **kwargs: Those of :class:`ImageDataModule`. ``flip`` is refused: shards are read as they are.

    Raises:
        ModuleNotFoundError: LitData is not installed.
        ValueError: An argument is out of its range.
    """

    name = "streamed"

    def __init__(
        self,
        root: str = "data",
        image_shape: tuple[int, int, int] = (3, 64, 64),
        num_classes: int = 0,
        source: ImageFilesDataModule | None = None,
        eval_size: int = 10_000,
        cache_dir: str | None = None,
        max_cache_size: str | None = None,
        **kwargs: Any,
    ) -> None:
        import_litdata()  # before anything is done
        if source is not None:
            image_shape, num_classes = source.image_shape, source.num_classes
        super().__init__(image_shape, num_classes, **kwargs)
        if self.flip:
            raise ValueError("flip is True, but shards are read as they are: mirror images when they are written.")
        self.root = root.rstrip("/") if "://" in str(root) else str(read_path("root", root))
        self.source = source
        self.eval_size = read_count("eval_size", eval_size)
        self.cache_dir = None if cache_dir is None else str(read_path("cache_dir", cache_dir))
        self.max_cache_size = max_cache_size

    @property
    def version(self) -> str:
        """Digest of LitData's index of each split."""
        return " ".join(self._stream(split).digest for split in SPLITS if self._has(split))

    @property
    def class_counts(self) -> None:
        """Not known: the labels lie in the shards, beside the images."""

    @property
    def folder(self) -> Path | None:
        """Where the shards lie; None if they are in a store."""
        return None if "://" in self.root else Path(self.root)

    @property
    def order(self) -> dict[str, Any]:
        """What decides which images each batch holds: with LitData, also how they are shared."""
        return {**super().order, "devices": self._shard[1], "num_workers": self.num_workers}

    def prepare_data(self) -> None:
        """Write the shards, if there are none and there is a source.

        Raises:
            FileNotFoundError: There are none, and no source; or none in a store, where this does not write.
            ValueError: An image is missing or damaged, and not to be skipped.
            OSError: An image cannot be read, or the disk is full. Nothing is left of the attempt.
        """
        if self._has("train"):
            return
        if self.source is None or self.folder is None:
            raise FileNotFoundError(
                f"There are no shards in {self.root}/train (no index.json). Correct root, or let it be a folder and "
                "give a source of images, such as --data.source ImageFolderDataModule --data.source.root FOLDER: "
                "gan-lightning prepare-data writes them, and tools such as aws s3 sync bring them into a store."
            )
        listing = self.source.listing
        problems = ". ".join(filter(None, [listing.missing, listing.unknown, *self.source.source.faults[:1]]))
        if problems and not self.source.skips_errors:
            raise ValueError(f"{problems}. Mend that, or set source.on_error to skip, which uses the other images.")
        rank_zero_info(f"Writing {len(listing.names):,} images to {self.folder}.")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=f".{self.folder.name}.") as partial:
            self._write(self.source, Path(partial))
            self.folder.mkdir(exist_ok=True)
            for split in sorted(Path(partial).iterdir(), key=lambda path: path.name == "train"):  # the sign comes last
                shutil.rmtree(self.folder / split.name, ignore_errors=True)
                split.rename(self.folder / split.name)

    def setup(self, stage: str | None = None) -> None:
        """Look at the first image of each split of a stage, and read those of evaluation.

        Raises:
            FileNotFoundError: There are no shards.
            ValueError: The images are of another shape, or labels are out of range.
        """
        for split in SPLITS_OF_STAGE[stage]:
            if split == "train":
                self._check_first(self._stream("train"))
            elif self._has(split) or split == "test":
                self._check_labels(split)

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        """Read the first `eval_size` images of a split; see :class:`ImageDataModule`."""
        stream = self._stream(split)
        self._check_first(stream)
        count = min(self.eval_size, len(stream))
        pixels, labels = zip(*(stream.dataset[index] for index in range(count)), strict=True)
        return torch.from_numpy(np.stack(pixels)), torch.tensor(labels, dtype=torch.int64)

    def check(self, deep: bool = False) -> DataCheck:
        """Look at the index and the first image of each split, and with ``deep`` read all evaluation images."""
        present, missing, damaged = [], [], []
        for split in filter(self._has, SPLITS):
            stream = self._stream(split)
            try:
                self._check_first(stream)
                _ = self.read(split) if deep and split != "train" else None
            except (OSError, ValueError) as error:
                damaged.append(str(error))
            else:
                present.append(f"{split}: {len(stream):,} images")
        if not self._has("train"):
            missing.append(f"{self.root}/train/index.json")
        return DataCheck(self.name, tuple(present), tuple(missing), tuple(damaged))

    def train_dataloader(self) -> Any:
        """Shuffled batches of `batch_size * n_critic` images on each device, see :class:`CountedStream`.

        Raises:
            ValueError: The training split holds less than one batch for all devices.
        """
        n_critic = getattr(self.trainer.lightning_module, "n_critic", 1) if self.trainer else 1
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))  # set by seed_everything
        make = partial(self._stream, "train", shuffle=True, drop_last=True, seed=seed)
        options = {"batch_size": self.batch_size * n_critic, "num_workers": self.num_workers, "pin_memory": on_gpu}
        loader = CountedStream(make, options, self._batches_processed, self._run)
        if not len(loader):
            raise ValueError(
                f"The training split in {self.root} holds {len(make()):,} images, less than one batch of "
                f"{self.batch_size} x n_critic {n_critic} for each device and worker: set one of them lower."
            )
        return loader

    def val_dataloader(self) -> Any:
        """Validation images in order, each once over all devices; none where there are no such shards."""
        return super().val_dataloader() if self._has("val") else []

    def _has(self, split: Split) -> bool:
        """Whether there are shards of a split."""
        if self.folder is not None:
            return (self.folder / split / "index.json").is_file()
        try:
            return len(self._stream(split)) > 0
        except (FileNotFoundError, ValueError):
            return False

    def _stream(self, split: Split, **options: Any) -> Stream:
        place = f"{self.root}/{split}"
        cache = {"cache_dir": self.cache_dir, "max_cache_size": self.max_cache_size}
        if self.folder is not None and not self._has(split):
            raise FileNotFoundError(f"There are no shards in {place} (no index.json): gan-lightning prepare-data.")
        with nullcontext() if self.folder is not None else store_explained(place):
            return Stream(import_litdata().StreamingDataset(place, **cache, **options), place)

    def _check_first(self, stream: Stream) -> None:
        pixels, label = stream.dataset[0]
        found = tuple(np.shape(pixels))
        if found != self.image_shape or pixels.dtype != np.uint8:
            raise ValueError(
                f"The images in {stream.place} are {pixels.dtype} {found}, but must be uint8 {self.image_shape}: "
                "correct image_shape, or write the shards anew."
            )
        if not 0 <= label < max(1, self.num_classes):
            raise ValueError(
                f"The first label in {stream.place} is {label}, but num_classes is {self.num_classes}: correct it."
            )

    def _write(self, source: ImageFilesDataModule, folder: Path) -> None:
        listing = source.listing
        decoded = decode_all(source.source, listing.names, source.decoder)
        rows = zip(listing.parts.tolist(), listing.names, listing.labels.tolist(), decoded, strict=True)
        for part, group in groupby(rows, key=itemgetter(0)):
            cache = import_litdata().streaming.Cache(str(folder / SPLITS[part]), chunk_bytes=SHARD_BYTES)
            count = 0
            for _, name, label, (pixels, remark) in group:
                if pixels is not None:
                    cache[count] = pixels, label
                    count += 1
                elif not source.skips_errors:
                    path = source.source.path / name
                    raise ValueError(f"{path} {remark}. Replace it, or set source.on_error to skip.")
            if count:
                cache.done()
                cache.merge()
        if not (folder / "train" / "index.json").is_file():
            raise ValueError(f"None of the training images of {source.source.path} can be used: check-data says why.")
