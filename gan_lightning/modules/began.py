"""BEGAN: D is an autoencoder, which rebuilds reals well and fakes badly.

    min_D L(x) - k L(G(z)), min_G L(G(z)), k ← k + λ_k (γ L(x) - L(G(z))), with L(v) = |v - D(v)|.

Good for smooth images and a measure of convergence; at low γ samples are alike.
"""

from typing import Any, Literal

from gan_lightning.arguments import check_choice
from gan_lightning.base import AdversarialModule
from gan_lightning.losses import AdversarialLoss, BoundaryEquilibriumLoss
from gan_lightning.networks import BEGANDiscriminator, BEGANGenerator, DCGANAutoencoder, DCGANGenerator
from gan_lightning.parts import describe

NETWORKS: dict[str, tuple[Any, Any]] = {
    "began": (BEGANGenerator, BEGANDiscriminator),
    "dcgan": (DCGANGenerator, DCGANAutoencoder),
}
"""G and D by name."""


class BEGAN(AdversarialModule):
    """Boundary equilibrium GAN (Berthelot et al., 2017, arXiv:1703.10717): D is an autoencoder.

    Args:
        image_shape: (C, H, W); H and W as those of :class:`~gan_lightning.modules.sngan.SNGAN`.
        latent_dim: Features of a latent.
        hidden_dim: Features of D's code; None for as many as a latent's, as in the paper.
        width: Feature maps at full resolution; of DCGAN's networks, at half of it.
        networks: "began", the paper's, or "dcgan", whose D learns to rebuild images in far fewer updates.
        loss: What each player minimises; it holds the balance, too.
        lr, betas, prior: As those of :class:`~gan_lightning.base.AdversarialModule`.
        kwargs: For the base.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 64,
        hidden_dim: int | None = None,
        width: int = 64,
        networks: Literal["began", "dcgan"] = "began",
        loss: AdversarialLoss = describe(BoundaryEquilibriumLoss),
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        prior: Literal["normal", "uniform"] = "uniform",
        **kwargs: Any,
    ) -> None:
        own: dict[str, Any] = {"lr": lr, "betas": betas, "prior": prior}
        check_choice([*NETWORKS], networks=networks)
        generator, discriminator = NETWORKS[networks]
        super().__init__(
            generator(image_shape, latent_dim, width),
            discriminator(image_shape, latent_dim if hidden_dim is None else hidden_dim, width),
            loss,
            latent_dim=latent_dim,
            **own,
            **kwargs,
        )
