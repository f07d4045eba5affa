"""Layers that compare the images of a batch, so that a discriminator notices when all of them are alike."""

import torch
from torch import Tensor, nn

from gan_lightning.arguments import check_counts
from gan_lightning.game import Verdict
from gan_lightning.networks.heads import features_of
from gan_lightning.networks.layers import logits_of
from gan_lightning.parts import Part
from gan_lightning.precision import at_least_fp32


class MinibatchDiscriminationLayer(Part):
    """How near each image is to the others, by learned kernels (Salimans et al., 2016, arXiv:1606.03498, section 3.2).

    The mean of the paper's similarities, not their sum: the last layer of D scales them as it likes, and they do not
    grow with the batch. Sums of hundreds drown the features that they join (docs/collapse.md has figures).

    Args:
        in_features: Of the input, (N, in_features).
        kernels: B, features of the output, (N, kernels).
        kernel_dim: C, of a projection.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(self, in_features: int, kernels: int = 5, kernel_dim: int = 3) -> None:
        super().__init__()
        check_counts(in_features=in_features, kernels=kernels, kernel_dim=kernel_dim)
        self.in_features = in_features
        self.kernels = kernels
        self.kernel_dim = kernel_dim
        self.projection = nn.Parameter(torch.empty(in_features, kernels * kernel_dim))  # T
        nn.init.normal_(self.projection, 0.0, in_features**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Map features to mean similarities, (N, kernels), each in [1 / N, 1], in at least 32 bits."""
        with torch.autocast(features.device.type, enabled=False):
            flat = at_least_fp32(features) @ self.projection
        projected = flat.view(-1, self.kernels, self.kernel_dim)  # M
        distances = (projected[:, None] - projected).abs().sum(3)
        return (-distances).exp().mean(1)  # o(x_i)_b / N, with o(x_i)_b = sum_j c_b(x_i, x_j)


class MinibatchStdDevLayer(Part):
    """The standard deviation over a group of images, the mean of all features (Karras et al., 2017, arXiv:1710.10196).

    Args:
        group_size: Images a group; all of them where their number is no multiple of it. At 1, images are not compared.

    Raises:
        ValueError: If the number is below 1.
    """

    def __init__(self, group_size: int = 4) -> None:
        super().__init__()
        check_counts(group_size=group_size)
        self.group_size = group_size

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, ...) to one number an image, (N, 1), alike within a group, in at least 32 bits."""
        count = len(features)
        size = self.group_size if count % self.group_size == 0 else count
        groups = at_least_fp32(features).reshape(size, count // size, -1)  # image i is of group i % (count / size)
        deviation = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean(1)
        return deviation.repeat(size)[:, None]


class StdDevMap(nn.Module):
    """Puts what :class:`MinibatchStdDevLayer` says of feature maps behind them, as one more map.

    Args:
        group_size: Of that layer.
    """

    def __init__(self, group_size: int) -> None:
        super().__init__()
        self.layer = MinibatchStdDevLayer(group_size)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C + 1, H, W)."""
        deviation = self.layer(maps).to(maps.dtype)[:, :, None, None]
        return torch.cat([maps, deviation.expand(-1, -1, *maps.shape[2:])], dim=1)


class WithMinibatchLayer(Part):
    """A discriminator whose last layer also sees what another layer makes of its features.

    The logit is that of one linear layer on both, concatenated; spectral norm is not added to the new part of it.

    Args:
        network: Gives the head "features", and tells its ``num_features``.
        layer: Maps (N, num_features) to (N, out_features).
        out_features: Of the layer.

    Raises:
        TypeError: If the network does not return its features.
        ValueError: If a number is below 1.
    """

    def __init__(self, network: nn.Module, layer: nn.Module, out_features: int) -> None:
        super().__init__()
        check_counts(out_features=out_features)
        self.network = network
        self.layer = layer
        self.out_features = out_features
        self.num_features = features_of(network) + out_features
        self.linear = nn.Linear(out_features, 1, bias=False)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images to logits (N,), and to features with those of the layer behind."""
        verdict = self.network(images, labels)
        features = verdict.heads["features"]
        added = self.layer(features)
        logits = verdict.logits + logits_of(self.linear, added)
        return Verdict(logits, {**verdict.heads, "features": torch.cat([features, added], dim=1)})
