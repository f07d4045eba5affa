"""Residual networks of WGAN-GP (arXiv:1704.00028) and SNGAN (arXiv:1802.05957), for images of many sizes."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from gan_lightning.arguments import check_choice, check_counts
from gan_lightning.game import Verdict
from gan_lightning.networks.attention import with_attention
from gan_lightning.networks.init import init_xavier
from gan_lightning.networks.layers import DownConv2d, UpConv2d, logits_of, norm_layer
from gan_lightning.networks.shapes import check_images, check_latents, read_shape, stem
from gan_lightning.parts import Part
from gan_lightning.precision import at_least_fp32


class UpBlock(nn.Module):
    """norm, ReLU, upsampling by 2, convolution, norm, ReLU, convolution, beside an upsampled 1x1 shortcut.

    Args:
        in_channels: Of the input, (N, in_channels, H, W).
        out_channels: Of the output, (N, out_channels, 2H, 2W).
        norm: Normalisation: "batch" or "none".
    """

    def __init__(self, in_channels: int, out_channels: int, norm: str) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            norm_layer(norm, in_channels),
            nn.ReLU(),
            UpConv2d(in_channels, out_channels),
            norm_layer(norm, out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Double the resolution."""
        residual: Tensor = self.residual(x)
        return residual + interpolate(self.shortcut(x), scale_factor=2)


class DownBlock(nn.Module):
    """ReLU, convolution, ReLU, convolution, pooling by 2, beside a pooled 1x1 shortcut.

    Args:
        in_channels: Of the input, (N, in_channels, H, W).
        out_channels: Of the output, (N, out_channels, H/2, W/2).
        hidden: Feature maps between the convolutions.
    """

    def __init__(self, in_channels: int, out_channels: int, hidden: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(in_channels, hidden, 3, padding=1),
            nn.ReLU(),
            DownConv2d(hidden, out_channels),
        )
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Halve the resolution."""
        residual: Tensor = self.residual(x)
        shortcut: Tensor = self.shortcut(avg_pool2d(x, 2))
        return residual + shortcut


class FlatBlock(nn.Module):
    """A residual block of D at the last resolution: ReLU, convolution, ReLU, convolution, identity shortcut.

    Args:
        channels: Of input and output, (N, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the resolution."""
        residual: Tensor = self.residual(x)
        return residual + x


def feature_maps(width: int, max_width: int, doublings: int) -> list[int]:
    """Feature maps at each resolution, the finest first.

    Args:
        width: At full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        doublings: How often it does.

    Raises:
        ValueError: If a number is below 1.
    """
    check_counts(width=width, max_width=max_width)
    return [min(width * 2**k, max_width) for k in range(doublings + 1)]


class ResNetGenerator(Part):
    """A linear layer, one :class:`UpBlock` a doubling, then norm, ReLU, convolution and tanh.

    Args:
        image_shape: (C, H, W), H and W at least 8. They need not be equal, but must be multiples of 2 where the shorter
            of them is at most 30, of 4 where it is at most 60, of 8 up to 120, of 16 up to 240, and so on.
        latent_dim: Features of a latent.
        width: Feature maps at full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        norm: Normalisation: "batch" or "none".
        attention: After how many halvings of the resolution of the images pixels attend to each other
            (:class:`~gan_lightning.networks.attention.SelfAttention`); None for nowhere.

    Raises:
        ValueError: If the network cannot make such images, or a number is out of its range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 128,
        width: int = 64,
        max_width: int = 1024,
        norm: str = "batch",
        attention: int | None = None,
    ) -> None:
        super().__init__()
        check_counts(latent_dim=latent_dim)
        self.image_shape = read_shape(image_shape)
        (height, breadth), doublings = stem(self.image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.max_width = max_width
        self.norm = norm
        self.attention = attention
        widths = feature_maps(width, max_width, doublings)[::-1]
        unflatten = nn.Unflatten(1, (widths[0], height, breadth))
        blocks = [UpBlock(fan_in, fan_out, norm) for fan_in, fan_out in pairwise(widths)]
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, widths[0] * height * breadth),
            *with_attention([unflatten, *blocks], widths, range(doublings, -1, -1), attention),
            norm_layer(norm, widths[-1]),
            nn.ReLU(),
            nn.Conv2d(widths[-1], self.image_shape[0], 3, padding=1),
            nn.Tanh(),
        )
        init_xavier(self)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, H, W) in [-1, 1]; labels are ignored."""
        check_latents(latents, self.latent_dim, self)
        images: Tensor = self.layers(latents)
        return images


class ResNetDiscriminator(Part):
    """Residual blocks that halve the resolution, a last one, ReLU, a sum over the pixels, a linear layer.

    The first block takes the image itself, not its ReLU.

    Args:
        image_shape: (C, H, W) of what it judges; H and W as those of :class:`ResNetGenerator`.
        width: Feature maps at half the resolution of the images; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        attention: See :class:`ResNetGenerator`.
        last_block: "flat" keeps the resolution; "half" halves it once more, and doubles the feature maps.
        wide: Whether the first convolution of a block, too, gives all its feature maps, as in BigGAN (Brock et al.,
            2018, arXiv:1809.11096); otherwise only as many as it gets, as in WGAN-GP's and SNGAN's code.

    Attributes:
        num_features: Of the head "features": what the last layer sees.

    Raises:
        ValueError: If the network cannot judge such images, or a number is out of its range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        width: int = 64,
        max_width: int = 1024,
        attention: int | None = None,
        last_block: str = "flat",
        wide: bool = True,
    ) -> None:
        super().__init__()
        check_choice(["flat", "half"], last_block=last_block)
        self.image_shape = read_shape(image_shape)
        size, halvings = stem(self.image_shape)
        self.width = width
        self.max_width = max_width
        self.attention = attention
        self.last_block = last_block
        self.wide = wide
        if last_block == "half" and (size[0] | size[1]) % 2:
            raise ValueError(
                f"last_block 'half' cannot halve the {size[0]}x{size[1]} pixels that the other blocks leave. Set it to "
                "flat, or networks to residual."
            )
        *widths, last = feature_maps(width, max_width, halvings)
        blocks = [DownBlock(self.image_shape[0], widths[0], widths[0])]
        blocks += [DownBlock(narrow, broad, broad if wide else narrow) for narrow, broad in pairwise(widths)]
        blocks[0].residual[0] = nn.Identity()
        places = range(1, halvings + 1)
        end = (
            DownBlock(widths[-1], last, last if wide else widths[-1]) if last_block == "half" else FlatBlock(widths[-1])
        )
        self.blocks = nn.Sequential(*with_attention(blocks, widths, places, attention), end)
        self.num_features = last if last_block == "half" else widths[-1]
        self.linear = nn.Linear(self.num_features, 1)
        init_xavier(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, C, H, W) to logits (N,) and features (N, num_features); labels are ignored."""
        check_images(images, self.image_shape, self)
        features = at_least_fp32(relu(self.blocks(images))).sum(dim=(2, 3))
        return Verdict(logits_of(self.linear, features), {"features": features})
