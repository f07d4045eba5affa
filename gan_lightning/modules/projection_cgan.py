"""cGAN with projection: SNGAN whose discriminator compares an image with its class.

    D(x, y) = yᵀVφ(x) + ψ(φ(x)), and norms of G whose scale and shift depend on y; hinge loss.

Good for classes of any number: D need not name the class, so that samples keep their variety within it.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.losses import AdversarialLoss, HingeLoss
from gan_lightning.networks import (
    ConditionalResNetGenerator,
    Projection,
    choose_discriminator,
    spectral_normalize,
)
from gan_lightning.networks.choice import Networks
from gan_lightning.parts import describe


class ProjectionCGAN(AdversarialModule):
    """cGAN with projection (Miyato and Koyama, 2018, arXiv:1802.05637): SNGAN whose D and whose norms know the class.

    Args:
        image_shape, latent_dim, width, max_width, networks: See :class:`~gan_lightning.modules.sngan.SNGAN`.
        num_classes: Labels are in [0, num_classes).
        norm: Normalisation of G, which the class scales and shifts: "batch" or "none".
        loss, betas: As those of :class:`~gan_lightning.base.AdversarialModule`.
        kwargs: For the base.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int = 10,
        latent_dim: int = 128,
        width: int = 64,
        max_width: int = 1024,
        norm: str = "batch",
        networks: Networks = "residual",
        loss: AdversarialLoss = describe(HingeLoss),
        betas: tuple[float, float] = (0.0, 0.9),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ConditionalResNetGenerator(image_shape, num_classes, latent_dim, width, max_width, norm),
            spectral_normalize(Projection(choose_discriminator(networks, image_shape, width, max_width), num_classes)),
            loss,
            latent_dim=latent_dim,
            betas=betas,
            **kwargs,
        )
