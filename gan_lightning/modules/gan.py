"""The first GAN: two multi-layer perceptrons.

    min_D -E[log D(x)] - E[log(1 - D(G(z)))], min_G -E[log D(G(z))].

Good for a first look, and for data without spatial structure: it is the quickest, and its images are grainy.
"""

import math
from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.losses import AdversarialLoss, NonSaturatingLoss
from gan_lightning.networks import MLPDiscriminator, MLPGenerator
from gan_lightning.parts import describe


class GAN(AdversarialModule):
    """The first GAN, of two multi-layer perceptrons (Goodfellow et al., 2014, arXiv:1406.2661).

    Args:
        image_shape: (C, H, W) of the images, of any size.
        latent_dim: Features of a latent.
        norm: Normalisation of G: "batch" or "none".
        dropout_prob: Of D's hidden units, in [0, 1).
        loss: What each player minimises.
        kwargs: For :class:`~gan_lightning.base.AdversarialModule`.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 100,
        norm: str = "batch",
        dropout_prob: float = 0.3,
        loss: AdversarialLoss = describe(NonSaturatingLoss),
        **kwargs: Any,
    ) -> None:
        generator = MLPGenerator(image_shape, latent_dim, norm=norm)
        super().__init__(
            generator,
            MLPDiscriminator(math.prod(generator.image_shape), dropout_prob=dropout_prob),
            loss,
            latent_dim=latent_dim,
            **kwargs,
        )
