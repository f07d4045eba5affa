"""SAGAN: pixels attend to all others, and both players are spectrally normalised.

    y = γ v(h(x) softmax(f(x)ᵀ g(x))) + x at one resolution, in the game of SNGAN; D learns four times as fast as G.

Good where distant parts of an image must agree, as in faces and objects.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.optimizers import Adam, PlayerOptimizer
from gan_lightning.losses import AdversarialLoss, HingeLoss
from gan_lightning.networks import ResNetGenerator, choose_discriminator, spectral_normalize
from gan_lightning.networks.choice import Networks
from gan_lightning.parts import describe


class SAGAN(AdversarialModule):
    """Self-attention GAN (Zhang et al., 2018, arXiv:1805.08318): SNGAN with attention, spectral norms in G, too.

    The paper's G and D know the class; these do not.

    Args:
        image_shape, latent_dim, width, max_width, norm, networks: See :class:`~gan_lightning.modules.sngan.SNGAN`.
        attention: How often the resolution of the images is halved where pixels attend to each other, in both players.
        loss, lr, betas, discriminator_optimizer: As those of :class:`~gan_lightning.base.AdversarialModule`.
        kwargs: For the base.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 128,
        width: int = 64,
        max_width: int = 1024,
        norm: str = "batch",
        attention: int = 1,
        networks: Networks = "residual",
        loss: AdversarialLoss = describe(HingeLoss),
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.0, 0.9),
        discriminator_optimizer: PlayerOptimizer = describe(Adam, lr=4e-4),
        **kwargs: Any,
    ) -> None:
        own: dict[str, Any] = {"lr": lr, "betas": betas, "discriminator_optimizer": discriminator_optimizer}
        super().__init__(
            spectral_normalize(ResNetGenerator(image_shape, latent_dim, width, max_width, norm, attention)),
            spectral_normalize(choose_discriminator(networks, image_shape, width, max_width, attention)),
            loss,
            latent_dim=latent_dim,
            **own,
            **kwargs,
        )
