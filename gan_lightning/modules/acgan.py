"""ACGAN: D names the class of an image besides judging it.

    min_D L_S - E[log C(y|x)], min_G L_S' - E[log C(y|G(z, y))], with L_S and L_S' of the first GAN's game.

Good for few classes that are easily told apart; G is led away from images that are hard to classify.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss, NonSaturatingLoss
from gan_lightning.networks import ConcatLabels, DCGANDiscriminator, DCGANGenerator
from gan_lightning.networks.shapes import joined, read_classes
from gan_lightning.parts import describe
from gan_lightning.stabilizers import AuxiliaryClassifier


class ACGAN(AdversarialModule):
    """Auxiliary classifier GAN (Odena et al., 2016, arXiv:1610.09585): D names the class, too; networks of DCGAN.

    Args:
        image_shape, num_classes, latent_dim, embedding_dim, width, norm: See
            :class:`~gan_lightning.modules.conditional_dcgan.ConditionalDCGAN`.
        class_weight: Of the cross-entropy of the class, on reals in D's loss and on fakes in G's, at least 0.
        fake_class_weight: Likewise, on fakes in D's loss.
        loss, stabilizers: As those of :class:`~gan_lightning.base.AdversarialModule`.
        kwargs: For the base.
    """

    adjustable = AdversarialModule.adjustable | {"class_weight", "fake_class_weight"}

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int = 10,
        latent_dim: int = 100,
        embedding_dim: int = 50,
        width: int = 64,
        norm: str = "batch",
        class_weight: float = 1.0,
        fake_class_weight: float = 0.0,
        loss: AdversarialLoss = describe(NonSaturatingLoss),
        stabilizers: list[Stabilizer] | None = None,
        **kwargs: Any,
    ) -> None:
        classes = read_classes(num_classes)
        generator = DCGANGenerator(image_shape, joined(latent_dim=latent_dim, embedding_dim=embedding_dim), width, norm)
        super().__init__(
            ConcatLabels(generator, classes, embedding_dim, init_std=0.1),
            DCGANDiscriminator(image_shape, width, norm),
            loss,
            stabilizers=[AuxiliaryClassifier(classes, class_weight, fake_class_weight), *(stabilizers or [])],
            latent_dim=latent_dim,
            **kwargs,
        )
