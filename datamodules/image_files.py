"""Base of the data sets that are image files: decoded once into a cache, memory-mapped from then on."""

import os
from abc import abstractmethod
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.arguments import read_path
from datamodules.base import SPLITS_OF_STAGE, ImageDataModule, Split
from datamodules.decode import Decoder, decode_all
from datamodules.pixel_cache import CachedPixels, PixelCache, dim_message
from datamodules.pixels import MappedDataset
from datamodules.report import DataCheck
from datamodules.sources import ImageSource

SPLITS = SPLITS_OF_STAGE[None]


class Listing(NamedTuple):
    """The images of a data set, split by split.

    Args:
        names: Names of N files, as the source has them.
        parts: (N,) int64, ascending: the split of each as a position in `SPLITS`.
        labels: (N,) int64.
        missing: Which other files should be there but are not, in words.
        unknown: Which other files are there but belong to no split, in words.
    """

    names: list[str]
    parts: Tensor
    labels: Tensor
    missing: str = ""
    unknown: str = ""

    @property
    def fingerprint(self) -> str:
        """Digest of the splits and labels."""
        return blake2b(self.parts.numpy().tobytes() + self.labels.numpy().tobytes(), digest_size=8).hexdigest()


class ImageFilesDataModule(ImageDataModule):
    """Base of the data sets that are image files. A subclass says where they are, and of what split and class each is.

    The cache, see :class:`PixelCache`, is made by `prepare_data`, or on first use. It is kept in
    `.gan_lightning_cache` beside the images; where that cannot be written to, in `gan_lightning` below
    `$XDG_CACHE_HOME` or `~/.cache`.

    Args:
        root: Folder or archive of the data.
        decoder: Makes the pixels of a file.
        num_classes: Number of classes, 0 where there are no labels.
        cache_dir: Folder of the cache; None for the above.
        on_error: What to do about images that are missing, damaged, too small or in no list: "raise" an error that
            names the first, or "skip" them, with a warning that counts them.
        **kwargs: `batch_size`, `eval_batch_size`, `num_workers`, `flip`, see :class:`ImageDataModule`.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        root: str,
        decoder: Decoder,
        num_classes: int,
        cache_dir: str | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        **kwargs: Any,
    ) -> None:
        super().__init__(decoder.image_shape, num_classes, **kwargs)
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error is {on_error!r}, but must be 'raise' or 'skip'.")
        self.root = read_path("root", root)
        self.decoder = decoder
        self.cache_dir = None if cache_dir is None else read_path("cache_dir", cache_dir)
        self.skips_errors = on_error == "skip"

    @abstractmethod
    def open_source(self) -> ImageSource:
        """Find the files.

        Raises:
            FileNotFoundError: They are not there.
            ValueError: They are in an archive that is damaged or refused.
        """

    @abstractmethod
    def list_images(self) -> Listing:
        """List the images of all splits, with their labels.

        Raises:
            FileNotFoundError: There is no image, or a table that is needed is missing.
            ValueError: A table is damaged, or a split has no image.
        """

    @cached_property
    def source(self) -> ImageSource:
        """The files."""
        return self.open_source()

    @cached_property
    def listing(self) -> Listing:
        """The images of all splits, with their labels."""
        return self.list_images()

    @cached_property
    def cache(self) -> PixelCache:
        """Where the pixels of all splits are kept."""
        return PixelCache(self._cache_folders(), self.name, self.source, self.listing.names, self.decoder)

    @cached_property
    def cached(self) -> CachedPixels:
        """The pixels of all splits; the cache is made where it is not there.

        Raises:
            ValueError: Images are missing, unknown or damaged, and not to be skipped.
        """
        faults = self.source.faults
        more = f", the first of {len(faults):,} that cannot be read" if len(faults) > 1 else ""
        fault = f"{faults[0]}{more}" if faults else ""
        problems = ". ".join(filter(None, [self.listing.missing, self.listing.unknown, fault]))
        if problems and not self.skips_errors:
            raise ValueError(
                f"{problems}. Add what is missing and remove what does not belong, or set on_error to skip "
                "(--data.on_error skip), which uses the other images."
            )
        if problems:
            rank_zero_warn(f"{problems}. The other images are used.")
        return self.cache.find_or_build(self.skips_errors)

    @property
    def folder(self) -> Path | None:
        """Where the cache lies; None if it is not made."""
        places = (folder / self.cache.key for folder in self.cache.folders)
        return next((place for place in places if place.is_dir()), None)

    @property
    def version(self) -> str:
        """Names, sizes and times of the files, the crop, the splits and labels."""
        return f"{self.cache.key} {self.listing.fingerprint}"

    def prepare_data(self) -> None:
        """Make the cache, if it is not there."""
        _ = self.cached

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        """Read a split, see :class:`ImageDataModule`; the pixels are memory-mapped and not to be written to."""
        dataset = self.make_dataset(split)
        return dataset.pixels, dataset.labels

    def make_dataset(self, split: Split) -> MappedDataset:
        """Map a split, whose images follow each other in the cache."""
        parts, labels = (values[self.cached.kept] for values in (self.listing.parts, self.listing.labels))
        part = SPLITS.index(split)
        first, end = torch.searchsorted(parts, torch.tensor([part, part + 1])).tolist()
        own_labels = labels[first:end].clone()  # a slice is pickled with all that it is a slice of
        return MappedDataset(self.cached.path, self.cached.shape, first, own_labels)

    def check(self, deep: bool = False) -> DataCheck:
        """Look at the files without changing any, and without making the cache.

        Args:
            deep: Decode every image.
        """
        try:
            present = self.describe_files()
            cached = self.cache.find()
            damaged, remarks = self._decode() if deep else ((), cached.remarks if cached else {})
        except FileNotFoundError as error:
            return DataCheck(self.name, missing=(str(error),))
        except (OSError, ValueError) as error:
            return DataCheck(self.name, damaged=(str(error),))
        missing, unknown = (tuple(filter(None, [found])) for found in (self.listing.missing, self.listing.unknown))
        decoded = "every image was decoded" if deep else "no image was decoded; a deep check decodes all"
        dim = (dim_message(self.source, remarks),) if remarks else ()
        notes = (decoded, f"the cache {self.cache.key} is {'there' if cached else 'not made yet'}", *dim)
        return DataCheck(self.name, present, missing, (*unknown, *self.source.faults, *damaged), notes)

    def describe_files(self) -> tuple[str, ...]:
        """Count the files and the images of each split, a line each.

        Raises:
            FileNotFoundError: Files are missing.
            ValueError: Files are damaged.
        """
        files = self.source.files.values()
        counts = self.listing.parts.bincount(minlength=len(SPLITS)).tolist()
        return (
            f"{self.source.path}: {len(files):,} image files of {sum(file.size for file in files) / 1e6:,.1f} MB",
            *(f"{split}: {count:,} images" for split, count in zip(SPLITS, counts, strict=True)),
        )

    def _decode(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Decode every image.

        Returns:
            What is wrong with those that cannot be used, a line each; and what is odd about others, by their names.
        """
        damaged, remarks = [], {}
        decoded = decode_all(self.source, self.listing.names, self.decoder)
        for name, (pixels, remark) in zip(self.listing.names, decoded, strict=True):
            if pixels is None:
                damaged.append(f"{self.source.path / name} {remark}")
            elif remark:
                remarks[name] = remark
        return tuple(damaged), remarks

    def _cache_folders(self) -> list[Path]:
        """Where the cache may lie, the preferred folder first."""
        if self.cache_dir is not None:
            return [self.cache_dir]
        beside = self.root if self.root.is_dir() else self.root.parent
        user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return [beside / ".gan_lightning_cache", user / "gan_lightning"]
