"""Metrics that compare samples one by one, within an evaluation by several processes."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from gan_lightning.metrics import FeatureSets
from gan_lightning.metrics.subsets import spread


class Samplewise:
    """Gives metrics the features of fakes and of as many real images, which are spread evenly over the split.

    Splits may be in order, class by class, so the first ones would not do. The images are those of
    :func:`~gan_lightning.metrics.subsets.spread`, the same ones on any number of processes.

    Args:
        metrics: Without an extractor of their own.
        num: Fakes.
        num_features: F.
    """

    def __init__(self, metrics: Sequence[FeatureSets], num: int, num_features: int) -> None:
        self.metrics = metrics
        self.num = num if metrics else 0
        self.num_features = num_features
        self._real = torch.zeros(0, num_features)
        self._indices = torch.zeros(0, dtype=torch.int64)  # of self._real, in the split
        self._seen = 0
        self._refused: set[str] = set()
        for metric in metrics:
            metric.distributed_available_fn = _alone

    def add_real(self, rows: Tensor, rank: int, world_size: int) -> None:
        """Take features of real images of this process, (N, F); its image j is image j P + rank of the split."""
        indices = (self._seen + torch.arange(len(rows))) * world_size + rank
        self._seen += len(rows)
        self._keep(torch.cat([self._indices, indices]), torch.cat([self._real, rows.cpu()]))

    def gather_real(self) -> Tensor:
        """The features of the chosen images of all processes, in the order of the split, (at most num, F)."""
        indices, rows = zip(*_of_all((self._indices, self._real)), strict=True)
        self._keep(torch.cat(indices), torch.cat(rows))
        return self._real

    def set_real(self, rows: Tensor) -> None:
        """Take the features of the chosen images, (M, F), as :meth:`gather_real` returned them."""
        self._real = rows

    def values(self, fakes: Sequence[Tensor]) -> dict[str, float]:
        """The values by name; a metric that there are too few images for is left out, with one warning.

        Args:
            fakes: Features of batches of this process; batch i is of process i mod P.
        """
        if not self.metrics:
            return {}
        found: dict[str, float] = {}
        rows = self._in_turn(fakes)
        for metric in self.metrics:
            try:
                metric.update(self._real, real=True)
                metric.update(rows, real=False)
                found |= {name: float(value) for name, value in metric.compute().items()}
            except ValueError as error:
                self._warn(str(error))
            metric.reset()
        return found

    def _warn(self, message: str) -> None:
        if message not in self._refused:
            self._refused.add(message)
            rank_zero_warn(f"This is left out of the evaluation: {message}")

    def _keep(self, indices: Tensor, rows: Tensor) -> None:
        chosen = spread(indices, self.num)
        self._indices, self._real = indices[chosen], rows[chosen]

    def _in_turn(self, parts: Sequence[Tensor]) -> Tensor:
        """The rows of all processes, on the CPU, in the order that one process would have."""
        everyones = _of_all([part.cpu() for part in parts])
        ordered = [part for turn in zip_longest(*everyones) for part in turn if part is not None]
        return torch.cat([torch.zeros(0, self.num_features), *ordered])


def _of_all(own: Any) -> list[Any]:
    """What each process has."""
    everyones = [own]
    if dist.is_available() and dist.is_initialized():
        everyones = [own] * dist.get_world_size()
        dist.all_gather_object(everyones, own)
    return everyones


def _alone() -> bool:
    """What torchmetrics asks before it collects states: here each process has all rows."""
    return False
