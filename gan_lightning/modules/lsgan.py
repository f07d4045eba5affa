"""LSGAN."""

from typing import Any

from gan_lightning.losses import LeastSquaresLoss
from gan_lightning.modules.dcgan import DCGAN


class LSGAN(DCGAN):
    """Least squares GAN (Mao et al., 2017, arXiv:1611.04076): DCGAN's networks, another loss.

    Args:
        kwargs: For :class:`~gan_lightning.modules.dcgan.DCGAN`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss = LeastSquaresLoss()
