"""Metrics that compare samples one by one, within an evaluation by several processes."""

from collections.abc import Sequence
from itertools import zip_longest

import torch
import torch.distributed as dist
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from gan_lightning.metrics import FeatureSets


class Samplewise:
    """Gives metrics the features of fakes and of as many real images, the first ones.

    Args:
        metrics: Without an extractor of their own.
        num: Fakes.
        num_features: F.
    """

    def __init__(self, metrics: Sequence[FeatureSets], num: int, num_features: int) -> None:
        self.metrics = metrics
        self.num = num if metrics else 0
        self.num_features = num_features
        self._real: list[Tensor] = []
        self._refused: set[str] = set()
        for metric in metrics:
            metric.distributed_available_fn = _alone

    def add_real(self, rows: Tensor, world_size: int) -> None:
        """Keep features of real images of this process, (N, F), while there are too few over all processes."""
        if sum(map(len, self._real)) * world_size < self.num:
            self._real.append(rows)

    def gather_real(self) -> Tensor:
        """The features of the first real images of all processes, (at most num, F); image i is of process i mod P."""
        rows = self._in_turn([row for rows in self._real for row in rows.split(1)])[: self.num]
        self.set_real(rows)
        return rows

    def set_real(self, rows: Tensor) -> None:
        """Take the features of the first real images, (M, F), as :meth:`gather_real` returned them."""
        self._real = [rows]

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
                metric.update(self._real[0], real=True)
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

    def _in_turn(self, parts: Sequence[Tensor]) -> Tensor:
        """The rows of all processes, on the CPU, in the order that one process would have."""
        own = [part.cpu() for part in parts]
        everyones = [own]
        if dist.is_available() and dist.is_initialized():
            everyones = [[]] * dist.get_world_size()
            dist.all_gather_object(everyones, own)
        ordered = [part for turn in zip_longest(*everyones) for part in turn if part is not None]
        return torch.cat([torch.zeros(0, self.num_features), *ordered])


def _alone() -> bool:
    """What torchmetrics asks before it collects states: here each process has all rows."""
    return False
