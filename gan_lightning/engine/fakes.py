"""Fakes that two updates share."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor


class SharedFakes:
    """Keeps the fakes of an update for the next, which sees the same: G computes them once, with its graph.

    Within ``with`` only: at its end, also by an exception, they are freed.
    """

    def __init__(self) -> None:
        self.__exit__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._number, self._images = -1, torch.empty(0)

    def keep(self, number: int, images: Tensor) -> None:
        """Remember images (N, C, H, W), with G's graph, as those of an update."""
        self._number, self._images = number, images

    def of(self, number: int, through_generator: bool, make: Callable[[], Tensor]) -> Tensor:
        """Those that are kept of an update, or new ones; with G's graph or without."""
        if number == self._number:
            return self._images if through_generator else self._images.detach()
        with torch.set_grad_enabled(through_generator):
            return make()
