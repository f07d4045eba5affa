"""WGAN-GP: the critic's gradient, not its weights, keeps it 1-Lipschitz.

    min_D E[D(G(z))] - E[D(x)] + λ E[(‖∇D(x̂)‖ - 1)²] with x̂ between x and G(z), min_G -E[D(G(z))].

Good where a game must not diverge, whatever the networks; each of D's updates costs more than twice the time.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss, WassersteinLoss
from gan_lightning.networks import ResNetDiscriminator, ResNetGenerator
from gan_lightning.parts import describe
from gan_lightning.stabilizers import GradientPenalty


class WGANGP(AdversarialModule):
    """Wasserstein GAN with gradient penalty (Gulrajani et al., 2017, arXiv:1704.00028): residual, no norm in D.

    Args:
        image_shape: (C, H, W); H and W as those of :class:`~gan_lightning.modules.sngan.SNGAN`.
        latent_dim, n_critic, lr, betas, loss, kwargs: As those of :class:`~gan_lightning.base.AdversarialModule`.
        width: Feature maps at full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        norm: Normalisation of G: "batch" or "none".
        gradient_penalty_weight: λ, at least 0.
        stabilizers: What is added to the game, besides the penalty.
    """

    adjustable = AdversarialModule.adjustable | {"gradient_penalty_weight"}

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 128,
        width: int = 64,
        max_width: int = 1024,
        norm: str = "batch",
        gradient_penalty_weight: float = 10.0,
        loss: AdversarialLoss = describe(WassersteinLoss),
        stabilizers: list[Stabilizer] | None = None,
        n_critic: int = 5,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.0, 0.9),
        **kwargs: Any,
    ) -> None:
        own: dict[str, Any] = {"latent_dim": latent_dim, "n_critic": n_critic, "lr": lr, "betas": betas}
        super().__init__(
            ResNetGenerator(image_shape, latent_dim, width, max_width, norm),
            ResNetDiscriminator(image_shape, width, max_width),
            loss,
            stabilizers=[GradientPenalty(gradient_penalty_weight), *(stabilizers or [])],
            **own,
            **kwargs,
        )
