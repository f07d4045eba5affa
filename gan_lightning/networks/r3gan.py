"""Residual networks without normalisation: those of R3GAN (Huang et al., 2024, arXiv:2501.05441), made small."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from gan_lightning.arguments import check_counts
from gan_lightning.game import Verdict
from gan_lightning.networks.layers import logits_of
from gan_lightning.networks.resnet import feature_maps
from gan_lightning.networks.shapes import check_images, check_latents, read_shape, stem
from gan_lightning.parts import Part

SLOPE = 0.2
"""Of LeakyReLU for negative numbers."""
GROUP = 16
"""Feature maps that a grouped convolution mixes, if they are as many."""


class BottleneckBlock(nn.Module):
    """An inverted bottleneck: 1x1, grouped 3x3 and 1x1 convolutions, LeakyReLU between them; it begins as the identity.

    Args:
        channels: Of input and output, (N, channels, H, W).
        depth: Blocks of the whole network, for the initialisation of Zhang et al. (2019, arXiv:1901.09321).
        expansion: The inner layers have so many times the feature maps.
    """

    def __init__(self, channels: int, depth: int, expansion: int = 2) -> None:
        super().__init__()
        inner = channels * expansion
        groups = inner // GROUP if inner % GROUP == 0 else 1
        self.first = nn.Conv2d(channels, inner, 1)
        self.grouped = nn.Conv2d(inner, inner, 3, padding=1, groups=groups)
        self.last = nn.Conv2d(inner, channels, 1, bias=False)
        for layer in (self.first, self.grouped):
            _init_he(layer, depth**-0.25)  # m = 3 layers in each of L blocks: L^(-1 / (2m - 2))
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the resolution."""
        inner = leaky_relu(self.first(x), SLOPE)
        out: Tensor = x + self.last(leaky_relu(self.grouped(inner), SLOPE))
        return out


def _init_he(layer: nn.Conv2d | nn.Linear, scale: float = 1.0, slope: float = SLOPE) -> None:
    """N(0, scale² · 2 / (1 + slope²) / fan-in) for weights (He et al., 2015, arXiv:1502.01852), 0 for biases."""
    nn.init.kaiming_normal_(layer.weight, slope)
    layer.weight.data *= scale
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _stages(widths: Sequence[int], blocks: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Blocks of each resolution, and the 1x1 convolutions between resolutions."""
    depth = blocks * len(widths)
    stages = nn.ModuleList(nn.Sequential(*[BottleneckBlock(n, depth) for _ in range(blocks)]) for n in widths)
    mixers = nn.ModuleList(nn.Conv2d(fan_in, fan_out, 1, bias=False) for fan_in, fan_out in pairwise(widths))
    for mixer in mixers:
        _init_he(mixer, slope=1.0)  # type: ignore[arg-type]
    return stages, mixers


class R3GANGenerator(Part):
    """A learned basis, modulated by the latent, then blocks, with bilinear upsampling by 2 between resolutions.

    The paper's last layer is linear; here tanh keeps pixels in range.

    Args:
        image_shape: (C, H, W); H and W as those of :class:`~gan_lightning.networks.resnet.ResNetGenerator`.
        latent_dim: Features of a latent.
        width: Feature maps at full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        blocks: At each resolution.

    Raises:
        ValueError: If the network cannot make such images, or a number is out of its range.
    """

    def __init__(
        self, image_shape: Sequence[int], latent_dim: int = 64, width: int = 64, max_width: int = 512, blocks: int = 2
    ) -> None:
        super().__init__()
        check_counts(latent_dim=latent_dim, blocks=blocks)
        self.image_shape = read_shape(image_shape)
        size, doublings = stem(self.image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.max_width = max_width
        self.blocks = blocks
        widths = feature_maps(width, max_width, doublings)[::-1]
        self.basis = nn.Parameter(torch.randn(widths[0], *size))
        self.linear = nn.Linear(latent_dim, widths[0], bias=False)
        _init_he(self.linear, slope=1.0)
        self.stages, self.mixers = _stages(widths, blocks)
        self.to_image = nn.Conv2d(widths[-1], self.image_shape[0], 1, bias=False)
        _init_he(self.to_image, slope=1.0)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, H, W) in [-1, 1]; labels are ignored."""
        check_latents(latents, self.latent_dim, self)
        maps = self.stages[0](self.linear(latents)[:, :, None, None] * self.basis)
        for mixer, stage in zip(self.mixers, self.stages[1:], strict=True):
            maps = stage(interpolate(mixer(maps), scale_factor=2, mode="bilinear", align_corners=False))
        images: Tensor = self.to_image(maps).tanh()
        return images


class R3GANDiscriminator(Part):
    """The mirror of the generator: blocks, average pooling by 2 between resolutions, and a learned basis at the end.

    Args:
        image_shape, width, max_width, blocks: See :class:`R3GANGenerator`.

    Attributes:
        num_features: Of the head "features": what the last layer sees.

    Raises:
        ValueError: If the network cannot judge such images, or a number is out of its range.
    """

    def __init__(self, image_shape: Sequence[int], width: int = 64, max_width: int = 512, blocks: int = 2) -> None:
        super().__init__()
        check_counts(blocks=blocks)
        self.image_shape = read_shape(image_shape)
        size, halvings = stem(self.image_shape)
        self.width = width
        self.max_width = max_width
        self.blocks = blocks
        widths = feature_maps(width, max_width, halvings)
        self.num_features = widths[-1]
        self.from_image = nn.Conv2d(self.image_shape[0], widths[0], 1, bias=False)
        self.stages, self.mixers = _stages(widths, blocks)
        self.basis = nn.Conv2d(widths[-1], widths[-1], size, groups=widths[-1], bias=False)
        self.linear = nn.Linear(widths[-1], 1, bias=False)
        for layer in (self.from_image, self.basis, self.linear):
            _init_he(layer, slope=1.0)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, C, H, W) to logits (N,) and features (N, num_features); labels are ignored."""
        check_images(images, self.image_shape, self)
        maps = self.stages[0](self.from_image(images))
        for mixer, stage in zip(self.mixers, self.stages[1:], strict=True):
            maps = stage(mixer(avg_pool2d(maps, 2)))
        features = self.basis(maps).flatten(1)
        return Verdict(logits_of(self.linear, features), {"features": features})
