"""WGAN."""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer, RMSprop

from gan_lightning.checks import check_positive
from gan_lightning.losses import WassersteinLoss
from gan_lightning.modules.dcgan import DCGAN


class WGAN(DCGAN):
    """Wasserstein GAN with weight clipping (Arjovsky et al., 2017, arXiv:1701.07875, algorithm 1): DCGAN's networks.

    Args:
        clip_value: After each update of D its parameters are clipped to [-clip_value, clip_value].
        n_critic: Updates of D in each update of G.
        lr: Learning rate of both players.
        betas: RMSprop's momentum and smoothing constant.
        kwargs: For :class:`~gan_lightning.modules.dcgan.DCGAN`.
    """

    def __init__(
        self,
        *,
        clip_value: float = 0.01,
        n_critic: int = 5,
        lr: float = 5e-5,
        betas: tuple[float, float] = (0.0, 0.99),
        **kwargs: Any,
    ) -> None:
        check_positive(clip_value=clip_value)
        super().__init__(n_critic=n_critic, lr=lr, betas=betas, **kwargs)
        self.loss = WassersteinLoss()
        self.clip_value = clip_value

    def make_optimizer(self, network: nn.Module, lr: float, betas: tuple[float, float]) -> Optimizer:
        """RMSprop, after whose steps D is clipped."""
        optimizer = RMSprop(network.parameters(), lr=lr, momentum=betas[0], alpha=betas[1])
        if network is self.discriminator:
            optimizer.register_step_post_hook(lambda *_: self.clip_discriminator())
        return optimizer

    @torch.no_grad()
    def clip_discriminator(self) -> None:
        """Clip every parameter of D."""
        for parameter in self.discriminator.parameters():
            parameter.clamp_(-self.clip_value, self.clip_value)
