"""Conditional DCGAN: convolutions that know the class.

    min_D -E[log D(x|y)] - E[log(1 - D(G(z|y)|y))], min_G -E[log D(G(z|y)|y)].

Good for a quick conditional result on small images.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.losses import AdversarialLoss, NonSaturatingLoss
from gan_lightning.networks import ConcatLabels, DCGANDiscriminator, DCGANGenerator, LabelPlanes
from gan_lightning.networks.shapes import joined, with_planes
from gan_lightning.parts import describe


class ConditionalDCGAN(AdversarialModule):
    """DCGAN (arXiv:1511.06434) conditioned as cGAN is (arXiv:1411.1784): D sees one more channel a class.

    Args:
        image_shape: (C, H, W) of the images, H and W at least 8; they need not be equal, nor even.
        num_classes: Labels are in [0, num_classes).
        latent_dim: Features of a latent.
        embedding_dim: Features of the label that G concatenates to its latent.
        width: Feature maps at half the resolution of the images.
        norm: Normalisation of both players: "batch" or "none".
        loss: What each player minimises.
        kwargs: For :class:`~gan_lightning.base.AdversarialModule`.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int = 10,
        latent_dim: int = 100,
        embedding_dim: int = 50,
        width: int = 64,
        norm: str = "batch",
        loss: AdversarialLoss = describe(NonSaturatingLoss),
        **kwargs: Any,
    ) -> None:
        features = joined(latent_dim=latent_dim, embedding_dim=embedding_dim)
        generator = DCGANGenerator(image_shape, features, width, norm)
        discriminator = DCGANDiscriminator(with_planes(image_shape, num_classes), width, norm)
        super().__init__(
            ConcatLabels(generator, num_classes, embedding_dim, init_std=0.1),
            LabelPlanes(discriminator, num_classes),
            loss,
            latent_dim=latent_dim,
            **kwargs,
        )
