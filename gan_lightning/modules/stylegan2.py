"""StyleGAN2: a network maps latents to styles, which modulate each convolution.

    min_D E[softplus(D(G(z)))] + E[softplus(-D(x))] + γ/2 E‖∇D(x)‖², min_G E[softplus(-D(G(z)))] + E(‖J_wᵀy‖ - a)².

Good for quality, for walks and edits in the space of styles, and truncation; it is slow, and wants long trainings.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss, NonSaturatingLoss
from gan_lightning.networks import StyleGAN2Discriminator, StyleGAN2Generator
from gan_lightning.parts import describe
from gan_lightning.stabilizers import R1, PathLength


class StyleGAN2(AdversarialModule):
    """A small StyleGAN2 (Karras et al., 2019, arXiv:1912.04958), whose ``truncation`` is of styles, in [0, 1].

    Args:
        image_shape, latent_dim, width, max_width, mapping_layers, mixing_prob, noise, group_size: Of both networks.
        penalty_weight, path_length_weight: Of R1, every 16 updates of D, and of the path length, every 8 of G.
        loss, stabilizers, lr, betas, kwargs: As those of :class:`~gan_lightning.base.AdversarialModule`.
    """

    adjustable = AdversarialModule.adjustable | {"penalty_weight", "path_length_weight"}

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 256,
        width: int = 64,
        max_width: int = 512,
        mapping_layers: int = 8,
        mixing_prob: float = 0.9,
        noise: float = 1.0,
        group_size: int = 4,
        penalty_weight: float = 0.01,
        path_length_weight: float = 2.0,
        loss: AdversarialLoss = describe(NonSaturatingLoss),
        stabilizers: list[Stabilizer] | None = None,
        lr: float = 2.5e-3,
        betas: tuple[float, float] = (0.0, 0.99),
        **kwargs: Any,
    ) -> None:
        own: dict[str, Any] = {"latent_dim": latent_dim, "lr": lr, "betas": betas}
        super().__init__(
            StyleGAN2Generator(image_shape, latent_dim, width, max_width, mapping_layers, mixing_prob, noise),
            StyleGAN2Discriminator(image_shape, width, max_width, group_size),
            loss,
            stabilizers=[R1(penalty_weight, every=16), PathLength(path_length_weight, every=8), *(stabilizers or [])],
            **own,
            **kwargs,
        )
