"""Regularisers of the discriminator: each maps D and a batch to one scalar that D's loss adds."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Penalty(ABC):
    """A weighted regulariser of the discriminator's gradient with respect to its input.

    Args:
        weight: The factor of the penalty in D's loss, at least 0.

    Attributes:
        name: The term's name in logs: ``train/d_<name>``.

    Raises:
        ValueError: If the weight is negative.
    """

    name: str

    def __init__(self, weight: float) -> None:
        if not 0 <= weight < math.inf:
            raise ValueError(f"{type(self).__name__}: weight must be finite and at least 0, got {weight}.")
        self.weight = weight

    @abstractmethod
    def __call__(self, discriminator: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> Tensor:
        """The weighted penalty.

        Args:
            discriminator: D; ``D(images, labels)`` gives logits (N,).
            real: (N, C, H, W) in [-1, 1].
            fake: (N, C, H, W) in [-1, 1], without graph.
            labels: (N,) int64, or None.

        Returns:
            A scalar through which D's parameters get their gradient.
        """


def input_gradient(discriminator: nn.Module, images: Tensor, labels: Tensor | None) -> Tensor:
    """The gradient of each logit with respect to its own image, differentiable: (N, C * H * W)."""
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images, labels).sum(), images, create_graph=True)
    return gradient.flatten(1)


class GradientPenalty(Penalty):
    """WGAN-GP's two-sided penalty on interpolates (Gulrajani et al., 2017, arXiv:1704.00028, eq. 3).

    D must treat the images of a batch independently: no batch norm.

    Args:
        weight: λ.
        rand: Source of the coefficients of the interpolation, called as ``torch.rand`` is.
    """

    name = "gradient_penalty"

    def __init__(self, weight: float = 10.0, rand: Callable[..., Tensor] = torch.rand) -> None:
        super().__init__(weight)
        self.rand = rand

    def __call__(self, discriminator: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> Tensor:
        mix = self.rand(len(real), 1, 1, 1).to(real)
        gradient = input_gradient(discriminator, torch.lerp(fake, real, mix), labels)
        # Tensor.norm has gradient 0 at 0, where sqrt(sum(x ** 2)) gives NaN.
        penalty: Tensor = self.weight * (gradient.norm(dim=1) - 1).square().mean()
        return penalty


class R1(Penalty):
    """Zero-centred penalty on reals (Mescheder et al., 2018, arXiv:1801.04406, eq. 9): γ/2 E‖∇D(x)‖².

    Args:
        weight: γ.
    """

    name = "r1"

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__(weight)

    def __call__(self, discriminator: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> Tensor:
        return self.weight / 2 * input_gradient(discriminator, real, labels).square().sum(1).mean()


class R2(R1):
    """R1 on fakes (Mescheder et al., 2018, arXiv:1801.04406, eq. 10): γ/2 E‖∇D(G(z))‖²."""

    name = "r2"

    def __call__(self, discriminator: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> Tensor:
        return super().__call__(discriminator, fake, real, labels)
