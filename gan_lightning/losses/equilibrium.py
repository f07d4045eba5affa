"""The loss of BEGAN."""

import torch
from torch import Tensor

from gan_lightning.arguments import check_positive, check_weights
from gan_lightning.game import Update
from gan_lightning.losses.adversarial import AdversarialLoss


class BoundaryEquilibriumLoss(AdversarialLoss):
    """A game in which a controller keeps D and G in balance (Berthelot et al., 2017, arXiv:1703.10717, section 3.4).

    D is an autoencoder, whose logit is minus its error: L(x) = -D(x). The weight k of fakes in D's loss moves after
    each of D's updates, by the errors of that update.

    Args:
        diversity: γ = E L(G(z)) / E L(x), which the controller aims at, above 0: lower ones give better images that are
            more alike. The paper's are in [0.3, 0.7].
        step: λ_k, of the controller, at least 0.

    Attributes:
        k: A buffer, in [0, 1].

    Raises:
        ValueError: If a number is out of its range.
    """

    k: Tensor

    def __init__(self, diversity: float = 0.75, step: float = 1e-3) -> None:
        super().__init__()
        check_positive(diversity=diversity)
        check_weights(step=step)
        self.diversity = diversity
        self.step = step
        self.register_buffer("k", torch.zeros(()))

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self.k * fake_logits.mean() - real_logits.mean()  # L_D = L(x) - k L(G(z))

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -fake_logits.mean()  # L_G = L(G(z))

    @torch.no_grad()
    def after(self, update: Update) -> None:
        """Move k by λ_k (γ L(x) - L(G(z))), within [0, 1]."""
        if update.real_logits is not None:
            balance = self._balance(update.real_logits, update.fake_logits)
            self.k.add_(self.step * update.mean(balance).to(self.k)).clamp_(0, 1)

    def _balance(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """γ L(x) - L(G(z)), a scalar."""
        return fake_logits.mean() - self.diversity * real_logits.mean()

    def readings(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        """Errors of reals and fakes, k, and ``M = L(x) + |γ L(x) - L(G(z))|``, which falls as the game converges."""
        real, fake = -real_logits.mean(), -fake_logits.mean()
        convergence = real + self._balance(real_logits, fake_logits).abs()  # M, section 3.4.1
        return {"x": real, "gz": fake, "k": self.k, "convergence": convergence}
