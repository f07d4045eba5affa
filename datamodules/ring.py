"""The ring of Gaussians, on which a GAN that drops modes is seen at a glance."""

import math
from typing import Any

import torch

from datamodules.arguments import read_count, read_positive
from datamodules.points import PointDataModule


class RingDataModule(PointDataModule):
    """Gaussians in the plane, evenly spaced on a circle (Metz et al., 2016, arXiv:1611.02163, section 3.1).

    Args:
        num_modes: Number of Gaussians, at least 1; the first is to the right of the centre, the others follow
            anticlockwise.
        radius: Of the circle, above 0.
        std: Standard deviation of a Gaussian along each axis, above 0.
        **kwargs: See :class:`PointDataModule`.

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> data = RingDataModule(batch_size=16)
        >>> images, labels = next(iter(data.train_dataloader()))
        >>> images.shape, data.to_points(images).shape
        (torch.Size([16, 1, 1, 2]), torch.Size([16, 2]))
    """

    name = "ring"

    def __init__(self, num_modes: int = 8, radius: float = 2.0, std: float = 0.02, **kwargs: Any) -> None:
        count = read_count("num_modes", num_modes)
        angles = 2 * math.pi * torch.arange(count, dtype=torch.float64) / count
        super().__init__(
            read_positive("radius", radius) * torch.stack([angles.cos(), angles.sin()], dim=1), std, **kwargs
        )
