"""The objectives of the two players: logits of shape (N,) in, one scalar to minimise out."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from gan_lightning.arguments import check_probabilities
from gan_lightning.parts import Part


class AdversarialLoss(Part, ABC):
    """What each player minimises, given the discriminator's logits.

    Attributes:
        needs_real: Whether :meth:`generator` looks at ``real_logits``; only then are they computed.
    """

    needs_real = False

    @abstractmethod
    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """The discriminator's loss.

        Args:
            real_logits: D(x), (N,).
            fake_logits: D(G(z)), (N,).

        Returns:
            A scalar.
        """

    @abstractmethod
    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """The generator's loss.

        Args:
            fake_logits: D(G(z)), (N,).
            real_logits: D(x), (N,); None unless the loss needs them.

        Returns:
            A scalar.
        """

    def readings(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        """Figures to watch, by name, each in [0, 1].

        The mean probability of "real" that D gives to x and to G(z), and its accuracy, the share of images that it is
        right about.
        """
        right = torch.cat([real_logits > 0, fake_logits < 0])
        return {
            "x": real_logits.sigmoid().mean(),
            "gz": fake_logits.sigmoid().mean(),
            "accuracy": right.float().mean(),
        }


class MinimaxLoss(AdversarialLoss):
    """The saturating two-player game (Goodfellow et al., 2014, arXiv:1406.2661).

    Kept for study: G's gradient vanishes when D is confident.

    Args:
        real_target: The probability of "real" that D learns to give to reals, in [0, 1]; below 1 for label smoothing
            (Salimans et al., 2016, arXiv:1606.03498, section 3.4).
        fake_target: Likewise for fakes; at 0 the smoothing is one-sided.

    Raises:
        ValueError: If a target is out of its range.

    Example:
        >>> import torch
        >>> MinimaxLoss().generator(torch.zeros(4))  # -log 2
        tensor(-0.6931)
    """

    def __init__(self, real_target: float = 1.0, fake_target: float = 0.0) -> None:
        super().__init__()
        check_probabilities(real_target=real_target, fake_target=fake_target)
        self.real_target = real_target
        self.fake_target = fake_target

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        # eq. 1: -E[log D(x)] - E[log(1 - D(G(z)))], with D = sigmoid(logits), for targets of 1 and 0
        return _cross_entropy(real_logits, self.real_target) + _cross_entropy(fake_logits, self.fake_target)

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -softplus(fake_logits).mean()  # eq. 1: E[log(1 - D(G(z)))]


def _cross_entropy(logits: Tensor, target: float) -> Tensor:
    """-E[t log D + (1 - t) log(1 - D)], a scalar; for t of 0 and 1 one of the two terms alone."""
    loss = logits.new_zeros(())
    if target > 0:
        loss = loss + target * softplus(-logits).mean()
    if target < 1:
        loss = loss + (1 - target) * softplus(logits).mean()
    return loss


class NonSaturatingLoss(MinimaxLoss):
    """The non-saturating game (Goodfellow et al., 2014, arXiv:1406.2661, section 3): the default everywhere.

    Args:
        real_target, fake_target: See :class:`MinimaxLoss`.

    Example:
        >>> import torch
        >>> NonSaturatingLoss().discriminator(torch.zeros(4), torch.zeros(4))  # 2 log 2
        tensor(1.3863)
    """

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return softplus(-fake_logits).mean()  # -E[log D(G(z))]


class LeastSquaresLoss(AdversarialLoss):
    """Least squares, by default with targets 1 and 0 (Mao et al., 2017, arXiv:1611.04076, eq. 9).

    Args:
        real_target: b, what D learns to give to reals, and c = b, what G wants D to give to fakes.
        fake_target: a, what D learns to give to fakes.

    Raises:
        ValueError: If the targets are equal, or not finite.
    """

    def __init__(self, real_target: float = 1.0, fake_target: float = 0.0) -> None:
        super().__init__()
        if not math.isfinite(real_target - fake_target) or real_target == fake_target:
            raise ValueError(
                f"real_target and fake_target must be finite and differ, got {real_target} and {fake_target}."
            )
        self.real_target = real_target
        self.fake_target = fake_target

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        real, fake = real_logits - self.real_target, fake_logits - self.fake_target
        return 0.5 * (real.square().mean() + fake.square().mean())  # eq. 2

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return 0.5 * (fake_logits - self.real_target).square().mean()  # eq. 2

    def readings(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        """The means of D(x) and D(G(z)), which regress the targets, and the accuracy of D."""
        middle, direction = (self.real_target + self.fake_target) / 2, self.real_target - self.fake_target
        right = torch.cat([direction * (real_logits - middle), direction * (middle - fake_logits)]) > 0
        return {"x": real_logits.mean(), "gz": fake_logits.mean(), "accuracy": right.float().mean()}


class HingeLoss(AdversarialLoss):
    """The hinge loss (Lim and Ye, 2017, arXiv:1705.02894), in the form of SNGAN (arXiv:1802.05957, eq. 16-17)."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -fake_logits.mean()


class WassersteinLoss(AdversarialLoss):
    """The dual form of the earth mover's distance (Arjovsky et al., 2017, arXiv:1701.07875, eq. 2).

    Meaningful only for a Lipschitz critic: clip its weights or penalise its gradient.
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return fake_logits.mean() - real_logits.mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -fake_logits.mean()

    def readings(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        """The critic's mean values, which have no scale, and their gap: the Wasserstein estimate."""
        real, fake = real_logits.mean(), fake_logits.mean()
        return {"x": real, "gz": fake, "wasserstein": real - fake}


class RelativisticLoss(AdversarialLoss):
    """Relativistic pairing, RpGAN (Jolicoeur-Martineau, 2018, arXiv:1807.00734; R3GAN, arXiv:2501.05441, eq. 2)."""

    needs_real = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return softplus(fake_logits - real_logits).mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        if real_logits is None:
            raise ValueError("RelativisticLoss.generator compares fakes with reals: give real_logits too.")
        return softplus(real_logits - fake_logits).mean()

    def readings(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        """As others have it, but the accuracy is of pairs: logits have no origin."""
        right = real_logits > fake_logits
        return {**super().readings(real_logits, fake_logits), "accuracy": right.float().mean()}
