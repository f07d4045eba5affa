"""How many fakes lie where data are, how much of the data fakes reach, and how much fakes differ from each other."""

from typing import Any

import torch
from torch import Tensor, nn

from gan_lightning.arguments import check_counts
from gan_lightning.metrics.collected import FeatureSets

ROWS = 1_000
"""Whose distances are computed at once."""


class PrecisionRecall(FeatureSets):
    """What share of fakes are like data, and what share of the data fakes are like.

    Around each sample of a set there is a ball that reaches to its k-th neighbour in the set, itself not counted.
    "precision" is the share of fakes in a ball of real images, "recall" that of real images in a ball of fakes
    (Kynkäänniemi et al., 2019, arXiv:1904.06991, eq. 2). "density" counts the balls of real images that fakes are in,
    over k, and "coverage" is the share of real images whose ball has a fake in it (Naeem et al., 2020,
    arXiv:2002.09797, section 3): outliers do less harm to them.

    As in both papers, the sets are of one size: of the larger one, samples are taken at random, always the same. (Many
    fakes fill the balls of few real images, and have small balls themselves: coverage would be 1, and recall 0.) Values
    depend on the size: compare those of equal ones.

    Args:
        features: As for :class:`FeatureSets`.
        neighbours: k of precision and recall.
        coverage_neighbours: k of density and coverage.
        kwargs: For :class:`FeatureSets`.

    Example:
        >>> metric = PrecisionRecall(neighbours=1, coverage_neighbours=1)
        >>> metric.update(torch.tensor([[0.0], [1.0], [3.0]]), real=True)
        >>> metric.update(torch.tensor([[0.5], [9.0], [9.5]]), real=False)
        >>> {name: round(float(value), 2) for name, value in metric.compute().items()}
        {'precision': 0.33, 'recall': 1.0, 'density': 0.67, 'coverage': 0.67}
    """

    def __init__(
        self,
        features: nn.Module | None = None,
        neighbours: int = 3,
        coverage_neighbours: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(features, **kwargs)
        check_counts(neighbours=neighbours, coverage_neighbours=coverage_neighbours)
        self.neighbours = neighbours
        self.coverage_neighbours = coverage_neighbours

    def per_sample(self) -> dict[str, Tensor]:
        """What the values are means of, by name: of fakes, (N,), for precision and density; else of real images, (N,).

        Raises:
            ValueError: If a side has no more samples than neighbours.
        """
        sides = self.sides(least=1 + max(self.neighbours, self.coverage_neighbours))
        real, fake = (_some(side, min(map(len, sides))) for side in sides)
        radii, wide = radii_of(real, self.neighbours, self.coverage_neighbours)
        (fake_radii,) = radii_of(fake, self.neighbours)
        precise, balls = [], []
        is_recalled = torch.zeros(len(real), dtype=torch.bool, device=real.device)
        is_covered = is_recalled.clone()
        for rows, own in zip(fake.split(ROWS), fake_radii.split(ROWS), strict=True):
            distances = squared_distances(rows, real)
            precise.append((distances <= radii).any(1))
            balls.append((distances <= wide).sum(1))
            is_recalled |= (distances <= own[:, None]).any(0)
            is_covered |= (distances <= wide).any(0)
        return {
            "precision": torch.cat(precise).float(),
            "recall": is_recalled.float(),
            "density": torch.cat(balls).float() / self.coverage_neighbours,
            "coverage": is_covered.float(),
        }

    def compute(self) -> dict[str, Tensor]:
        """The values by name, in 32 bits.

        Raises:
            ValueError: If a side has no more samples than neighbours.
        """
        return {name: values.mean() for name, values in self.per_sample().items()}


class PairwiseDiversity(FeatureSets):
    """How far fakes are from each other, by the mean of all pairs, and by that of real images: 0 if all are alike.

    Fakes as diverse as the data score 1, a collapse far below. Quality is not seen: noise may score 1, too.

    Args:
        features, kwargs: As for :class:`FeatureSets`.

    Example:
        >>> metric = PairwiseDiversity()
        >>> metric.update(torch.tensor([[0.0], [4.0]]), real=True)
        >>> metric.update(torch.tensor([[1.0], [2.0]]), real=False)
        >>> metric.compute()
        {'diversity': tensor(0.2500)}
    """

    def compute(self) -> dict[str, Tensor]:
        """The value by name, in 32 bits; NaN if all real images are alike.

        Raises:
            ValueError: If a side has fewer than two samples.
        """
        spreads = []
        for side in self.sides(least=2):
            total = torch.stack([squared_distances(rows, side).sqrt().sum() for rows in side.split(ROWS)]).sum()
            spreads.append(total / (len(side) * (len(side) - 1)))
        return {"diversity": (spreads[1] / spreads[0]).float()}


def _some(samples: Tensor, count: int) -> Tensor:
    """So many of the samples, in their order; which ones is a function of both numbers."""
    chosen = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))[:count]
    return samples[chosen.sort()[0].to(samples.device)]


def radii_of(samples: Tensor, *neighbours: int) -> list[Tensor]:
    """The squared distance of each sample, (N, F), to its k-th neighbour, itself not counted: (N,) for each k."""
    kept = [
        squared_distances(rows, samples).topk(1 + max(neighbours), largest=False)[0] for rows in samples.split(ROWS)
    ]
    return [torch.cat(kept)[:, k] for k in neighbours]


def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """Of all pairs, (N, M). Give 64 bits: a product of matrices loses as many digits as sizes exceed distances."""
    sizes = left.square().sum(1)[:, None] + right.square().sum(1)
    return torch.addmm(sizes, left, right.T, alpha=-2).clamp_(min=0)
