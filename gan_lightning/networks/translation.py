"""Networks that map images to images: U-Net and PatchGAN (arXiv:1611.07004), and CycleGAN's (arXiv:1703.10593)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_lightning.arguments import check_choice, check_counts, check_decays
from gan_lightning.game import Verdict
from gan_lightning.networks.init import init_normal
from gan_lightning.networks.shapes import check_images, read_shape
from gan_lightning.parts import Part

NORMS = ("instance", "batch", "none")
"""Instance norm is what batch norm is for batches of one image, with which both papers train."""
INIT_STD = 0.02
MOST_HALVINGS = 8
MOST_FACTOR = 8
"""Largest number of feature maps, over the width."""


def norm_of(norm: str, features: int) -> nn.Module:
    """The layer that normalises feature maps (N, features, H, W)."""
    check_choice(NORMS, norm=norm)
    if norm == "none":
        return nn.Identity()
    return nn.InstanceNorm2d(features) if norm == "instance" else nn.BatchNorm2d(features)


def check_sources(sources: Tensor | None, image_shape: tuple[int, int, int], network: nn.Module) -> Tensor:
    """Refuse what is no image to be translated.

    Args:
        sources: (N, C, H, W), what ``labels`` are to these networks.
        image_shape: (C, H, W).
        network: What was built for them.

    Raises:
        TypeError: If there are none.
        ValueError: If they are of another shape.
    """
    if sources is None or sources.ndim != 4:
        got = "none" if sources is None else f"a tensor of shape {tuple(sources.shape)}"
        raise TypeError(
            f"{type(network).__name__} translates images: its labels must be images (N, C, H, W), got {got}."
        )
    check_images(sources, image_shape, network)
    return sources


class UNetGenerator(Part):
    """Halves an image until a side is odd, at most 8 times, and doubles it again beside what it was.

    Encoder C64-C128-C256-C512-C512 ..., decoder CD512-CD512-CD512-C512 ... with skips, section 6.1.1 of
    arXiv:1611.07004; there is no norm at the first and at the innermost layer.

    Args:
        image_shape: (C, H, W) of sources and translations; H and W multiples of 4.
        width: Feature maps at half the resolution; doubled at each halving, up to 8 times as many.
        dropout_prob: Of the decoder's first three layers, in [0, 1): the only noise.
        norm: "instance", "batch" or "none".

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self, image_shape: Sequence[int], width: int = 64, dropout_prob: float = 0.5, norm: str = "instance"
    ) -> None:
        super().__init__()
        check_counts(width=width)
        check_decays(dropout_prob=dropout_prob)
        self.image_shape = read_shape(image_shape)
        self.width = width
        self.dropout_prob = dropout_prob
        self.norm = norm
        depth = _halvings(self.image_shape)
        widths = [width * min(2**k, MOST_FACTOR) for k in range(depth)]
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for k, fan_out in enumerate(widths):
            normed = norm if 0 < k < depth - 1 else "none"
            down = nn.Conv2d(widths[k - 1] if k else self.image_shape[0], fan_out, 4, 2, 1, bias=normed == "none")
            self.downs.append(nn.Sequential(*([nn.LeakyReLU(0.2)] if k else []), down, norm_of(normed, fan_out)))
        for k in reversed(range(1, depth)):
            fan_in = widths[k] * (1 if k == depth - 1 else 2)
            up = nn.ConvTranspose2d(fan_in, widths[k - 1], 4, 2, 1, bias=norm == "none")
            drop = nn.Dropout(dropout_prob if k >= depth - 3 else 0.0)
            self.ups.append(nn.Sequential(nn.ReLU(), up, norm_of(norm, widths[k - 1]), drop))
        last = nn.ConvTranspose2d(2 * width, self.image_shape[0], 4, 2, 1)
        self.ups.append(nn.Sequential(nn.ReLU(), last, nn.Tanh()))
        init_normal(self, INIT_STD)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Translate labels, images (N, C, H, W) in [-1, 1], to images of the same shape; latents are ignored."""
        maps = [check_sources(labels, self.image_shape, self)]
        for down in self.downs:
            maps.append(down(maps[-1]))
        x = maps.pop()
        for k, up in enumerate(self.ups):
            x = up(torch.cat([x, maps.pop()], 1) if k else x)
        return x


class CycleGANGenerator(Part):
    """Residual blocks at a quarter of the resolution (Johnson et al., 2016; Zhu et al., 2017).

    c7s1-64, d128, d256, R256 ..., u128, u64, c7s1-C with reflection padding: section 7.2 of arXiv:1703.10593.

    Args:
        image_shape: (C, H, W) of sources and translations; H and W multiples of 4.
        width: Feature maps at the full resolution.
        blocks: Residual blocks; None for 9 where the shorter side has 256 pixels or more, else 6.
        norm: "instance", "batch" or "none".

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self, image_shape: Sequence[int], width: int = 64, blocks: int | None = None, norm: str = "instance"
    ) -> None:
        super().__init__()
        check_counts(width=width)
        self.image_shape = read_shape(image_shape)
        self.width = width
        self.blocks = blocks
        self.norm = norm
        count = blocks if blocks is not None else 9 if min(self.image_shape[1:]) >= 256 else 6
        check_counts(blocks=count)
        _halvings(self.image_shape)
        channels = self.image_shape[0]
        bias = norm == "none"

        def convolved(layer: nn.Module, features: int) -> list[nn.Module]:
            return [layer, norm_of(norm, features), nn.ReLU()]

        layers = [nn.ReflectionPad2d(3), *convolved(nn.Conv2d(channels, width, 7, bias=bias), width)]
        for k in (1, 2):
            layers += convolved(nn.Conv2d(width * k, width * 2 * k, 3, 2, 1, bias=bias), width * 2 * k)
        layers += [_Block(4 * width, norm) for _ in range(count)]
        for k in (2, 1):
            up = nn.ConvTranspose2d(width * 2 * k, width * k, 3, 2, 1, output_padding=1, bias=bias)
            layers += convolved(up, width * k)
        self.layers = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7), nn.Tanh())
        init_normal(self, INIT_STD)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Translate labels, images (N, C, H, W) in [-1, 1], to images of the same shape; latents are ignored."""
        images: Tensor = self.layers(check_sources(labels, self.image_shape, self))
        return images


class _Block(nn.Module):
    """R256: two 3x3 convolutions, whose input is added."""

    def __init__(self, features: int, norm: str) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for last in (nn.ReLU(), nn.Identity()):
            convolution = nn.Conv2d(features, features, 3, bias=norm == "none")
            layers += [nn.ReflectionPad2d(1), convolution, norm_of(norm, features), last]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        residual: Tensor = self.layers(x)
        return x + residual


class PatchDiscriminator(Part):
    """PatchGAN: judges overlapping patches, of 70x70 pixels with the defaults (arXiv:1611.07004, section 6.1.2).

    C64-C128-C256-C512 with LeakyReLU(0.2), and a logit for each patch.

    Args:
        image_shape: (C, H, W) of what it judges; sides of 24 pixels or more with 3 halvings.
        width: Feature maps at half the resolution; doubled at each layer, up to 8 times as many.
        halvings: Layers of stride 2: patches of 16, 34, 70, 142 pixels with 1 to 4.
        norm: Of all layers but the first and the last: "instance", "batch" or "none".
        sees_source: Whether it judges a translation beside its source, as a conditional GAN does.

    Raises:
        ValueError: If a number is out of its range, or no patch fits in.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        width: int = 64,
        halvings: int = 3,
        norm: str = "instance",
        sees_source: bool = True,
    ) -> None:
        super().__init__()
        check_counts(width=width, halvings=halvings)
        self.image_shape = read_shape(image_shape)
        self.width = width
        self.halvings = halvings
        self.norm = norm
        self.sees_source = sees_source
        least = 3 * 2**halvings
        if min(self.image_shape[1:]) < least:
            raise ValueError(
                f"A D of {halvings} halvings judges images of {least} pixels or more, got image_shape "
                f"{self.image_shape}. Enlarge the images, or lower halvings."
            )
        fan_in = self.image_shape[0] * (2 if sees_source else 1)
        layers: list[nn.Module] = [nn.Conv2d(fan_in, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for k in range(1, halvings + 1):
            fan_in, fan_out = (width * min(2**j, MOST_FACTOR) for j in (k - 1, k))
            stride = 2 if k < halvings else 1
            layers += [nn.Conv2d(fan_in, fan_out, 4, stride, 1, bias=norm == "none"), norm_of(norm, fan_out)]
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(fan_out, 1, 4, 1, 1))
        init_normal(self, INIT_STD)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, C, H, W), and labels, their sources, to logits (N, 1, h, w), one for each patch."""
        check_images(images, self.image_shape, self)
        if self.sees_source:
            images = torch.cat([images, check_sources(labels, self.image_shape, self)], 1)
        return Verdict(self.layers(images), {})


class TwoWayGenerator(Part):
    """Two generators: from sources to targets, and back.

    Args:
        to_target, to_source: ``G(latents, images)``, of the same image_shape.
    """

    def __init__(self, to_target: nn.Module, to_source: nn.Module) -> None:
        super().__init__()
        self.to_target = to_target
        self.to_source = to_source
        self.image_shape: tuple[int, int, int] = to_target.image_shape  # type: ignore[assignment]

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Translate labels: sources (N, C, H, W) to targets; or both halves of pairs, (N, 2C, H, W)."""
        channels = self.image_shape[0]
        if labels is None or labels.ndim != 4 or labels.shape[1] == channels:
            images: Tensor = self.to_target(latents, labels)
            return images
        sources, targets = labels.split(channels, 1)
        return torch.cat([self.to_source(latents, targets), self.to_target(latents, sources)], 1)


class TwoWayDiscriminator(Part):
    """Two discriminators: of sources, and of targets.

    Args:
        of_sources, of_targets: ``D(images)``, whose logits are maps (N, 1, h, w).
    """

    def __init__(self, of_sources: nn.Module, of_targets: nn.Module) -> None:
        super().__init__()
        self.of_sources = of_sources
        self.of_targets = of_targets

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map pairs of a source and a target, (N, 2C, H, W), to the logits of both, (N, 1, 2h, w)."""
        sources, targets = images.chunk(2, 1)
        return Verdict(torch.cat([self.of_sources(sources)[0], self.of_targets(targets)[0]], 2), {})


def _halvings(image_shape: tuple[int, int, int]) -> int:
    """How often both sides can be halved, at most 8 times."""
    both = image_shape[1] | image_shape[2]
    count = min(MOST_HALVINGS, (both & -both).bit_length() - 1)
    if count < 2:
        raise ValueError(
            f"Height and width must be multiples of 4, got image_shape {image_shape}. Set the image_size of the data "
            "to such a number."
        )
    return count
