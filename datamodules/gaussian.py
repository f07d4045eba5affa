"""The Gaussian on a line: the smallest problem on which a GAN can be watched, and collapse be measured."""

from typing import Any

import torch

from datamodules.arguments import read_number
from datamodules.points import PointDataModule


class GaussianDataModule(PointDataModule):
    """One Gaussian on a line. There are no classes: the labels are zeros.

    Args:
        mean: Of the Gaussian.
        std: Standard deviation, above 0.
        **kwargs: See :class:`PointDataModule`.

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> data = GaussianDataModule()
        >>> data.image_shape, data.scale
        ((1, 1, 1), 5.0)
    """

    name = "gaussian"

    def __init__(self, mean: float = 2.0, std: float = 0.5, **kwargs: Any) -> None:
        super().__init__(torch.tensor([[read_number("mean", mean)]], dtype=torch.float64), std, **kwargs)
