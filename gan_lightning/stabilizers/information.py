"""Codes in the latent that images must show."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from gan_lightning.arguments import check_counts, check_weights
from gan_lightning.game import Move, Stabilizer, Terms
from gan_lightning.networks.heads import with_heads


class MutualInformation(Stabilizer):
    """Both players maximise a bound of the information between codes and images (Chen et al., 2016, arXiv:1606.03657).

    The codes are the last features of a latent: one of K categories, one-hot, then continuous ones. D gets the heads
    "category", K logits, and "continuous", the means of Gaussians of variance 1, unless it has them. The terms are
    -λ E[log Q(c|G(z, c))], without constants: those of L_I (eq. 5), and H(c).

    Args:
        categories: K.
        continuous: Number of continuous codes.
        categorical_weight: λ of the category, at least 0.
        continuous_weight: λ of the continuous codes, at least 0.

    Raises:
        TypeError: If D neither names the heads nor returns its features.
        ValueError: If a number is out of its range; when latents are drawn, if they are too short for the codes.
    """

    def __init__(
        self, categories: int = 10, continuous: int = 2, categorical_weight: float = 1.0, continuous_weight: float = 0.1
    ) -> None:
        super().__init__()
        check_counts(categories=categories, continuous=continuous)
        check_weights(categorical_weight=categorical_weight, continuous_weight=continuous_weight)
        self.categories = categories
        self.continuous = continuous
        self.categorical_weight = categorical_weight
        self.continuous_weight = continuous_weight
        self.codes = categories + continuous

    def wrap(self, discriminator: nn.Module) -> nn.Module:
        """Add the heads."""
        return with_heads(discriminator, {"category": self.categories, "continuous": self.continuous})

    def attach(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Refuse a G whose latents are too short for the codes."""
        check_counts(self.codes, latent_dim=getattr(generator, "latent_dim", self.codes))

    def prior(self, latents: Tensor, generator: Generator | None) -> Tensor:
        """Put codes in place of the last features: a one-hot category, and numbers from U(-1, 1)."""
        check_counts(self.codes, latent_dim=latents.shape[1])
        category, continuous = self._codes(latents)
        drawn = torch.randint(self.categories, (len(latents),), generator=generator, device=latents.device)
        category.copy_(one_hot(drawn, self.categories))
        continuous.uniform_(-1, 1, generator=generator)
        return latents

    def _codes(self, latents: Tensor) -> Sequence[Tensor]:
        """The category, (N, categories), and the continuous codes, (N, continuous), of latents."""
        codes = latents[:, -self.codes :]
        parts: Sequence[Tensor] = codes.split([self.categories, self.continuous], dim=1)
        return parts

    def discriminator_terms(self, move: Move) -> Terms:
        """``category`` and ``continuous``."""
        category, continuous = self._codes(move.latents)
        logits, means = (move.on_fake.head(name, self) for name in ("category", "continuous"))
        error = (means - continuous).square().sum(1) / 2
        return {
            "category": self.categorical_weight * cross_entropy(logits, category),
            "continuous": self.continuous_weight * error.mean(),
        }

    def generator_terms(self, move: Move) -> Terms:
        """The same, of G's fakes."""
        return self.discriminator_terms(move)
