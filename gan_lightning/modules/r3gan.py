"""R3GAN: relativistic pairing with penalties on reals and fakes, and no tricks.

    min_D E[softplus(D(G(z)) - D(x))] + γ/2 (E‖∇D(x)‖² + E‖∇D(G(z))‖²), min_G E[softplus(D(x) - D(G(z)))].

Good against collapse: the game converges locally, and covers modes that others drop. Of the authors' recipe γ is
annealed here; learning rate, betas and the average's decay stay as they are.
"""

from typing import Any

from gan_lightning.base import AdversarialModule
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss, RelativisticLoss
from gan_lightning.networks import R3GANDiscriminator, R3GANGenerator
from gan_lightning.parts import describe
from gan_lightning.stabilizers import R1, R2


class R3GAN(AdversarialModule):
    """A small R3GAN (Huang et al., 2024, arXiv:2501.05441): relativistic pairing, R1 and R2, networks without norms.

    Args:
        image_shape, latent_dim, width, max_width: See :class:`~gan_lightning.networks.R3GANGenerator`.
        penalty_weight: γ of R1 and R2 at the start, at least 0.
        final_penalty_weight: γ at the end, at least 0; None for that of the start.
        anneal_steps: Updates of G over which γ goes from the one to the other.
        loss, stabilizers, betas: As those of :class:`~gan_lightning.base.AdversarialModule`.
        kwargs: For the base.
    """

    adjustable = AdversarialModule.adjustable | {"penalty_weight", "final_penalty_weight", "anneal_steps"}

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 64,
        width: int = 64,
        max_width: int = 512,
        penalty_weight: float = 0.1,
        final_penalty_weight: float | None = 0.01,
        anneal_steps: int = 10_000,
        loss: AdversarialLoss = describe(RelativisticLoss),
        stabilizers: list[Stabilizer] | None = None,
        betas: tuple[float, float] = (0.0, 0.99),
        **kwargs: Any,
    ) -> None:
        penalties = [kind(penalty_weight, 1, final_penalty_weight, anneal_steps) for kind in (R1, R2)]
        super().__init__(
            R3GANGenerator(image_shape, latent_dim, width, max_width),
            R3GANDiscriminator(image_shape, width, max_width),
            loss,
            stabilizers=[*penalties, *(stabilizers or [])],
            latent_dim=latent_dim,
            betas=betas,
            **kwargs,
        )
