"""cGAN: the first GAN, told the class.

    min_D -E[log D(x|y)] - E[log(1 - D(G(z|y)|y))], min_G -E[log D(G(z|y)|y)].

Good for a first look at conditioning; its images are as grainy as the first GAN's.
"""

import math
from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.losses import AdversarialLoss, NonSaturatingLoss
from gan_lightning.networks import ConcatLabels, MLPDiscriminator, MLPGenerator
from gan_lightning.networks.shapes import joined
from gan_lightning.parts import describe


class CGAN(AdversarialModule):
    """Conditional GAN of multi-layer perceptrons (Mirza and Osindero, 2014, arXiv:1411.1784).

    Args:
        image_shape: (C, H, W) of the images, of any size.
        num_classes: Labels are in [0, num_classes).
        latent_dim: Features of a latent.
        embedding_dim: Features of the label that each player concatenates to its input.
        norm: Normalisation of G: "batch" or "none".
        dropout_prob: Of D's hidden units, in [0, 1).
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
        norm: str = "batch",
        dropout_prob: float = 0.3,
        loss: AdversarialLoss = describe(NonSaturatingLoss),
        **kwargs: Any,
    ) -> None:
        generator = MLPGenerator(image_shape, joined(latent_dim=latent_dim, embedding_dim=embedding_dim), norm=norm)
        discriminator = MLPDiscriminator(math.prod(generator.image_shape) + embedding_dim, dropout_prob=dropout_prob)
        super().__init__(
            ConcatLabels(generator, num_classes, embedding_dim, init_std=0.1),
            ConcatLabels(discriminator, num_classes, embedding_dim),
            loss,
            latent_dim=latent_dim,
            **kwargs,
        )
