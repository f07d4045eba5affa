"""Images that are judged together, with their features and classes."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Self

import torch
from torch import Tensor

from gan_lightning.metrics.features import FeatureExtractor

Batches = Iterable[tuple[Tensor, Tensor]]
"""Pixels, uint8 (N, C, H, W), and classes, (N,) int64, -1 for none; N images at a time."""


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images of one origin.

    Attributes:
        pixels: uint8 (N, C, H, W).
        labels: (N,) int64, classes that images have or were asked for; -1 for none.
        features: (N, F).
    """

    pixels: Tensor
    labels: Tensor
    features: Tensor

    @classmethod
    def of(cls, batches: Batches, extractor: FeatureExtractor) -> Self:
        """Compute the features of images, where their pixels are, and bring all to the CPU.

        Raises:
            ValueError: If there are no images, or features are not finite.
        """
        parts = [(pixels.cpu(), labels.cpu(), extractor(pixels).cpu()) for pixels, labels in batches]
        if not parts:
            raise ValueError("There are no images to judge.")
        images = cls(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
        broken = len(images) - int(images.features.isfinite().all(dim=1).sum())
        if broken:
            raise ValueError(
                f"{type(extractor).__name__} gives features that are not finite for {broken} of {len(images)} images: "
                "its weights are damaged, or its scale does not suit these images."
            )
        return images

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: Tensor | slice) -> Self:
        """Some of them."""
        return type(self)(self.pixels[rows], self.labels[rows], self.features[rows])

    @property
    def has_classes(self) -> bool:
        """Whether each has one."""
        return bool((self.labels >= 0).all())


def noise(
    shape: tuple[int, ...], num: int, num_classes: int, seed: int, batch_size: int = 250
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of uniform noise, which nothing should score worse than, with the classes in turn."""
    random = torch.Generator().manual_seed(seed)
    for places in torch.arange(num).split(batch_size):
        pixels = torch.randint(0, 256, (len(places), *shape), generator=random, dtype=torch.uint8)
        yield pixels, places % num_classes if num_classes else torch.full_like(places, -1)
