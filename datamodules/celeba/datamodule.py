"""CelebA, aligned and cropped (Liu, Luo, Wang and Tang, 2015, arXiv:1411.7766)."""

import difflib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.arguments import ImageSize, as_integer, read_flag
from datamodules.base import Split
from datamodules.celeba.files import (
    ATTRIBUTES_TABLE,
    BY_HAND,
    IDENTITY_TABLE,
    PARTITION_TABLE,
    describe_table,
    download,
    find_images,
    find_table,
)
from datamodules.celeba.tables import ATTRIBUTES, read_attributes, read_partition
from datamodules.decode import Decoder
from datamodules.folder import place_of
from datamodules.image_files import SPLITS, ImageFilesDataModule, Listing
from datamodules.report import DataCheck, count_images
from datamodules.sources import ImageSource, open_source

CROPS = {
    178: "mimicry, pytorch/examples",
    160: "compare_gan",
    148: "many VAEs",
    140: "score_sde",
    108: "DCGAN",
}
"""The sides of the central square, in pixels, and who uses each. FID differs by points between them."""
IMAGE_SIZE = (178, 218)
TABLES = {
    PARTITION_TABLE: "without which the splits follow from the file numbers",
    ATTRIBUTES_TABLE: "which only attributes need",
    IDENTITY_TABLE: "which is not used",
}
"""The tables that are looked for, and what is said where one is not there."""
OFFICIAL_ENDS = (162_770, 182_637, 202_599)
"""Number of the last file of the official training, validation and test split."""


class CelebADataModule(ImageFilesDataModule):
    """CelebA: 162,770 training, 19,867 validation and 19,962 test images of faces.

    The images are read from `img_align_celeba`, a folder or the .zip, in the official layout, torchvision's or
    Kaggle's (`img_align_celeba/img_align_celeba`, .csv tables), or from `root` itself. The official splits are those
    of `list_eval_partition`; without that file they follow from the file numbers if all images are there. Fewer images
    without it are split by a hash of the name: about 80 % training, 10 % validation, 10 % test.

    The labels are k attributes, one bit each: attribute j adds 2**j to the label where it holds. CelebA may be
    used for research that is not commercial, and not be passed on.

    Args:
        root: Folder that holds the files, or the .zip of the images.
        image_size: Height and width in pixels: one number for both, or a pair [height, width].
        crop: Side in pixels of the central square that is used of the 178 x 218 images: 178, 160, 148, 140 or 108;
            None for the whole image. Cut out of that, and resized, is the largest part that has the proportions of
            image_size.
        attributes: Which of the 40 attributes make the label, as `["Male", "Smiling"]`; there are 2**k classes, none
            if it is empty.
        download: Whether files that are not there are downloaded. It often fails: Google Drive limits downloads.
        **kwargs: `cache_dir` and `on_error`, see :class:`ImageFilesDataModule`, and those of :class:`ImageDataModule`.

    Raises:
        ValueError: An argument is out of its range, or there is no such attribute.

    Example:
        >>> data = CelebADataModule(root="data", image_size=64, crop=148, attributes=["Male", "Smiling"])
        >>> data.image_shape, data.num_classes
        ((3, 64, 64), 4)
    """

    name = "celeba"

    def __init__(
        self,
        root: str = "data",
        image_size: ImageSize = 64,
        crop: int | None = 178,
        attributes: Sequence[str] = (),
        download: bool = False,
        **kwargs: Any,
    ) -> None:
        if crop is not None and as_integer(crop) not in CROPS:
            legal = ", ".join(f"{side} ({users})" for side, users in CROPS.items())
            raise ValueError(f"crop is {crop!r}, but must be one of {legal}, or None for the whole image.")
        check_attributes(attributes)
        super().__init__(
            root, Decoder(image_size, crop, IMAGE_SIZE), 2 ** len(attributes) if attributes else 0, **kwargs
        )
        self.attributes = tuple(attributes)
        self.download = read_flag("download", download)

    def prepare_data(self) -> None:
        """Download what is missing, if `download` is set, and make the cache, if it is not there.

        Raises:
            ConnectionError: A download failed; nothing is lost.
        """
        if self.download:
            download(self.root)
        super().prepare_data()

    def open_source(self) -> ImageSource:
        """Find the images."""
        return open_source(find_images(self.root))

    def list_images(self) -> Listing:
        """List the images in the order of their splits and names."""
        files = {stem_of(name): name for name in self.source.files}
        if len(files) < len(self.source.files):
            kept = set(files.values())
            twice = next(name for name in self.source.files if name not in kept)
            raise ValueError(
                f"{self.source.path} holds {stem_of(twice)} twice: {twice} and {files[stem_of(twice)]}. Remove one."
            )
        split_of, missing, unknown = self._split(files)
        stems = sorted(split_of, key=lambda stem: (split_of[stem], stem))
        if not stems:
            raise FileNotFoundError(f"{self.source.path} holds no image of CelebA. {missing}")
        parts = torch.tensor([split_of[stem] for stem in stems])
        for part, split in enumerate(SPLITS):
            if part not in parts:
                empty = f"{self.source.path} holds {count_images(len(stems))}, but none of the {split} split"
                found = ". ".join(filter(None, [empty, missing, unknown]))
                raise ValueError(f"{found}. {self.how_to_fill(split)}")
        return Listing([files[stem] for stem in stems], parts, self._labels(stems), missing, unknown)

    def how_to_fill(self, split: Split) -> str:
        """What to do about an empty split, a sentence."""
        table = find_table(self.root, PARTITION_TABLE)
        if table is None:
            return f"Add images, or {PARTITION_TABLE}, which says what split each belongs to."
        return (
            f"{table} says what split each belongs to: {SPLITS.index(split)} is {split}. Get that file and the images "
            "of the split, or move the file away: without it, the images are split by their names."
        )

    def describe_files(self) -> tuple[str, ...]:
        """Count the files and the images of each split, and name the tables, a line each."""
        tables = (find_table(self.root, name) for name in TABLES)
        return (*super().describe_files(), *(describe_table(path) for path in tables if path))

    def check(self, deep: bool = False) -> DataCheck:
        """Look at the files, see :class:`ImageFilesDataModule`."""
        report = super().check(deep)
        absent = [f"no {name}, {need}" for name, need in TABLES.items() if find_table(self.root, name) is None]
        return replace(report, notes=(*report.notes, *absent))

    def _split(self, files: dict[str, str]) -> tuple[dict[str, int], str, str]:
        """Say to which split each image belongs.

        Args:
            files: Names of the files by their stems, such as 000001.

        Returns:
            Positions in `SPLITS` by stem, and in words what files are missing, and which belong to no split.
        """
        table = find_table(self.root, PARTITION_TABLE)
        if table is None:
            split_of = split_by_number([stem for stem in files if stem.isdecimal()], self.source.path)
            return (
                split_of,
                "",
                count("is named by no number", [name for stem, name in files.items() if stem not in split_of]),
            )
        listed = {stem_of(name): part for name, part in read_partition(table).items()}
        missing = count(f"is in {table}, but not in {self.source.path}", [stem for stem in listed if stem not in files])
        unknown = count(f"is not in {table}", [name for stem, name in files.items() if stem not in listed])
        return {stem: part for stem, part in listed.items() if stem in files}, missing, unknown

    def _labels(self, stems: Sequence[str]) -> Tensor:
        if not self.attributes:
            return torch.zeros(len(stems), dtype=torch.int64)
        table = find_table(self.root, ATTRIBUTES_TABLE)
        if table is None:
            raise FileNotFoundError(
                f"Attributes are labels, but {ATTRIBUTES_TABLE} (or .csv) is not in {self.root}. {BY_HAND}, and put it "
                "there; or set attributes to [] to do without labels."
            )
        values = {stem_of(name): row for name, row in read_attributes(table, self.attributes).items()}
        absent = [stem for stem in stems if stem not in values]
        if absent:
            raise ValueError(
                f"{table} lacks {len(absent):,} of the images, {absent[0]} among them. Get the file again."
            )
        signs = torch.tensor([values[stem] for stem in stems])
        return (signs > 0).long() @ 2 ** torch.arange(len(self.attributes))


def stem_of(name: str) -> str:
    """Name of a file without folders and suffix: its number, as text."""
    return name.rpartition("/")[2].rpartition(".")[0]


def split_by_number(stems: Sequence[str], path: Path) -> dict[str, int]:
    """Split images without the partition table: the official way if all are there, else by a hash.

    Args:
        stems: Numbers of the files, as text.
        path: Where they are, for the warning.

    Returns:
        0 (training), 1 (validation) or 2 (test) for each.
    """
    if sorted(map(int, stems)) == list(range(1, OFFICIAL_ENDS[-1] + 1)):
        return {stem: bisect_left(OFFICIAL_ENDS, int(stem)) for stem in stems}
    rank_zero_warn(
        f"{path} holds {len(stems):,} of CelebA's {OFFICIAL_ENDS[-1]:,} images, and there is no {PARTITION_TABLE}: "
        "they are split by a hash of their names. Results are not comparable with those on the official splits."
    )
    return {stem: 2 - bisect_left((0.1, 0.2), place_of(stem)) for stem in stems}


def count(what: str, names: Sequence[str]) -> str:
    """Say of how many files something is true, and name the first; empty if there is none."""
    if not names:
        return ""
    return f"{names[0]} {what}" + (f", the first of {len(names):,} such" if len(names) > 1 else "")


def check_attributes(attributes: Sequence[str]) -> None:
    """Check the names of attributes.

    Raises:
        TypeError: They are no list.
        ValueError: One does not exist, or stands there twice.
    """
    if isinstance(attributes, str) or not isinstance(attributes, Sequence):
        example = attributes if isinstance(attributes, str) else "Male"
        raise TypeError(f"attributes is {attributes!r}, but must be a list: [{example}].")
    for attribute in attributes:
        if attribute not in ATTRIBUTES:
            close = difflib.get_close_matches(str(attribute), ATTRIBUTES, n=3)
            meant = f"Did you mean {' or '.join(close)}? " if close else ""
            raise ValueError(f"CelebA has no attribute {attribute!r}. {meant}Choose from: {', '.join(ATTRIBUTES)}.")
    if len(set(attributes)) < len(attributes):
        raise ValueError(f"attributes has the same one twice: {', '.join(attributes)}. Remove one.")
