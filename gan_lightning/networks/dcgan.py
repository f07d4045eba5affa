"""Strided and transposed 4x4 convolutions (Radford et al., 2015, arXiv:1511.06434), at any image size."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from gan_lightning.arguments import check_counts
from gan_lightning.game import Verdict
from gan_lightning.networks.init import init_normal
from gan_lightning.networks.layers import logits_of, norm_layer
from gan_lightning.parts import Part


def halvings(image_shape: Sequence[int]) -> list[int]:
    """Sizes that an image passes through when it is halved, rounding down, until at most 4 pixels are left.

    Args:
        image_shape: (C, H, W).

    Raises:
        ValueError: If the images are not square, or less than 8 pixels wide.

    Example:
        >>> halvings((3, 64, 64)), halvings((1, 28, 28))
        ([64, 32, 16, 8, 4], [28, 14, 7, 3])
    """
    _, height, width = image_shape
    if height != width or height < 8:
        raise ValueError(
            f"DCGAN's networks cannot make {height}x{width} images: they must be square, and at least 8 pixels wide. "
            "Set the data's image_size."
        )
    sizes = [height]
    while sizes[-1] > 4:
        sizes.append(sizes[-1] // 2)
    return sizes


class DCGANGenerator(Part):
    """Transposed convolutions that double the resolution; norm and ReLU after all but the last, which has tanh.

    Args:
        image_shape: (C, H, W): square, at least 8 pixels wide.
        latent_dim: Features of a latent.
        width: Feature maps at half the resolution of the images; doubled each time that the resolution halves.
        norm: Normalisation: "batch" or "none".
        init_std: Standard deviation of the initial weights.

    Raises:
        ValueError: If the network cannot make images of this size.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 100,
        width: int = 64,
        norm: str = "batch",
        init_std: float = 0.02,
    ) -> None:
        super().__init__()
        check_counts(latent_dim=latent_dim, width=width)
        sizes = halvings(image_shape)[::-1]
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.norm = norm
        self.init_std = init_std
        widths = [width * 2**k for k in reversed(range(len(sizes) - 1))]
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, widths[0], sizes[0], bias=norm == "none"),
        ]
        for (small, large), (fan_in, fan_out) in zip(pairwise(sizes), pairwise([*widths, image_shape[0]]), strict=True):
            bias = norm == "none" or large == sizes[-1]
            layers += [norm_layer(norm, fan_in), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(fan_in, fan_out, 4, 2, 1, output_padding=large - 2 * small, bias=bias)]
        self.layers = nn.Sequential(*layers, nn.Tanh())
        init_normal(self, init_std)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, H, W) in [-1, 1]; labels are ignored."""
        images: Tensor = self.layers(latents)
        return images


class DCGANDiscriminator(Part):
    """Strided convolutions that halve the resolution until at most 4 pixels are left, and one that gives the logit.

    LeakyReLU(0.2) after each but the last, norm after each but the first and the last.

    Attributes:
        num_features: Of the head "features": what the last layer sees.

    Args:
        image_shape: (C, H, W) of what it judges: square, at least 8 pixels wide.
        width: Feature maps at half the resolution of the images; doubled each time that the resolution halves.
        norm: Normalisation: "batch" or "none".
        init_std: Standard deviation of the initial weights.

    Raises:
        ValueError: If the network cannot judge images of this size.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        width: int = 64,
        norm: str = "batch",
        init_std: float = 0.02,
    ) -> None:
        super().__init__()
        check_counts(width=width)
        sizes = halvings(image_shape)
        self.image_shape = tuple(image_shape)
        self.width = width
        self.norm = norm
        self.init_std = init_std
        widths = [width * 2**k for k in range(len(sizes) - 1)]
        layers: list[nn.Module] = [nn.Conv2d(image_shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Conv2d(fan_in, fan_out, 4, 2, 1, bias=norm == "none")]
            layers += [norm_layer(norm, fan_out), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, sizes[-1]))
        self.num_features = widths[-1] * sizes[-1] ** 2
        init_normal(self, init_std)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, C, H, W) to logits (N,) and features (N, num_features); labels are ignored."""
        *hidden, last = self.layers
        maps = images
        for layer in hidden:
            maps = layer(maps)
        return Verdict(logits_of(last, maps), {"features": maps.flatten(1)})
