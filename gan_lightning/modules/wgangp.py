"""WGAN-GP."""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.losses import WassersteinLoss
from gan_lightning.networks import ResNetDiscriminator, ResNetGenerator


class WGANGP(AdversarialModule):
    """Wasserstein GAN with gradient penalty (Gulrajani et al., 2017, arXiv:1704.00028): residual, no norm in D.

    Args:
        image_shape: (C, H, W) of the images: square, and 4, 5, 6 or 7 times a power of two wide.
        latent_dim: Features of a latent.
        width: Feature maps at full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        norm: Normalisation of G: "batch" or "none".
        gradient_penalty_weight: λ.
        n_critic, lr, betas, kwargs: For :class:`~gan_lightning.base.AdversarialModule`.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 128,
        width: int = 64,
        max_width: int = 1024,
        norm: str = "batch",
        gradient_penalty_weight: float = 10.0,
        n_critic: int = 5,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.0, 0.9),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ResNetGenerator(image_shape, latent_dim, width, max_width, norm),
            ResNetDiscriminator(image_shape, width, max_width),
            WassersteinLoss(),
            latent_dim=latent_dim,
            gradient_penalty_weight=gradient_penalty_weight,
            n_critic=n_critic,
            lr=lr,
            betas=betas,
            **kwargs,
        )
