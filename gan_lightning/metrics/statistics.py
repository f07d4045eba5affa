"""First and second moments of the real features, kept on disk so that they are computed once per data set."""

from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from gan_lightning.metrics.cache import Key, read_tensors, write_tensors


class RealStatistics(NamedTuple):
    """Sums over the features of the real images, all that the Fréchet distance needs of them, and some features.

    Attributes:
        total: Sum of the features, float64 (F,).
        outer: Sum of their outer products, float64 (F, F).
        num_images: int64 scalar tensor.
        rows: Features of some images, float32 (M, F), for metrics that compare samples one by one.
    """

    total: Tensor
    outer: Tensor
    num_images: Tensor
    rows: Tensor

    @classmethod
    def zeros(cls, num_features: int) -> Self:
        """Statistics of no images."""
        total = torch.zeros(num_features, dtype=torch.float64)
        outer, rows = torch.outer(total, total), torch.zeros(0, num_features)
        return cls(total, outer, torch.zeros((), dtype=torch.int64), rows)


METRIC_STATES = ("real_features_sum", "real_features_cov_sum", "real_features_num_samples")
"""Where torchmetrics' FrechetInceptionDistance holds the sums of :class:`RealStatistics`, in their order."""


def read_statistics(path: Path, key: Key, num_features: int, num_rows: int = 0) -> RealStatistics | None:
    """The statistics in a file, or None without one; a damaged or foreign file is ignored with a warning."""
    shapes: dict[str, tuple[int, ...]] = {"total": (num_features,), "outer": (num_features, num_features)}
    shapes |= {"num_images": (), "rows": (num_rows, num_features)}
    tensors = read_tensors(path, key, shapes)
    return None if tensors is None else RealStatistics(**tensors)


def write_statistics(path: Path, key: Key, statistics: RealStatistics) -> None:
    """Write a file that is never seen half written; a folder that cannot be written to costs a warning."""
    write_tensors(path, key, statistics._asdict())
