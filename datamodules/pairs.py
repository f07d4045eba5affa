"""Images of two domains, to be translated from one to the other: in pairs, or without."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor
from torch.utils.data import Sampler

from datamodules.arguments import ImageSize
from datamodules.base import ImageDataModule, Split
from datamodules.decode import Decoder
from datamodules.folder import ImageFolderDataModule
from datamodules.partners import join_partners
from datamodules.pixels import Batch, PixelDataset
from datamodules.report import DataCheck
from datamodules.sampler import CountedSampler

Half = Literal["left", "right"]
OnError = Literal["raise", "skip"]
Indices = list[int] | tuple[list[int], list[int]]


@dataclass(frozen=True)
class HalfDecoder(Decoder):
    """Decodes one half of an image that has two side by side.

    Args:
        half: Which one.
    """

    half: Half = "left"

    def cut(self, pixels: Tensor) -> Tensor:
        """Cut as the base does, out of the half; of an odd width the column in the middle is in neither.

        Raises:
            ValueError: The image is too narrow to have halves.
        """
        height, broad, _ = pixels.shape
        width = broad // 2
        if not width:
            raise ValueError(
                f"is an image of {broad} x {height} pixels, but must be 2 wide at least, to have two halves"
            )
        return super().cut(pixels[:, :width] if self.half == "left" else pixels[:, -width:])


class HalvesDataModule(ImageFolderDataModule):
    """One half of the images of a folder or archive, each of which has two side by side."""

    def __init__(self, root: str, half: Half, image_size: ImageSize, channels: int, **kwargs: Any) -> None:
        super().__init__(root, image_size, channels=channels, labels=False, **kwargs)
        self.decoder = HalfDecoder(image_size, channels=channels, half=half)


class PairDataset(PixelDataset):
    """Targets and sources, indexed by whole batches.

    Args:
        targets, sources: Their images; where there are fewer of one, they come again in turn.
    """

    def __init__(self, targets: PixelDataset, sources: PixelDataset) -> None:
        self.targets = targets
        self.sources = sources
        self.length = len(targets)

    def __len__(self) -> int:
        """Number of targets."""
        return self.length

    @property
    def pixels(self) -> Tensor:  # type: ignore[override]
        """Those of the targets."""
        return self.targets.pixels

    @property
    def labels(self) -> Tensor:  # type: ignore[override]
        """Those of the targets: zeros."""
        return self.targets.labels

    def __getitem__(self, indices: Indices) -> Batch:
        """Targets and sources, each (N, C, H, W) uint8.

        Args:
            indices: Of both alike, or those of the targets and those of the sources; see :class:`PixelDataset`.
        """
        if isinstance(indices, tuple):
            of_targets, of_sources = indices
        else:
            of_targets, of_sources = indices, [_again(k, len(self.targets), len(self.sources)) for k in indices]
        return self.targets[of_targets][0], self.sources[of_sources][0]


def _again(index: int, length: int, other: int) -> int:
    """The index of another set that goes with one of the first, mirrored or not."""
    is_mirrored, position = divmod(index, length)
    return position % other + other * is_mirrored


class TwoSampler(Sampler[tuple[list[int], list[int]]]):
    """Batches of two sets, each shuffled by itself; an epoch is one of the larger set.

    Args:
        targets, sources: Samplers, which count the same batches.
    """

    def __init__(self, targets: CountedSampler, sources: CountedSampler) -> None:
        self.both = targets, sources

    def __len__(self) -> int:
        """Batches an epoch."""
        return max(map(len, self.both))

    def __iter__(self) -> Iterator[tuple[list[int], list[int]]]:
        """One epoch's number of batches from ``start()``."""
        targets, sources = self.both
        first = targets.start()
        return ((targets.batch(k), sources.batch(k)) for k in range(first, first + len(self)))


class TranslationDataModule(ImageDataModule):
    """Base of the data of two domains. A training batch is ``(targets, sources)``, both (N, C, H, W) in [-1, 1].

    Args:
        targets, sources: Where the images of each are.
        kwargs: See :class:`ImageDataModule`.
    """

    is_aligned: bool
    """Whether source i belongs to target i."""

    def __init__(self, targets: ImageFolderDataModule, sources: ImageFolderDataModule, **kwargs: Any) -> None:
        super().__init__(targets.image_shape, 0, **kwargs)
        self.sides = targets, sources

    def prepare_data(self) -> None:
        """Make the caches, if they are not there."""
        for side in self.sides:
            side.prepare_data()

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        """The targets of a split."""
        return self.sides[0].read(split)

    def make_dataset(self, split: Split) -> PairDataset:
        """Map a split."""
        targets, sources = (side.dataset(split) for side in self.sides)
        return PairDataset(targets, sources)

    def may_be_empty(self, split: Split) -> bool:
        """As the sides say."""
        return self.sides[0].may_be_empty(split)

    def how_to_fill(self, split: Split) -> str:
        """As the sides say."""
        return self.sides[0].how_to_fill(split)

    @property
    def version(self) -> str:
        """Those of both sides."""
        return " ".join(side.version for side in self.sides)

    def check(self, deep: bool = False) -> DataCheck:
        """Look at the files of both sides, see :class:`ImageDataModule`."""
        found = [side.check(deep) for side in self.sides]
        parts = ("present", "missing", "damaged", "notes")
        merged = {part: tuple(dict.fromkeys(line for each in found for line in getattr(each, part))) for part in parts}
        return DataCheck(self.name, **merged)


class PairedImageDataModule(TranslationDataModule):
    """Pairs of images, each a source and what it is to be translated to, for Pix2Pix.

    Either two folders (or archives), whose images have the same names, or one, whose images have both side by side, as
    Pix2Pix's data sets (facades, maps, edges2shoes) do. The two of a pair may differ in size, but not in proportions.
    Which split a pair belongs to is a function of its name alone.

    Args:
        sources: Folder or archive of the sources; of the pairs, if `targets` is None.
        targets: Of the targets; None where each image has both halves side by side.
        source_half: The half that is the source, if `targets` is None: "left" or "right".
        image_size: Height and width in pixels: one number for both, or a pair [height, width].
        channels: 3 for RGB, 1 for grey.
        val_fraction, test_fraction: See :class:`ImageFolderDataModule`.
        cache_dir: See :class:`ImageFilesDataModule`.
        on_error: What to do about images that are damaged, and pairs that differ in proportions: "raise" an error that
            names the first, or "skip" these pairs, with a warning that counts them.
        kwargs: Those of :class:`ImageDataModule`; `flip` mirrors both of a pair.

    Raises:
        FileNotFoundError: There is no such folder, or no image in it.
        ValueError: An argument is out of its range, or an image has no partner.
    """

    name = "pairs"
    is_aligned = True

    def __init__(
        self,
        sources: str,
        targets: str | None = None,
        source_half: Half = "left",
        image_size: ImageSize = 256,
        channels: int = 3,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        cache_dir: str | None = None,
        on_error: OnError = "raise",
        **kwargs: Any,
    ) -> None:
        if source_half not in ("left", "right"):
            raise ValueError(f"source_half is {source_half!r}, but must be 'left' or 'right'.")
        options: dict[str, Any] = {"image_size": image_size, "channels": channels, "cache_dir": cache_dir}
        options |= {"val_fraction": val_fraction, "test_fraction": test_fraction, "on_error": on_error}
        if targets is None:
            other: Half = "right" if source_half == "left" else "left"
            super().__init__(*(HalvesDataModule(sources, half, **options) for half in (other, source_half)), **kwargs)
        else:
            sides = [ImageFolderDataModule(root, labels=False, **options) for root in (targets, sources)]
            join_partners(sides[0], sides[1])
            super().__init__(*sides, **kwargs)


class UnpairedImageDataModule(TranslationDataModule):
    """Images of two domains without pairs, for CycleGAN: each batch has as many of both, shuffled by themselves.

    An epoch shows each image of the larger domain once, those of the smaller one more often.

    Args:
        sources: Folder or archive of the one domain, such as horse2zebra/trainA.
        targets: Of the other.
        image_size: Height and width in pixels: one number for both, or a pair [height, width].
        channels: 3 for RGB, 1 for grey.
        val_fraction, test_fraction: See :class:`ImageFolderDataModule`.
        cache_dir, on_error: See :class:`ImageFilesDataModule`.
        kwargs: Those of :class:`ImageDataModule`.

    Raises:
        FileNotFoundError: There is no such folder, or no image in it.
        ValueError: An argument is out of its range.
    """

    name = "unpaired"
    is_aligned = False

    def __init__(
        self,
        sources: str,
        targets: str,
        image_size: ImageSize = 256,
        channels: int = 3,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        cache_dir: str | None = None,
        on_error: OnError = "raise",
        **kwargs: Any,
    ) -> None:
        options: dict[str, Any] = {"image_size": image_size, "channels": channels, "cache_dir": cache_dir}
        options |= {"val_fraction": val_fraction, "test_fraction": test_fraction, "on_error": on_error}
        sides = [ImageFolderDataModule(root, labels=False, **options) for root in (targets, sources)]
        super().__init__(*sides, **kwargs)

    def make_sampler(self, dataset: PixelDataset, batch_size: int, **options: Any) -> Sampler[Any]:
        """One for each domain."""
        seed, needed = options.pop("seed"), batch_size * options["world_size"]
        lengths = [len(side.dataset("train")) for side in self.sides]
        if min(lengths) < needed:
            raise ValueError(
                f"The training split has {lengths[1]:,} sources and {lengths[0]:,} targets, but a batch over all "
                f"devices takes {needed} of both: lower batch_size, or add images."
            )
        targets, sources = (
            CountedSampler(length, batch_size, seed=seed + k, **options) for k, length in enumerate(lengths)
        )
        return TwoSampler(targets, sources)
