"""Any images in any folder tree or archive."""

import posixpath
import unicodedata
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.arguments import ImageSize, read_flag, read_number, read_path
from datamodules.base import Split
from datamodules.decode import Decoder
from datamodules.image_files import SPLITS, ImageFilesDataModule, Listing
from datamodules.report import count_images
from datamodules.sources import SUFFIXES, ImageSource, encode, open_source

SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "test"}


class ImageFolderDataModule(ImageFilesDataModule):
    """Images of any size, format and mode, in a folder with its sub-folders or in a .zip or .tar archive.

    Each is turned as its camera was held, made RGB or grey (transparent on white, of an animation the first frame,
    grey of 16 bits scaled by the range that the file declares), cut to the proportions of `image_size` and resized.
    Where every image lies in a sub-folder of the top level, the sub-folders are classes, numbered in the order of their
    names; a top folder that holds all is no class.

    Which split an image belongs to is a function of its path below `root` alone: adding images moves no other to
    another split.

    Args:
        root: The folder or archive. It must exist already, because the number of classes is read from it.
        image_size: Height and width in pixels: one number for both, or a pair [height, width].
        crop: Side in pixels of the central square that is used of an image; None for the whole image. Cut out of that,
            and resized, is the largest part that has the proportions of image_size.
        channels: 3 for RGB, 1 for grey.
        val_fraction: Share of the validation images, in [0, 1).
        test_fraction: Share of the test images, in [0, 1); together with val_fraction less than 1.
        labels: Whether sub-folders are classes; if not, there are no labels.
        **kwargs: `cache_dir` and `on_error`, see :class:`ImageFilesDataModule`, and those of :class:`ImageDataModule`.

    Raises:
        FileNotFoundError: There is no such folder or archive, or no image in it.
        ValueError: An argument is out of its range, or the archive is refused.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for index in range(20):
        ...         Image.new("RGB", (40, 30)).save(f"{root}/{index}.png")
        ...     data = ImageFolderDataModule(root, image_size=16)
        >>> data.image_shape, data.num_classes
        ((3, 16, 16), 0)
    """

    name = "folder"

    def __init__(
        self,
        root: str,
        image_size: ImageSize = 64,
        crop: int | None = None,
        channels: int = 3,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        labels: bool = True,
        **kwargs: Any,
    ) -> None:
        self.fractions = read_fractions(val_fraction, test_fraction)
        decoder = Decoder(image_size, crop, channels=channels)
        self._source = open_source(read_path("root", root))
        if not self._source.files:
            found = f" ({'; '.join(self._source.faults[:3])})" if self._source.faults else ""
            raise FileNotFoundError(
                f"{root} holds no image{found}: no file ends in {', '.join(SUFFIXES)}. Put images there, or set root "
                "to another folder or archive."
            )
        self._tops = top_folders(list(self._source.files), str(root)) if read_flag("labels", labels) else None
        self.classes = sorted(set(self._tops or ()))
        """Names of the classes, in the order of their numbers."""
        super().__init__(root, decoder, len(self.classes), **kwargs)

    def open_source(self) -> ImageSource:
        """Find the files."""
        return self._source

    def list_images(self) -> Listing:
        """List the images, those of the training split first.

        Raises:
            ValueError: A split that is to have images has none.
        """
        names = list(self.source.files)
        places = [place_of(name) for name in names]
        order = sorted(range(len(names)), key=places.__getitem__, reverse=True)  # which no fraction changes
        place = torch.tensor([places[index] for index in order], dtype=torch.float64)
        test, val = self.fractions["test"], self.fractions["test"] + self.fractions["val"]
        parts = (place < val).long() + (place < test).long()
        self._refuse_empty(parts.bincount(minlength=len(SPLITS)).tolist())
        labels = torch.zeros(len(names), dtype=torch.int64)
        if self._tops:
            number = {name: index for index, name in enumerate(self.classes)}
            labels = torch.tensor([number[self._tops[index]] for index in order])
        return Listing([names[index] for index in order], parts, labels)

    def may_be_empty(self, split: Split) -> bool:
        """Whether the fraction of a split is 0."""
        return self.fractions.get(split) == 0

    def how_to_fill(self, split: Split) -> str:
        """What to do about an empty split, a sentence."""
        if split == "train":
            return "Add images, or set val_fraction and test_fraction lower, or to 0 to do without those splits."
        return f"Add images, or set {split}_fraction higher, or to 0 to do without that split in training."

    def _refuse_empty(self, counts: Sequence[int]) -> None:
        for split, count in zip(SPLITS, counts, strict=True):
            if not count and not self.may_be_empty(split):
                raise ValueError(
                    f"{self.root} holds {count_images(sum(counts))}, but none falls to the {split} split (val_fraction "
                    f"{self.fractions['val']}, test_fraction {self.fractions['test']}). {self.how_to_fill(split)}"
                )


def read_fractions(val_fraction: float, test_fraction: float) -> dict[Split, float]:
    """Check the shares of the validation and the test images.

    Raises:
        ValueError: One is out of its range, or they leave no training image.
    """
    fractions: dict[Split, float] = {"val": val_fraction, "test": test_fraction}
    for split, fraction in fractions.items():
        fractions[split] = read_number(f"{split}_fraction", fraction)
        if not 0 <= fraction < 1:
            raise ValueError(f"{split}_fraction is {fraction}, but must be at least 0 and less than 1.")
    if val_fraction + test_fraction >= 1:
        raise ValueError(
            f"val_fraction {val_fraction} and test_fraction {test_fraction} leave no training image: their sum must be "
            "less than 1."
        )
    return fractions


def place_of(name: str) -> float:
    """Place of a name in [0, 1): a hash, the same on every machine, however the name's accents are encoded."""
    digest = blake2b(encode(unicodedata.normalize("NFC", name)), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def shared_folder(names: Sequence[str]) -> str:
    """The folder that all names lie in, with its last /; empty if there is none.

    Example:
        >>> shared_folder(["photos/2024/cats/1.jpg", "photos/2024/dogs/1.jpg"])
        'photos/2024/'
    """
    shared = posixpath.commonpath([posixpath.dirname(name) for name in names])
    return f"{shared}/" if shared else ""


def top_folders(names: Sequence[str], root: str) -> list[str] | None:
    """The sub-folder of the top level that each image lies in.

    Args:
        names: Names of the images.
        root: Where they are, for messages.

    Returns:
        As many as there are names; None if images lie in no sub-folder, or all in one.

    Raises:
        ValueError: The sub-folders are named after splits.
    """
    skipped = len(shared_folder(names))
    tops = [name[skipped:].partition("/")[0] if "/" in name[skipped:] else "" for name in names]
    counts = Counter(tops)
    if counts.keys() <= {""}:
        return None
    if counts[""]:
        rank_zero_warn(
            f"{root} has no classes: not every image lies in a sub-folder ({counts['']:,} of {len(names):,} outside). "
            "Move such images into one, or set labels to false."
        )
        return None
    if {name.lower() for name in counts} <= SPLIT_NAMES:
        raise ValueError(
            f"The sub-folders of {root} are named after splits ({', '.join(counts)}), which would become classes. Set "
            "root to one of them (it is split by val_fraction and test_fraction), or labels to false to take all."
        )
    return tops
