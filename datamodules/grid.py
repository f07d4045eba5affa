"""The grid of Gaussians: more modes than the ring, and some that others surround."""

from typing import Any

import torch

from datamodules.arguments import read_count, read_positive
from datamodules.points import PointDataModule


class GridDataModule(PointDataModule):
    """Gaussians in the plane on the points of a square lattice (Srivastava et al., 2017, arXiv:1705.07761).

    Args:
        side: Gaussians a side, at least 2; their number is its square.
        extent: Largest coordinate of a centre, above 0; the smallest is its negative.
        std: Standard deviation of a Gaussian along each axis, above 0.
        **kwargs: See :class:`PointDataModule`.

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> GridDataModule().modes[:6].tolist()
        [[-4.0, -4.0], [-4.0, -2.0], [-4.0, 0.0], [-4.0, 2.0], [-4.0, 4.0], [-2.0, -4.0]]
    """

    name = "grid"

    def __init__(self, side: int = 5, extent: float = 4.0, std: float = 0.05, **kwargs: Any) -> None:
        end = read_positive("extent", extent)
        places = torch.linspace(-end, end, read_count("side", side, least=2), dtype=torch.float64)
        super().__init__(torch.cartesian_prod(places, places), std, **kwargs)
