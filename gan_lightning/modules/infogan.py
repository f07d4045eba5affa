"""InfoGAN: a part of the latent that D can read back, without labels.

    min_{G,Q} max_D V(D, G) - λ E[log Q(c|G(z, c))], a bound of the mutual information I(c; G(z, c)).

Good for finding kinds and styles in images without labels.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss, NonSaturatingLoss
from gan_lightning.networks import DCGANDiscriminator, DCGANGenerator
from gan_lightning.parts import describe
from gan_lightning.stabilizers import MutualInformation


class InfoGAN(AdversarialModule):
    """GAN with codes that images must show (Chen et al., 2016, arXiv:1606.03657), with the networks of DCGAN.

    Args:
        image_shape, width, norm: See :class:`~gan_lightning.modules.dcgan.DCGAN`.
        latent_dim: Features of a latent, of which the last are the codes and the others noise.
        information: What the codes are, and how much they weigh.
        loss, stabilizers: As those of :class:`~gan_lightning.base.AdversarialModule`.
        kwargs: For the base.
    """

    adjustable = AdversarialModule.adjustable | {"information"}

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 74,
        width: int = 64,
        norm: str = "batch",
        information: MutualInformation = describe(MutualInformation),
        loss: AdversarialLoss = describe(NonSaturatingLoss),
        stabilizers: list[Stabilizer] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            DCGANGenerator(image_shape, latent_dim, width, norm),
            DCGANDiscriminator(image_shape, width, norm),
            loss,
            stabilizers=[MutualInformation.rebuild(information), *(stabilizers or [])],
            latent_dim=latent_dim,
            **kwargs,
        )
