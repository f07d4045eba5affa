"""How many modes of the data a generator makes, and how evenly: what a collapse is seen by."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from gan_lightning.metrics.mnist_features import MNISTFeatures


class ModeCoverage(Metric, ABC):
    """Counts samples by the mode that they belong to, over all batches and processes; the data's modes are equal.

    Its values by name: "modes", those that have a good sample, and "kl", the divergence of the histogram of all samples
    from the uniform one, Σ p log(p K), in nats: 0 for equal shares, log K for a single mode. With 26 samples a mode,
    the usual number (Lin et al., 2017, arXiv:1712.04086, section 4), modes of equal probability score about 0.02.

    Args:
        num_modes: K.
        kwargs: For torchmetrics' ``Metric``.
    """

    is_differentiable = False
    counts: Tensor
    good: Tensor

    def __init__(self, num_modes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("counts", torch.zeros(num_modes, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("good", torch.zeros(num_modes, dtype=torch.int64), dist_reduce_fx="sum")

    @abstractmethod
    def assign(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The mode of each sample, (N,) int64 in [0, K), and whether it is good, (N,) bool."""

    def update(self, samples: Tensor) -> None:
        """Count samples."""
        modes, is_good = self.assign(samples)
        self.counts += torch.bincount(modes, minlength=len(self.counts))
        self.good += torch.bincount(modes[is_good], minlength=len(self.good))

    def compute(self) -> dict[str, Tensor]:
        """The values by name; without samples, the divergence is NaN."""
        shares = self.counts.double() / self.counts.sum()
        divergence = torch.special.xlogy(shares, shares * len(shares)).sum()
        return {"modes": (self.good > 0).sum(), "kl": divergence.float()}


class PointModes(ModeCoverage):
    """The modes of a mixture of Gaussians: a sample belongs to the nearest, and is good within some deviations of it.

    Its values have "high_quality", too, the share of good samples.

    Args:
        modes: Centres, (K, D).
        std: Standard deviation of each mode along each axis, above 0.
        within: Largest distance of a good sample from its centre, in standard deviations (Lin et al., 2017,
            arXiv:1712.04086, section 4.1).
        kwargs: For torchmetrics' ``Metric``.

    Example:
        >>> metric = PointModes(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), std=0.1)
        >>> metric.update(torch.tensor([[0.1, 0.0], [0.9, 0.1], [0.5, 5.0]]))
        >>> metric.compute()["modes"], metric.compute()["high_quality"]
        (tensor(2), tensor(0.6667))
    """

    modes: Tensor

    def __init__(self, modes: Tensor, std: float, within: float = 3.0, **kwargs: Any) -> None:
        super().__init__(len(modes), **kwargs)
        self.register_buffer("modes", modes.float(), persistent=False)
        self.radius = within * std

    def assign(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest mode of points (N, D), and whether they are near it."""
        distances, nearest = torch.cdist(samples.float(), self.modes).min(dim=1)
        return nearest, distances <= self.radius

    def compute(self) -> dict[str, Tensor]:
        """The values by name; without samples, those but "modes" are NaN."""
        return {**super().compute(), "high_quality": self.good.sum() / self.counts.sum()}


class DigitModes(ModeCoverage):
    """The digits in the channels of images, as the classifier of :class:`MNISTFeatures` reads them: 10^C modes.

    One channel is MNIST, three are stacked MNIST (Metz et al., 2016, arXiv:1611.02163, section 3.3.1). All samples are
    good: the classifier is as sure of noise as of digits.

    Args:
        channels: C.
        kwargs: For torchmetrics' ``Metric``.
    """

    def __init__(self, channels: int = 3, **kwargs: Any) -> None:
        super().__init__(10**channels, **kwargs)
        self.channels = channels
        self.features = MNISTFeatures()

    def assign(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The number that the channels of pixels show, uint8 (N, C, 28, 28) or (N, C, 32, 32), first digit first."""
        if samples.shape[1] != self.channels:
            raise ValueError(f"DigitModes was made for {self.channels} channels, got {tuple(samples.shape)}.")
        digits = samples.flatten(0, 1).unsqueeze(1)
        classes = self.features.logits(self.features(digits)).argmax(dim=1)
        places = 10 ** torch.arange(self.channels - 1, -1, -1, device=samples.device)
        numbers = (classes.view(-1, self.channels) * places).sum(1)
        return numbers, torch.ones_like(numbers, dtype=torch.bool)
