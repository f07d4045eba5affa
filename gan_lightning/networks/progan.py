"""The growing networks of ProGAN (Karras et al., 2017, arXiv:1710.10196)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from gan_lightning.arguments import check_counts
from gan_lightning.game import Verdict
from gan_lightning.networks.equalized import equalize
from gan_lightning.networks.layers import DownConv2d, UpConv2d, logits_of
from gan_lightning.networks.minibatch import StdDevMap
from gan_lightning.networks.resnet import feature_maps
from gan_lightning.networks.shapes import Shape, check_images, check_latents, read_shape, stem
from gan_lightning.parts import Part

SLOPE = 0.2
"""Of LeakyReLU for negative numbers."""


class Growth(nn.Module):
    """How far a network has grown, as a function of the real images seen.

    The first level is trained for one phase; each further level fades in over a phase and is then trained for another.

    Args:
        doublings: From the first level to the last.
        images_per_phase: Real images of a phase, at least 1.

    Attributes:
        seen: Real images; a buffer.
        level: Doublings of the resolution of the first level, from 0.
        alpha: Weight of the level beside the one below, in [0, 1]; 1 when it has faded in.

    Raises:
        ValueError: If a number is out of its range.
    """

    seen: Tensor

    def __init__(self, doublings: int, images_per_phase: int) -> None:
        super().__init__()
        check_counts(images_per_phase=images_per_phase)
        self.doublings = doublings
        self.images_per_phase = images_per_phase
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.advance(0)
        self.register_load_state_dict_post_hook(_read_growth)  # type: ignore[no-untyped-call]

    def advance(self, seen: int) -> None:
        """Grow to where so many images lead."""
        self.seen.fill_(seen)
        self.level = min((seen // self.images_per_phase + 1) // 2, self.doublings)
        begun = (2 * self.level - 1) * self.images_per_phase
        self.alpha = min((seen - begun) / self.images_per_phase, 1.0) if self.level else 1.0

    def shrink(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) at the present level, the new pixels faded in as those of G are."""
        factor = 2 ** (self.doublings - self.level)
        small = avg_pool2d(images, factor) if factor > 1 else images
        if self.alpha == 1:
            return small
        return torch.lerp(interpolate(avg_pool2d(small, 2), scale_factor=2), small, self.alpha)


def growth_of(network: nn.Module) -> Growth:
    """How far a network has grown; all parts of it that grow do so together.

    Raises:
        ValueError: If nothing of it grows.
    """
    growth = next((module for module in network.modules() if isinstance(module, Growth)), None)
    if growth is None:
        raise ValueError(f"{type(network).__name__} has no network that grows.")
    return growth


def grow(network: nn.Module, seen: int) -> None:
    """Let all parts of a network grow to where so many real images lead."""
    for module in network.modules():
        if isinstance(module, Growth):
            module.advance(seen)


def _read_growth(growth: nn.Module, _: object) -> None:
    """Let the numbers that forward passes look at, on the host, follow the buffer that was loaded."""
    if isinstance(growth, Growth):
        growth.advance(int(growth.seen))


class PixelNorm(nn.Module):
    """Divides each pixel's features by their root mean square (section 4.2)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, ...)."""
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class ProGANGenerator(Part):
    """Starts at the smallest images, and grows by blocks that double the resolution.

    A convolution that follows upsampling is one :class:`~gan_lightning.networks.layers.UpConv2d`. The paper's last
    layer is linear; here tanh keeps pixels in range.

    Args:
        image_shape: (C, H, W); H and W as those of :class:`~gan_lightning.networks.resnet.ResNetGenerator`.
        latent_dim: Features of a latent.
        width: Feature maps at full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        images_per_phase: See :class:`Growth`.

    Attributes:
        growth: How far it has grown.

    Raises:
        ValueError: If the network cannot make such images, or a number is out of its range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 512,
        width: int = 64,
        max_width: int = 512,
        images_per_phase: int = 200_000,
    ) -> None:
        super().__init__()
        check_counts(latent_dim=latent_dim)
        self.image_shape = read_shape(image_shape)
        (height, breadth), doublings = stem(self.image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.max_width = max_width
        self.images_per_phase = images_per_phase
        self.growth = Growth(doublings, images_per_phase)
        widths = feature_maps(width, max_width, doublings)[::-1]
        first = nn.Linear(latent_dim, widths[0] * height * breadth)
        self.stem = nn.Sequential(
            PixelNorm(),
            equalize(first, gain=2**0.5 / 4),  # as in the authors' code
            nn.Unflatten(1, (widths[0], height, breadth)),
            *_rectified(),
            nn.Conv2d(widths[0], widths[0], 3, padding=1),
            *_rectified(),
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                UpConv2d(fan_in, fan_out),
                *_rectified(),
                nn.Conv2d(fan_out, fan_out, 3, padding=1),
                *_rectified(),
            )
            for fan_in, fan_out in pairwise(widths)
        )
        self.to_image = nn.ModuleList(equalize(nn.Conv2d(n, self.image_shape[0], 1), gain=1.0) for n in widths)
        equalize(self)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, h, w) in [-1, 1] of the present level; labels are ignored."""
        check_latents(latents, self.latent_dim, self)
        level, alpha = self.growth.level, self.growth.alpha
        maps, below = self.stem(latents), None
        for number, block in enumerate(self.blocks[:level], start=1):
            if number == level:
                below = maps
            maps = block(maps)
        image: Tensor = self.to_image[level](maps).tanh()
        if below is None or alpha == 1:
            return image
        return torch.lerp(interpolate(self.to_image[level - 1](below).tanh(), scale_factor=2), image, alpha)


def _rectified() -> list[nn.Module]:
    return [nn.LeakyReLU(SLOPE), PixelNorm()]


class ProGANDiscriminator(Part):
    """The mirror of the generator, whose last layers see the standard deviation over a group of images, too.

    Args:
        image_shape, width, max_width, images_per_phase: See :class:`ProGANGenerator`.
        group_size: See :class:`~gan_lightning.networks.minibatch.MinibatchStdDevLayer`.

    Attributes:
        growth: How far it has grown.
        num_features: Of the head "features": what the last layer sees.

    Raises:
        ValueError: If the network cannot judge such images, or a number is out of its range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        width: int = 64,
        max_width: int = 512,
        images_per_phase: int = 200_000,
        group_size: int = 4,
    ) -> None:
        super().__init__()
        self.image_shape = read_shape(image_shape)
        (height, breadth), doublings = stem(self.image_shape)
        self.width = width
        self.max_width = max_width
        self.images_per_phase = images_per_phase
        self.group_size = group_size
        self.growth = Growth(doublings, images_per_phase)
        widths = feature_maps(width, max_width, doublings)[::-1]
        self.num_features = widths[0]
        self.from_image = nn.ModuleList(
            nn.Sequential(nn.Conv2d(self.image_shape[0], n, 1), nn.LeakyReLU(SLOPE)) for n in widths
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(fan_in, fan_in, 3, padding=1),
                nn.LeakyReLU(SLOPE),
                DownConv2d(fan_in, fan_out),
                nn.LeakyReLU(SLOPE),
            )
            for fan_out, fan_in in pairwise(widths)
        )
        self.last = nn.Sequential(
            StdDevMap(group_size),
            nn.Conv2d(widths[0] + 1, widths[0], 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
            nn.Linear(widths[0] * height * breadth, widths[0]),
            nn.LeakyReLU(SLOPE),
        )
        self.linear = equalize(nn.Linear(widths[0], 1), gain=1.0)
        equalize(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, C, h, w) to logits (N,) and features; labels are ignored.

        Those of the present level are judged as they are; of full resolution, they are shrunk to it before.
        """
        level, alpha = self.growth.level, self.growth.alpha
        if images.shape[1:] != self.shape_at(level):
            check_images(images, self.image_shape, self)
            images = self.growth.shrink(images)
        maps = self.from_image[level](images)
        for number in range(level, 0, -1):
            maps = self.blocks[number - 1](maps)
            if number == level and alpha < 1:
                maps = torch.lerp(self.from_image[level - 1](avg_pool2d(images, 2)), maps, alpha)
        features = self.last(maps)
        return Verdict(logits_of(self.linear, features), {"features": features})

    def shape_at(self, level: int) -> Shape:
        """The shape of images of a level."""
        channels, height, width = self.image_shape
        factor = 2 ** (self.growth.doublings - level)
        return channels, height // factor, width // factor
