"""What metrics have in common that compare the features of two sets of images, sample by sample."""

from abc import ABC
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from gan_lightning.arguments import check_counts


class FeatureSets(Metric, ABC):
    """Keeps the features of real images and of fakes, over all batches and processes.

    Args:
        features: Maps images to features (N, F), such as :class:`~gan_lightning.metrics.MNISTFeatures`; None if images
            are features already. torchmetrics' ``FeatureShare`` computes them once for several metrics.
        max_samples: Of each side; more are refused, as the memory and the time of a comparison grow with them.
        kwargs: For torchmetrics' ``Metric``.
    """

    is_differentiable = False
    full_state_update = False
    feature_network = "features"
    real: list[Tensor]
    fake: list[Tensor]

    def __init__(self, features: nn.Module | None = None, max_samples: int = 50_000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features if features is not None else nn.Identity()
        check_counts(max_samples=max_samples)
        self.max_samples = max_samples
        self.add_state("real", [], dist_reduce_fx="cat")
        self.add_state("fake", [], dist_reduce_fx="cat")

    def update(self, images: Tensor, real: bool) -> None:
        """Keep the features of images.

        Args:
            images: As the features take them; uint8 (N, C, H, W) for those of this package.
            real: Which side they belong to.

        Raises:
            ValueError: If features are not finite, of another length than before, or too many.
        """
        with torch.no_grad():
            rows = self.features(images).float()
        side = self.real if real else self.fake
        name = f"{type(self).__name__}: the features of {'real images' if real else 'fakes'}"
        if rows.ndim != 2 or any(rows.shape[1] != kept.shape[1] for kept in [*self.real[:1], *self.fake[:1]]):
            known = [tuple(kept.shape[1:]) for kept in [*self.real[:1], *self.fake[:1]]]
            raise ValueError(f"{name} must be (N, F), with one F for all; got {tuple(rows.shape)} after {known}.")
        broken = len(rows) - int(rows.isfinite().all(dim=1).sum())
        if broken:
            raise ValueError(f"{name} are not finite in {broken} of {len(rows)} images: leave these out, or mend G.")
        count = sum(len(kept) for kept in side) + len(rows)
        if count > self.max_samples:
            raise ValueError(f"{name} are {count}, more than max_samples, {self.max_samples}: raise it, or give fewer.")
        side.append(rows)

    def sides(self, least: int) -> tuple[Tensor, Tensor]:
        """The features of all real images, (N, F), and of all fakes, (M, F), in 64 bits.

        Raises:
            ValueError: If there are fewer than ``least`` of either.
        """
        sides = [dim_zero_cat(rows).double() if len(rows) else torch.zeros(0, 1) for rows in (self.real, self.fake)]
        if min(len(rows) for rows in sides) < least:
            counts = f"{len(sides[0])} real images and {len(sides[1])} fakes"
            raise ValueError(f"{type(self).__name__} needs at least {least} of each, got {counts}.")
        return sides[0], sides[1]
