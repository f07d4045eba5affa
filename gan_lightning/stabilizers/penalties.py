"""Regularisers of the discriminator: scalars that D's loss adds."""

import math

import torch
from torch import Tensor

from gan_lightning.arguments import check_counts, check_weights
from gan_lightning.game import Move, Side, Stabilizer, Terms, input_gradient


class R1(Stabilizer):
    """Zero-centred penalty on reals (Mescheder et al., 2018, arXiv:1801.04406, eq. 9): γ/2 E‖∇D(x)‖².

    Args:
        weight: γ at the start, at least 0.
        every: The penalty is added only every so many updates of D, and weighs that many times as much.
        final_weight: γ at the end of annealing, at least 0; None for that of the start.
        anneal_steps: Updates of G over which γ goes from the one to the other, along half a cosine (Huang et al., 2024,
            arXiv:2501.05441, appendix).

    Raises:
        ValueError: If a number is out of its range.
    """

    per_image = True
    slope_of: Side = "real"
    name = "r1"

    def __init__(
        self, weight: float = 10.0, every: int = 1, final_weight: float | None = None, anneal_steps: int = 10_000
    ) -> None:
        super().__init__()
        check_weights(weight=weight, final_weight=weight if final_weight is None else final_weight)
        check_counts(every=every, anneal_steps=anneal_steps)
        self.weight = weight
        self.every = every
        self.final_weight = final_weight
        self.anneal_steps = anneal_steps

    def discriminator_terms(self, move: Move) -> Terms:
        """``r1``, or ``r2``."""
        penalty = move.slope(self.slope_of).square().sum(1).mean()
        return {self.name: self._weight(move.step) / 2 * penalty}

    def _weight(self, step: int) -> float:
        """γ after so many updates of G."""
        if self.final_weight is None:
            return self.weight
        done = min(step / self.anneal_steps, 1.0)
        return self.final_weight + (self.weight - self.final_weight) * (1 + math.cos(math.pi * done)) / 2


class R2(R1):
    """R1 on fakes (Mescheder et al., 2018, arXiv:1801.04406, eq. 10): γ/2 E‖∇D(G(z))‖².

    Args:
        weight, every, final_weight, anneal_steps: See :class:`R1`.
    """

    slope_of: Side = "fake"
    name = "r2"


class GradientPenalty(Stabilizer):
    """WGAN-GP's two-sided penalty on interpolates (Gulrajani et al., 2017, arXiv:1704.00028, eq. 3): λ E(‖∇D‖ - 1)².

    Args:
        weight: λ, at least 0.

    Raises:
        ValueError: If the weight is out of its range.
    """

    per_image = True

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__()
        check_weights(weight=weight)
        self.weight = weight

    def discriminator_terms(self, move: Move) -> Terms:
        """``gradient_penalty``."""
        mix = move.draws.uniform(len(move.real), 1, 1, 1).to(move.real)
        return {"gradient_penalty": self.weight * _off_one(move, torch.lerp(move.fake, move.real, mix))}


class DRAGAN(Stabilizer):
    """A two-sided penalty around the reals (Kodali et al., 2017, arXiv:1705.07215, section 2.3): λ E(‖∇D(x + δ)‖ - 1)².

    As in the authors' code, x + δ lies on the segment from x to x + c s u, at a uniform place, with u from U(0, 1) for
    each pixel; s, the standard deviation of the pixels, is here that of the image, and not of the batch, so that a
    batch may be split.

    Args:
        weight: λ, at least 0.
        perturbation: c, at least 0.

    Raises:
        ValueError: If a number is out of its range.
    """

    per_image = True

    def __init__(self, weight: float = 10.0, perturbation: float = 0.5) -> None:
        super().__init__()
        check_weights(weight=weight, perturbation=perturbation)
        self.weight = weight
        self.perturbation = perturbation

    def discriminator_terms(self, move: Move) -> Terms:
        """``dragan``."""
        scale = self.perturbation * move.real.flatten(1).std(dim=1, correction=0).view(-1, 1, 1, 1)
        place = move.draws.uniform(len(move.real), 1, 1, 1).to(move.real)
        shift = scale * place * move.draws.uniform_like(move.real)
        return {"dragan": self.weight * _off_one(move, move.real + shift)}


class Drift(Stabilizer):
    """Keeps the logits of reals near 0 (Karras et al., 2017, arXiv:1710.10196, appendix A.1): ε E[D(x)²].

    Args:
        weight: ε, at least 0.

    Raises:
        ValueError: If the weight is out of its range.
    """

    def __init__(self, weight: float = 1e-3) -> None:
        super().__init__()
        check_weights(weight=weight)
        self.weight = weight

    def discriminator_terms(self, move: Move) -> Terms:
        """``drift``."""
        return {"drift": self.weight * move.on_real.logits.square().mean()}


def _off_one(move: Move, images: Tensor) -> Tensor:
    """E(‖∇D‖ - 1)², a scalar."""
    # Tensor.norm has gradient 0 at 0, where sqrt(sum(x ** 2)) gives NaN.
    norms: Tensor = input_gradient(move.judge, images, move.labels).norm(dim=1)
    return (norms - 1).square().mean()
