"""DCGAN: strided convolutions and batch norm make the first GAN's game stable.

    min_D -E[log D(x)] - E[log(1 - D(G(z)))], min_G -E[log D(G(z))].

Good for a first result on any images up to 64 px: small, quick and forgiving.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.losses import AdversarialLoss, NonSaturatingLoss
from gan_lightning.networks import DCGANDiscriminator, DCGANGenerator
from gan_lightning.parts import describe


class DCGAN(AdversarialModule):
    """Deep convolutional GAN (Radford et al., 2015, arXiv:1511.06434).

    Args:
        image_shape: (C, H, W) of the images, H and W at least 8; they need not be equal, nor even.
        latent_dim: Features of a latent.
        width: Feature maps at half the resolution of the images.
        norm: Normalisation of both players: "batch" or "none".
        init_std: Standard deviation of the initial weights.
        loss: What each player minimises.
        kwargs: For :class:`~gan_lightning.base.AdversarialModule`.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 100,
        width: int = 64,
        norm: str = "batch",
        init_std: float = 0.02,
        loss: AdversarialLoss = describe(NonSaturatingLoss),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            DCGANGenerator(image_shape, latent_dim, width, norm, init_std=init_std),
            DCGANDiscriminator(image_shape, width, norm, init_std=init_std),
            loss,
            latent_dim=latent_dim,
            **kwargs,
        )
