"""Noise on what D sees."""

from torch import Tensor

from gan_lightning.arguments import check_counts, check_weights
from gan_lightning.engine.draws import SharedDraws
from gan_lightning.game import Stabilizer


class InstanceNoise(Stabilizer):
    """Gaussian noise on reals and fakes, annealed (Sønderby et al., 2016, arXiv:1610.04490, section 3.2).

    Args:
        std: Standard deviation at the start, in units of the images, whose range is [-1, 1]; at least 0.
        steps: Updates of G over which it falls linearly to 0.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, std: float = 0.1, steps: int = 10_000) -> None:
        super().__init__()
        check_weights(std=std)
        check_counts(steps=steps)
        self.std = std
        self.steps = steps

    def view(self, images: Tensor, draws: SharedDraws) -> Tensor:
        """Add noise."""
        std = self.std * max(1 - draws.step / self.steps, 0.0)
        return images + std * draws.normal_like(images) if std else images
