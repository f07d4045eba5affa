"""Residual generators whose norms know the class: those of cGANs with projection and of BigGAN."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from gan_lightning.arguments import check_choice, check_counts
from gan_lightning.networks.attention import with_attention
from gan_lightning.networks.init import init_orthogonal, init_xavier
from gan_lightning.networks.layers import NORMS, UpConv2d, class_weights, embed, norm_layer
from gan_lightning.networks.resnet import feature_maps
from gan_lightning.networks.shapes import check_latents, read_classes, read_shape, stem
from gan_lightning.parts import Part


class ConditionalNorm(nn.Module):
    """A norm whose scale and shift are linear in a condition (de Vries et al., 2017, arXiv:1707.00683, eq. 3).

    Args:
        norm: Normalisation: "batch" or "none".
        channels: C of input and output, (N, C, H, W).
        condition_dim: Features of the condition.
    """

    def __init__(self, norm: str, channels: int, condition_dim: int) -> None:
        super().__init__()
        check_choice(NORMS, norm=norm)
        self.norm = nn.BatchNorm2d(channels, affine=False) if norm == "batch" else nn.Identity()
        self.scale = nn.Linear(condition_dim, channels, bias=False)
        self.shift = nn.Linear(condition_dim, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Normalise x, scale it by 1 + scale(condition) and shift it; condition: (N, condition_dim)."""
        scale, shift = 1 + self.scale(condition), self.shift(condition)
        out: Tensor = self.norm(x) * scale[:, :, None, None] + shift[:, :, None, None]
        return out


class ConditionalUpBlock(nn.Module):
    """:class:`~gan_lightning.networks.resnet.UpBlock` with norms that know a condition.

    Args:
        in_channels: Of the input, (N, in_channels, H, W).
        out_channels: Of the output, (N, out_channels, 2H, 2W).
        norm: Normalisation: "batch" or "none".
        condition_dim: Features of the condition.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: str, condition_dim: int) -> None:
        super().__init__()
        self.first_norm = ConditionalNorm(norm, in_channels, condition_dim)
        self.first = UpConv2d(in_channels, out_channels)
        self.second_norm = ConditionalNorm(norm, out_channels, condition_dim)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Double the resolution."""
        residual = self.first(relu(self.first_norm(x, condition)))
        residual = self.second(relu(self.second_norm(residual, condition)))
        out: Tensor = residual + interpolate(self.shortcut(x), scale_factor=2)
        return out


class ConditionalGenerator(Part, ABC):
    """A linear layer, one :class:`ConditionalUpBlock` a doubling, then norm, ReLU, convolution and tanh.

    Args:
        image_shape: (C, H, W).
        stem_dim: Features that the first layer sees.
        condition_dim: Features that each block is told.
        width, max_width, norm, attention: See :class:`~gan_lightning.networks.resnet.ResNetGenerator`.
    """

    latent_dim: int

    def __init__(
        self,
        image_shape: Sequence[int],
        stem_dim: int,
        condition_dim: int,
        width: int,
        max_width: int,
        norm: str,
        attention: int | None = None,
    ) -> None:
        super().__init__()
        self.image_shape = read_shape(image_shape)
        (height, breadth), self.doublings = stem(self.image_shape)
        self.width, self.max_width, self.norm, self.attention = width, max_width, norm, attention
        widths = feature_maps(width, max_width, self.doublings)[::-1]
        first = nn.Sequential(
            nn.Linear(stem_dim, widths[0] * height * breadth), nn.Unflatten(1, (widths[0], height, breadth))
        )
        blocks = [ConditionalUpBlock(fan_in, fan_out, norm, condition_dim) for fan_in, fan_out in pairwise(widths)]
        halvings = range(self.doublings, -1, -1)
        self.layers = nn.ModuleList(with_attention([first, *blocks], widths, halvings, attention))
        self.last = nn.Sequential(
            norm_layer(norm, widths[-1]),
            nn.ReLU(),
            nn.Conv2d(widths[-1], self.image_shape[0], 3, padding=1),
            nn.Tanh(),
        )
        init_xavier(self)

    @abstractmethod
    def conditions(self, latents: Tensor, labels: Tensor) -> Sequence[Tensor]:
        """What the stem sees, (N, stem_dim), and what each block is told, (N, condition_dim)."""

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Map latents (N, latent_dim) and labels (N,) int64 to images (N, C, H, W) in [-1, 1]."""
        check_latents(latents, self.latent_dim, self)
        maps, *conditions = self.conditions(latents, labels)
        for layer in self.layers:
            maps = layer(maps, conditions.pop(0)) if isinstance(layer, ConditionalUpBlock) else layer(maps)
        images: Tensor = self.last(maps)
        return images


class ConditionalResNetGenerator(ConditionalGenerator):
    """The generator of cGANs with projection (Miyato and Koyama, 2018, arXiv:1802.05637): norms know the class.

    Args:
        image_shape: (C, H, W); H and W as those of :class:`~gan_lightning.networks.resnet.ResNetGenerator`.
        num_classes: Labels are in [0, num_classes).
        latent_dim: Features of a latent.
        width: Feature maps at full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        norm: Normalisation: "batch" or "none"; the class scales and shifts in both cases.

    Raises:
        ValueError: If the network cannot make such images, or a number is out of its range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int,
        latent_dim: int = 128,
        width: int = 64,
        max_width: int = 1024,
        norm: str = "batch",
    ) -> None:
        check_counts(latent_dim=latent_dim)
        super().__init__(image_shape, latent_dim, read_classes(num_classes), width, max_width, norm)
        self.num_classes = read_classes(num_classes)
        self.latent_dim = latent_dim
        for layer in self.modules():
            if isinstance(layer, ConditionalNorm):  # all classes begin alike
                nn.init.zeros_(layer.scale.weight)
                nn.init.zeros_(layer.shift.weight)

    def conditions(self, latents: Tensor, labels: Tensor) -> Sequence[Tensor]:
        """The latent, and the class for each block."""
        return [latents, *[class_weights(labels, self.num_classes).to(latents.dtype)] * self.doublings]


class BigGANGenerator(ConditionalGenerator):
    """The generator of BigGAN (Brock et al., 2018, arXiv:1809.11096, appendix B): each block sees a part of the latent.

    A block is told the embedding of the class, which all share, and its own part of the latent; the first part is what
    the first layer sees.

    Args:
        image_shape, num_classes, width, max_width, norm: See :class:`ConditionalResNetGenerator`.
        latent_dim: Features of a latent, at least one for each block and one for the first layer.
        embedding_dim: Features of the embedding of the class.
        attention: How often the resolution of the images is halved where pixels attend to each other; None for nowhere.

    Raises:
        ValueError: If the network cannot make such images, or a number is out of its range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int,
        latent_dim: int = 120,
        embedding_dim: int = 128,
        width: int = 64,
        max_width: int = 1024,
        norm: str = "batch",
        attention: int | None = 1,
    ) -> None:
        classes, parts = read_classes(num_classes), stem(image_shape)[1] + 1
        check_counts(latent_dim=latent_dim, embedding_dim=embedding_dim)
        check_counts(parts, latent_dim=latent_dim)
        part = latent_dim // parts
        super().__init__(
            image_shape, latent_dim - part * (parts - 1), part + embedding_dim, width, max_width, norm, attention
        )
        self.num_classes = classes
        self.latent_dim = latent_dim
        self.embedding_dim = embedding_dim
        self.embedding = nn.Embedding(classes, embedding_dim)
        init_orthogonal(self)

    def conditions(self, latents: Tensor, labels: Tensor) -> Sequence[Tensor]:
        """The first part of the latent; the embedding of the class and the next part for each block."""
        part = self.latent_dim // (self.doublings + 1)
        first, *others = latents.split([self.latent_dim - part * self.doublings, *[part] * self.doublings], dim=1)
        known = embed(self.embedding, labels)
        return [first, *(torch.cat([known, other], dim=1) for other in others)]
