"""ProGAN: both networks grow, from small images to large ones.

    min_D E[D(G(z))] - E[D(x)] + λ E[(‖∇D(x̂)‖ - 1)²] + ε E[D(x)²], at each resolution; new layers fade in.

Good for high resolutions: most of the training is cheap, as it is of small images.
"""

from typing import Any

from torch import Tensor

from gan_lightning.base import AdversarialModule
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss, WassersteinLoss
from gan_lightning.networks import ProGANDiscriminator, ProGANGenerator, grow, growth_of
from gan_lightning.parts import describe
from gan_lightning.stabilizers import Drift, GradientPenalty


class GrowingModule(AdversarialModule):
    """A GAN whose networks grow with the real images that D has seen, and are shown these at the size reached."""

    def on_train_start(self) -> None:
        """Look how far the networks have grown: in a run that starts from the weights of another, they grow on."""
        super().on_train_start()
        self._seen_before = max(0, int(growth_of(self).seen) - int(self.images_seen))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Update both players, and grow."""
        super().training_step(batch, batch_idx)
        grow(self, self._seen_before + int(self.images_seen))

    def read(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Images of the level that the networks have grown to, and labels."""
        images, labels = super().read(batch)
        return growth_of(self).shrink(images), labels


class ProGAN(GrowingModule):
    """Progressive growing (Karras et al., 2017, arXiv:1710.10196): both networks grow from small images to large ones.

    Args:
        image_shape, latent_dim, width, max_width, images_per_phase, group_size: Of both networks.
        loss, stabilizers, lr, betas, kwargs: As those of :class:`~gan_lightning.base.AdversarialModule`.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 512,
        width: int = 64,
        max_width: int = 512,
        images_per_phase: int = 200_000,
        group_size: int = 4,
        loss: AdversarialLoss = describe(WassersteinLoss),
        stabilizers: list[Stabilizer] | None = None,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.0, 0.99),
        **kwargs: Any,
    ) -> None:
        own: dict[str, Any] = {"latent_dim": latent_dim, "lr": lr, "betas": betas}
        super().__init__(
            ProGANGenerator(image_shape, latent_dim, width, max_width, images_per_phase),
            ProGANDiscriminator(image_shape, width, max_width, images_per_phase, group_size),
            loss,
            stabilizers=[GradientPenalty(), Drift(), *(stabilizers or [])],
            **own,
            **kwargs,
        )
