"""Layers that compare the images of a batch, built into any discriminator that returns its features."""

from torch import nn

from gan_lightning.arguments import check_counts
from gan_lightning.game import Stabilizer
from gan_lightning.networks.heads import features_of
from gan_lightning.networks.minibatch import MinibatchDiscriminationLayer, MinibatchStdDevLayer, WithMinibatchLayer


class MinibatchDiscrimination(Stabilizer):
    """D sees how near each image is to the others of its batch (Salimans et al., 2016, arXiv:1606.03498, section 3.2).

    Args:
        kernels: B, learned projections.
        kernel_dim: C, dimensions of each.

    Raises:
        ValueError: If a number is below 1.
        TypeError: If D does not return its features.
    """

    def __init__(self, kernels: int = 5, kernel_dim: int = 3) -> None:
        super().__init__()
        check_counts(kernels=kernels, kernel_dim=kernel_dim)
        self.kernels = kernels
        self.kernel_dim = kernel_dim

    def wrap(self, discriminator: nn.Module) -> nn.Module:
        """Add the layer."""
        layer = MinibatchDiscriminationLayer(features_of(discriminator), self.kernels, self.kernel_dim)
        return WithMinibatchLayer(discriminator, layer, self.kernels)


class MinibatchStdDev(Stabilizer):
    """D sees how much the images of a group differ (Karras et al., 2017, arXiv:1710.10196, section 3).

    Args:
        group_size: Images per group, at least 2.

    Raises:
        ValueError: If the number is too small.
        TypeError: If D does not return its features.
    """

    def __init__(self, group_size: int = 4) -> None:
        super().__init__()
        check_counts(least=2, group_size=group_size)
        self.group_size = group_size

    def wrap(self, discriminator: nn.Module) -> nn.Module:
        """Add the layer."""
        return WithMinibatchLayer(discriminator, MinibatchStdDevLayer(self.group_size), 1)
