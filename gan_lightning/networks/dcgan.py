"""Strided and transposed 4x4 convolutions (Radford et al., 2015, arXiv:1511.06434), at any image size."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from gan_lightning.networks.init import init_normal
from gan_lightning.networks.layers import stem


class DCGANGenerator(nn.Module):
    """Transposed convolutions that double the resolution; norm and ReLU after all but the last, which has tanh.

    Args:
        image_shape: (C, H, W); see :func:`~gan_lightning.networks.layers.stem` for the sizes it makes.
        latent_dim: Features of a latent.
        width: Feature maps at half the resolution of the images; doubled each time that the resolution halves.
        norm: Normalisation, a class that takes the number of feature maps; ``nn.Identity`` for none.
        init_std: Standard deviation of the initial weights.

    Raises:
        ValueError: If the network cannot make images of this size.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 100,
        width: int = 64,
        norm: type[nn.Module] = nn.BatchNorm2d,
        init_std: float = 0.02,
    ) -> None:
        super().__init__()
        size, doublings = stem(image_shape)
        widths = [width * 2**k for k in reversed(range(doublings))]
        layers: list[nn.Module] = [nn.Unflatten(1, (latent_dim, 1, 1))]
        fan_in, geometry = latent_dim, (size, 1, 0)  # kernel, stride, padding
        for fan_out in widths:
            layers += [nn.ConvTranspose2d(fan_in, fan_out, *geometry, bias=norm is nn.Identity)]
            layers += [norm(fan_out), nn.ReLU(inplace=True)]
            fan_in, geometry = fan_out, (4, 2, 1)
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(fan_in, image_shape[0], *geometry), nn.Tanh())
        init_normal(self, init_std)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, H, W) in [-1, 1]; labels are ignored."""
        images: Tensor = self.layers(latents)
        return images


class DCGANDiscriminator(nn.Module):
    """Strided convolutions that halve the resolution, norm and LeakyReLU(0.2) after each but the first and last.

    The first has no norm. The last is as large as what is left of the image, and gives the logit.

    Args:
        image_shape: (C, H, W) of what it judges; see :func:`~gan_lightning.networks.layers.stem` for the sizes.
        width: Feature maps at half the resolution of the images; doubled each time that the resolution halves.
        norm: Normalisation, a class that takes the number of feature maps; ``nn.Identity`` for none.
        init_std: Standard deviation of the initial weights.

    Raises:
        ValueError: If the network cannot judge images of this size.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        width: int = 64,
        norm: type[nn.Module] = nn.BatchNorm2d,
        init_std: float = 0.02,
    ) -> None:
        super().__init__()
        size, halvings = stem(image_shape)
        widths = [width * 2**k for k in range(halvings)]
        layers: list[nn.Module] = [nn.Conv2d(image_shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Conv2d(fan_in, fan_out, 4, 2, 1, bias=norm is nn.Identity)]
            layers += [norm(fan_out), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, size), nn.Flatten(0))
        init_normal(self, init_std)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map images (N, C, H, W) to logits (N,); labels are ignored."""
        logits: Tensor = self.layers(images)
        return logits
