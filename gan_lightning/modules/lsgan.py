"""LSGAN: DCGAN's networks, which regress targets instead of classifying.

    min_D ½ E[(D(x) - 1)²] + ½ E[D(G(z))²], min_G ½ E[(D(G(z)) - 1)²].

Good where the first GAN's gradient vanishes: fakes far on the right side of D's boundary are pulled back, too.
"""

from typing import Any

from gan_lightning.losses import AdversarialLoss, LeastSquaresLoss
from gan_lightning.modules.dcgan import DCGAN
from gan_lightning.parts import describe


class LSGAN(DCGAN):
    """Least squares GAN (Mao et al., 2017, arXiv:1611.04076): DCGAN's networks, another loss.

    Args:
        loss: What each player minimises.
        kwargs: For :class:`~gan_lightning.modules.dcgan.DCGAN`.
    """

    def __init__(self, *, loss: AdversarialLoss = describe(LeastSquaresLoss), **kwargs: Any) -> None:
        super().__init__(loss=loss, **kwargs)
