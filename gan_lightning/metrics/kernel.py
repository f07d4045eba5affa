"""The kernel distance: what FID measures, without its bias in few samples."""

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.image.kid import poly_mmd

from gan_lightning.arguments import check_counts
from gan_lightning.metrics.collected import FeatureSets


class KernelDistance(FeatureSets):
    """Squared maximum mean discrepancy by a cubic kernel, unbiased (Bińkowski et al., 2018, arXiv:1801.01401, eq. 4).

    "kid_mean" and "kid_std" are over random subsets, drawn by a generator of the metric's own. A mean near 0 may be
    negative.

    Args:
        features: As for :class:`FeatureSets`.
        subsets: How many are compared.
        subset_size: Samples of each side in a subset.
        seed: Subsets are a function of it and of the numbers of samples.
        kwargs: For :class:`FeatureSets`.
    """

    def __init__(
        self,
        features: nn.Module | None = None,
        subsets: int = 100,
        subset_size: int = 1_000,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(features, **kwargs)
        check_counts(subsets=subsets)
        check_counts(least=2, subset_size=subset_size)
        self.subsets = subsets
        self.subset_size = subset_size
        self.seed = seed

    def compute(self) -> dict[str, Tensor]:
        """The values by name.

        Raises:
            ValueError: If a side has fewer samples than a subset.
        """
        sides = self.sides(least=self.subset_size)
        random = torch.Generator().manual_seed(self.seed)
        values = []
        for _ in range(self.subsets):
            chosen = (torch.randperm(len(side), generator=random)[: self.subset_size] for side in sides)
            real, fake = (side[rows.to(side.device)] for side, rows in zip(sides, chosen, strict=True))
            values.append(poly_mmd(real, fake))
        return {
            "kid_mean": torch.stack(values).mean().float(),
            "kid_std": torch.stack(values).std(correction=0).float(),
        }
