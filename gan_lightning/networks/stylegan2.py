"""A small StyleGAN2 in plain PyTorch (Karras et al., 2019, arXiv:1912.04958)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from gan_lightning.arguments import check_counts, check_probabilities, check_weights
from gan_lightning.game import Verdict
from gan_lightning.networks.equalized import equalize
from gan_lightning.networks.layers import logits_of
from gan_lightning.networks.minibatch import StdDevMap
from gan_lightning.networks.modulated import ModulatedConv2d, StyledConv2d, blur, rectify
from gan_lightning.networks.progan import PixelNorm
from gan_lightning.networks.resnet import feature_maps
from gan_lightning.networks.shapes import check_images, check_latents, read_shape, stem
from gan_lightning.parts import Part


class StyleGAN2Generator(Part):
    """A network maps latents to styles, and styles modulate each convolution of another, which begins at a constant.

    Images are sums of those of all resolutions (section 4.1). The paper's are not bounded; here tanh keeps pixels in
    range.

    Args:
        image_shape: (C, H, W); H and W as those of :class:`~gan_lightning.networks.resnet.ResNetGenerator`.
        latent_dim: Features of a latent, and of a style.
        width: Feature maps at full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        mapping_layers: Linear layers from a latent to its style.
        mixing_prob: Probability that an image in training has two styles, of coarse and of fine layers, in [0, 1].
        noise: Standard deviation of the noise of each layer before its learned strength, at least 0.

    Raises:
        ValueError: If the network cannot make such images, or a number is out of its range.
    """

    truncates = True

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 256,
        width: int = 64,
        max_width: int = 512,
        mapping_layers: int = 8,
        mixing_prob: float = 0.9,
        noise: float = 1.0,
    ) -> None:
        super().__init__()
        check_counts(latent_dim=latent_dim, mapping_layers=mapping_layers)
        check_probabilities(mixing_prob=mixing_prob)
        check_weights(noise=noise)
        self.image_shape = read_shape(image_shape)
        (height, breadth), doublings = stem(self.image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.max_width = max_width
        self.mapping_layers = mapping_layers
        self.mixing_prob = mixing_prob
        self.noise = noise
        channels = self.image_shape[0]
        widths = feature_maps(width, max_width, doublings)[::-1]
        linear = [equalize(nn.Linear(latent_dim, latent_dim), gain=1.0, lr_factor=0.01) for _ in range(mapping_layers)]
        self.linear = nn.ModuleList(linear)
        self.constant = nn.Parameter(torch.randn(1, widths[0], height, breadth))
        self.layers = nn.ModuleList([StyledConv2d(widths[0], widths[0], latent_dim, (height, breadth), noise)])
        self.to_image = nn.ModuleList([ModulatedConv2d(widths[0], channels, 1, latent_dim, demodulate=False)])
        for k, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
            size = height << k, breadth << k
            self.layers.append(StyledConv2d(fan_in, fan_out, latent_dim, size, noise, up=2))
            self.layers.append(StyledConv2d(fan_out, fan_out, latent_dim, size, noise))
            self.to_image.append(ModulatedConv2d(fan_out, channels, 1, latent_dim, demodulate=False))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def mapping(self, latents: Tensor) -> Tensor:
        """Map latents (N, latent_dim) to styles (N, latent_dim)."""
        check_latents(latents, self.latent_dim, self)
        styles: Tensor = PixelNorm()(latents)
        for layer in self.linear:
            styles = rectify(layer(styles))
        return styles

    def synthesis(self, styles: Tensor) -> Tensor:
        """Map styles to images (N, C, H, W) in [-1, 1].

        Args:
            styles: (N, latent_dim), or one style a layer, (N, layers, latent_dim).
        """
        each = styles if styles.ndim == 3 else styles[:, None].expand(-1, len(self.layers), -1)
        maps = self.layers[0](self.constant.expand(each.shape[0], -1, -1, -1), each[:, 0])
        image = self.to_image[0](maps, each[:, 0]) + self.bias
        for k, to_image in enumerate(self.to_image[1:], start=1):
            maps = self.layers[2 * k - 1](maps, each[:, 2 * k - 1])
            maps = self.layers[2 * k](maps, each[:, 2 * k])
            larger = interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
            image = larger + to_image(maps, each[:, 2 * k])
        images: Tensor = image.tanh()
        return images

    def mix(self, styles: Tensor, others: Tensor) -> Tensor:
        """One style a layer: some images have the other style from a random layer on (arXiv:1812.04948, section 3.1).

        Args:
            styles, others: (N, latent_dim).

        Returns:
            (N, layers, latent_dim).
        """
        count, layers = len(styles), len(self.layers)
        first_other = torch.randint(1, layers, (count, 1), device=styles.device) if layers > 1 else layers
        is_mixed = torch.rand(count, 1, device=styles.device) < self.mixing_prob
        is_other = is_mixed & (torch.arange(layers, device=styles.device) >= first_other)
        return torch.where(is_other[:, :, None], others[:, None], styles[:, None])

    def forward(self, latents: Tensor, labels: Tensor | None = None, truncation: float | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, H, W) in [-1, 1]; labels are ignored.

        Args:
            latents: (N, latent_dim).
            labels: Ignored.
            truncation: ψ in [0, 1], the share of its distance from the mean style that a style keeps (Karras et al.,
                2018, arXiv:1812.04948, appendix B); None for all of it.

        Raises:
            ValueError: If the latents have another shape, or ψ is out of its range.
        """
        check_probabilities(truncation=1.0 if truncation is None else truncation)
        styles = self.mapping(latents)
        if truncation is not None:
            styles = self.mean_style().lerp(styles, truncation)
        if self.training and self.mixing_prob:
            styles = self.mix(styles, self.mapping(torch.randn_like(latents)))
        return self.synthesis(styles)

    def mean_style(self) -> Tensor:
        """The mean of the styles of 4,096 latents, always the same, (1, latent_dim)."""
        latents = torch.randn(4096, self.latent_dim, generator=torch.Generator().manual_seed(0))
        return self.mapping(latents.to(self.constant)).mean(0, keepdim=True)


class DownsampledConv2d(nn.Conv2d):
    """A convolution of stride 2 of blurred feature maps.

    Args:
        in_channels: Of the input, (N, in_channels, H, W), with H and W even.
        out_channels: Of the output, (N, out_channels, H/2, W/2).
        kernel_size: Odd.
        bias: Whether it adds one.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Halve the resolution."""
        return super().forward(blur(pad(x, [(self.weight.shape[2] + 1) // 2] * 4)))


class DownBlock(nn.Module):
    """Two convolutions, the second of which halves the resolution, beside a 1x1 shortcut.

    Args:
        in_channels: Of the input, (N, in_channels, H, W), with H and W even.
        out_channels: Of the output, (N, out_channels, H/2, W/2).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.second = DownsampledConv2d(in_channels, out_channels, 3)
        self.shortcut = DownsampledConv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Halve the resolution."""
        out: Tensor = (rectify(self.second(rectify(self.first(x)))) + self.shortcut(x)) * 0.5**0.5
        return out


class StyleGAN2Discriminator(Part):
    """Residual blocks that halve the resolution, then layers that see the deviation over a group of images, too.

    Args:
        image_shape: (C, H, W) of what it judges; H and W as those of :class:`StyleGAN2Generator`.
        width: Feature maps at full resolution; doubled each time that the resolution halves ...
        max_width: ... up to this many.
        group_size: See :class:`~gan_lightning.networks.minibatch.MinibatchStdDevLayer`.

    Attributes:
        num_features: Of the head "features": what the last layer sees.

    Raises:
        ValueError: If the network cannot judge such images, or a number is out of its range.
    """

    def __init__(self, image_shape: Sequence[int], width: int = 64, max_width: int = 512, group_size: int = 4) -> None:
        super().__init__()
        self.image_shape = read_shape(image_shape)
        (height, breadth), doublings = stem(self.image_shape)
        self.width = width
        self.max_width = max_width
        self.group_size = group_size
        widths = feature_maps(width, max_width, doublings)
        self.num_features = widths[-1]
        self.from_image = nn.Conv2d(self.image_shape[0], widths[0], 1)
        self.blocks = nn.Sequential(*[DownBlock(fan_in, fan_out) for fan_in, fan_out in pairwise(widths)])
        self.deviation = StdDevMap(group_size)
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1)
        self.hidden = nn.Linear(widths[-1] * height * breadth, widths[-1])
        self.linear = nn.Linear(widths[-1], 1)
        equalize(self, gain=1.0)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, C, H, W) to logits (N,) and features (N, num_features); labels are ignored."""
        check_images(images, self.image_shape, self)
        maps = self.deviation(self.blocks(rectify(self.from_image(images))))
        features = rectify(self.hidden(rectify(self.last(maps)).flatten(1)))
        return Verdict(logits_of(self.linear, features), {"features": features})
