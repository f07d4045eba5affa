"""Real images of a data set with their features."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from gan_lightning.batches import read_batch, read_labels
from gan_lightning.images import check_range, to_uint8
from gan_lightning.metrics import FeatureExtractor
from gan_lightning.metrics.cache import Key, file_of, read_tensors, write_tensors
from gan_lightning.metrics.image_set import ImageSet

AT_ONCE = 250
"""Images whose features are computed together."""


class RealImages:
    """Real images of a data set with their features, which are kept on disk from one call to the next.

    Args:
        data: The data set.
        extractor: Of the features.
        device: Where they are computed.
        seed: Which training images are taken.
        cache_dir: Folder of the features; they are kept if the data set has a ``fingerprint``.
    """

    def __init__(
        self,
        data: LightningDataModule,
        extractor: FeatureExtractor,
        device: torch.device,
        seed: int,
        cache_dir: Path,
    ) -> None:
        self.data = data
        self.extractor = extractor
        self.device = device
        self.seed = seed
        self.cache_dir = cache_dir
        self.name: str | None = getattr(data, "fingerprint", None)
        self.num_classes = int(getattr(data, "num_classes", 0))
        data.prepare_data()
        for stage in ("fit", "test"):
            data.setup(stage)

    def held_out(self, split: str) -> ImageSet:
        """All images of a split that G has not seen."""
        loader = self.data.test_dataloader() if split == "test" else self.data.val_dataloader()
        return self._images(loader, split, None)

    def training(self, num: int) -> ImageSet:
        """So many training images, or all there are, in random order."""
        return self._images(self.data.train_dataloader(), f"train {self.seed}", num)

    def _images(self, loader: Any, split: str, num: int | None) -> ImageSet:
        """The first images of a loader."""
        pixels, labels = (torch.cat(parts)[:num] for parts in zip(*self._batches(loader, split, num), strict=True))
        shapes = {"features": (len(pixels), self.extractor.num_features)}
        extractor = f"{type(self.extractor).__name__} {self.extractor.fingerprint}"
        key: Key = {"data": self.name or "", "split": split, "extractor": extractor, "count": len(pixels)}
        path = file_of(self.cache_dir, "features", key)
        kept = read_tensors(path, key, shapes) if self.name else None
        if kept is not None:
            return ImageSet(pixels, labels, kept["features"])
        parts = zip(pixels.split(AT_ONCE), labels.split(AT_ONCE), strict=True)
        images = ImageSet.of(((some.to(self.device), own) for some, own in parts), self.extractor)
        if self.name:
            write_tensors(path, key, {"features": images.features})
        return images

    def _batches(self, loader: Any, split: str, num: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels and classes, until there are enough."""
        count = 0
        for batch in loader:
            images, labels = read_batch(batch)
            if not count:
                check_range(images, f"The real images of {split}")
            has_classes = self.num_classes > 0 and isinstance(labels, Tensor)
            none = torch.full((len(images),), -1)
            yield to_uint8(images), read_labels(labels, images, self.num_classes) if has_classes else none
            count += len(images)
            if num is not None and count >= num:
                return
