"""WGAN: the critic estimates the earth mover's distance, with its weights clipped.

    max_D E[D(x)] - E[D(G(z))] with |w| ≤ c for each weight w of D, min_G -E[D(G(z))].

Good for study: the loss of the critic follows the quality of samples. Clipping makes it slow; see WGAN-GP.
"""

from typing import Any

from gan_lightning.engine.optimizers import PlayerOptimizer, RMSprop
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss, WassersteinLoss
from gan_lightning.modules.dcgan import DCGAN
from gan_lightning.parts import describe
from gan_lightning.stabilizers import WeightClipping


class WGAN(DCGAN):
    """Wasserstein GAN with weight clipping (Arjovsky et al., 2017, arXiv:1701.07875, algorithm 1): DCGAN's networks.

    Args:
        clip_value: After each update of D its parameters are clipped to [-clip_value, clip_value].
        loss: What each player minimises.
        stabilizers: What is added to the game, besides the clipping.
        n_critic: Updates of D in each update of G.
        lr: Learning rate of both players.
        betas: None: RMSprop has none.
        generator_optimizer, discriminator_optimizer: How the players learn.
        kwargs: For :class:`~gan_lightning.modules.dcgan.DCGAN`.
    """

    adjustable = DCGAN.adjustable | {"clip_value"}

    def __init__(
        self,
        *,
        clip_value: float = 0.01,
        loss: AdversarialLoss = describe(WassersteinLoss),
        stabilizers: list[Stabilizer] | None = None,
        n_critic: int = 5,
        lr: float = 5e-5,
        betas: tuple[float, float] | None = None,
        generator_optimizer: PlayerOptimizer = describe(RMSprop),
        discriminator_optimizer: PlayerOptimizer = describe(RMSprop),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            loss=loss,
            stabilizers=[WeightClipping(clip_value), *(stabilizers or [])],
            n_critic=n_critic,
            lr=lr,
            betas=betas,
            generator_optimizer=generator_optimizer,
            discriminator_optimizer=discriminator_optimizer,
            **kwargs,
        )
