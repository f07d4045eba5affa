"""SNGAN: weights of spectral norm 1 keep D smooth.

    min_D E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))], min_G -E[D(G(z))], with W / sigma(W) for each weight W of D.

Good for larger images and residual networks, with no penalty to tune; D wants more updates, or a higher learning rate.
On small images a plain D, ``networks: strided``, learns in far fewer updates.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.losses import AdversarialLoss, HingeLoss
from gan_lightning.networks import ResNetGenerator, choose_discriminator, spectral_normalize
from gan_lightning.networks.choice import Networks
from gan_lightning.parts import describe


class SNGAN(AdversarialModule):
    """Spectrally normalised GAN (Miyato et al., 2018, arXiv:1802.05957): hinge loss, residual networks.

    Args:
        image_shape: (C, H, W), H and W at least 8. They need not be equal, but must be multiples of 2 where the shorter
            of them is at most 30, of 4 where it is at most 60, of 8 up to 120, of 16 up to 240, and so on.
        latent_dim: Features of a latent.
        width: Feature maps at full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        norm: Normalisation of G: "batch" or "none".
        networks: "residual"; "mimicry", whose D is that of mimicry's SNGAN (Lee and Town, 2020, arXiv:2005.02494); or
            "strided", whose D is DCGAN's, without norms, like the CNN of the paper's table 3, and ``max_width`` G's.
        loss: What each player minimises.
        betas: Adam's.
        kwargs: For :class:`~gan_lightning.base.AdversarialModule`.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
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
            ResNetGenerator(image_shape, latent_dim, width, max_width, norm),
            spectral_normalize(choose_discriminator(networks, image_shape, width, max_width)),
            loss,
            latent_dim=latent_dim,
            betas=betas,
            **kwargs,
        )
