"""BigGAN: SAGAN that knows the class, whose every block sees a part of the latent.

    Norms of G have scales and shifts linear in (embedding of y, part of z); D(x, y) = yᵀVφ(x) + ψ(φ(x)); hinge loss.

Good for many classes; truncation of latents trades diversity for quality. As the paper says, all layers of G have a
spectral norm; the authors' later code spares the embedding of classes.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.optimizers import Adam, PlayerOptimizer
from gan_lightning.losses import AdversarialLoss, HingeLoss
from gan_lightning.networks import (
    BigGANGenerator,
    Projection,
    choose_discriminator,
    init_orthogonal,
    spectral_normalize,
)
from gan_lightning.networks.choice import Networks
from gan_lightning.parts import describe


class BigGAN(AdversarialModule):
    """A small BigGAN (Brock et al., 2018, arXiv:1809.11096): SAGAN that knows the class; each block sees the latent.

    Args:
        image_shape, num_classes, latent_dim, embedding_dim, width, max_width, norm, attention: Of both networks.
        networks: See :class:`~gan_lightning.modules.sngan.SNGAN`.
        loss, n_critic, lr, betas, discriminator_optimizer, kwargs: See :class:`~gan_lightning.base.AdversarialModule`.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int = 10,
        latent_dim: int = 120,
        embedding_dim: int = 128,
        width: int = 64,
        max_width: int = 1024,
        norm: str = "batch",
        attention: int | None = 1,
        networks: Networks = "residual",
        loss: AdversarialLoss = describe(HingeLoss),
        n_critic: int = 2,
        lr: float = 5e-5,
        betas: tuple[float, float] = (0.0, 0.999),
        discriminator_optimizer: PlayerOptimizer = describe(Adam, lr=2e-4),
        **kwargs: Any,
    ) -> None:
        generator = BigGANGenerator(
            image_shape, num_classes, latent_dim, embedding_dim, width, max_width, norm, attention
        )
        judge = Projection(choose_discriminator(networks, image_shape, width, max_width, attention), num_classes)
        own: dict[str, Any] = {"latent_dim": latent_dim, "n_critic": n_critic, "lr": lr, "betas": betas}
        own |= {"discriminator_optimizer": discriminator_optimizer}
        super().__init__(
            spectral_normalize(generator), spectral_normalize(init_orthogonal(judge)), loss, **own, **kwargs
        )
