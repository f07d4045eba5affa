"""Strided and transposed 4x4 convolutions (Radford et al., 2015, arXiv:1511.06434), for images of any size from 8x8."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from gan_lightning.arguments import check_choice, check_counts, check_positive
from gan_lightning.game import Verdict
from gan_lightning.networks.attention import SelfAttention, check_attention
from gan_lightning.networks.init import init_normal
from gan_lightning.networks.layers import NORMS, logits_of, norm_layer
from gan_lightning.networks.shapes import Shape, check_images, check_latents, halvings, read_shape
from gan_lightning.parts import Part


class DCGANGenerator(Part):
    """Transposed convolutions that double the resolution; norm and ReLU after all but the last, which has tanh.

    Args:
        image_shape: (C, H, W), H and W at least 8; they need not be equal, nor even.
        latent_dim: Features of a latent.
        width: Feature maps at half the resolution of the images; doubled each time that the resolution halves.
        norm: Normalisation: "batch" or "none".
        init_std: Standard deviation of the initial weights.

    Raises:
        ValueError: If the network cannot make such images, or a number is out of its range.
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
        check_positive(init_std=init_std)
        self.image_shape = read_shape(image_shape)
        sizes = halvings(self.image_shape)[::-1]
        self.latent_dim = latent_dim
        self.width = width
        self.norm = norm
        self.init_std = init_std
        widths = [width * 2**k for k in reversed(range(len(sizes) - 1))]
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, widths[0], sizes[0], bias=norm == "none"),
        ]
        channels = pairwise([*widths, self.image_shape[0]])
        for (small, large), (fan_in, fan_out) in zip(pairwise(sizes), channels, strict=True):
            bias = norm == "none" or large == sizes[-1]
            odd = large[0] - 2 * small[0], large[1] - 2 * small[1]
            layers += [norm_layer(norm, fan_in), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(fan_in, fan_out, 4, 2, 1, output_padding=odd, bias=bias)]
        self.layers = nn.Sequential(*layers, nn.Tanh())
        init_normal(self, init_std)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, H, W) in [-1, 1]; labels are ignored."""
        check_latents(latents, self.latent_dim, self)
        images: Tensor = self.layers(latents)
        return images


class DCGANDiscriminator(Part):
    """Strided convolutions that halve images until their shorter side has at most 4 pixels, and one for the logit.

    LeakyReLU(0.2) after each but the last, norm after each but the first and the last.

    Args:
        image_shape: (C, H, W) of what it judges; H and W as those of :class:`DCGANGenerator`.
        width: Feature maps at half the resolution of the images; doubled each time that the resolution halves.
        norm: Normalisation: "batch" or "none".
        init_std: Standard deviation of the initial weights.
        attention: After how many halvings of the resolution of the images pixels attend to each other
            (:class:`~gan_lightning.networks.attention.SelfAttention`); None for nowhere.

    Attributes:
        num_features: Of the head "features": what the last layer sees.

    Raises:
        ValueError: If the network cannot judge such images, or a number is out of its range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        width: int = 64,
        norm: str = "batch",
        init_std: float = 0.02,
        attention: int | None = None,
    ) -> None:
        super().__init__()
        check_counts(width=width)
        check_choice(NORMS, norm=norm)
        check_positive(init_std=init_std)
        self.image_shape = read_shape(image_shape)
        self.width = width
        self.norm = norm
        self.init_std = init_std
        self.attention = attention
        self.layers = strided(self.image_shape, width, norm, 1, attention)
        sizes = halvings(self.image_shape)
        self.num_features = width * 2 ** (len(sizes) - 2) * math.prod(sizes[-1])
        init_normal(self, init_std)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, C, H, W) to logits (N,) and features (N, num_features); labels are ignored."""
        check_images(images, self.image_shape, self)
        *hidden, last = self.layers
        maps = images
        for layer in hidden:
            maps = layer(maps)
        return Verdict(logits_of(last, maps), {"features": maps.flatten(1)})


def strided(image_shape: Shape, width: int, norm: str, outputs: int, attention: int | None = None) -> nn.Sequential:
    """Convolutions that halve images, as :class:`DCGANDiscriminator` says, and one that sees all that is left."""
    sizes = halvings(image_shape)
    widths = [width * 2**k for k in range(len(sizes) - 1)]
    check_attention(range(1, len(sizes)), attention)
    layers: list[nn.Module] = []
    for k, (fan_in, fan_out) in enumerate(pairwise([image_shape[0], *widths]), start=1):
        layers.append(nn.Conv2d(fan_in, fan_out, 4, 2, 1, bias=k == 1 or norm == "none"))
        if k > 1:
            layers.append(norm_layer(norm, fan_out))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        if k == attention:
            layers.append(SelfAttention(fan_out))
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], outputs, sizes[-1]))
