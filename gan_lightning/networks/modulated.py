"""The layers of StyleGAN2 (Karras et al., 2019, arXiv:1912.04958): convolutions in the style of each image."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, pad

from gan_lightning.networks.equalized import equalize


def rectify(x: Tensor) -> Tensor:
    """LeakyReLU(0.2), times √2 to keep the variance."""
    return leaky_relu(x, 0.2) * 2**0.5


class _Blur(torch.autograd.Function):
    """The filter is symmetric, so gradients are filtered likewise; those of depthwise convolutions take far longer."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        for _ in range(3):  # [1, 3, 3, 1] / 8 is [1, 1] / 2 three times
            x = x[..., 1:].lerp(x[..., :-1], 0.5)
            x = x[..., 1:, :].lerp(x[..., :-1, :], 0.5)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return blur(pad(gradients[0], [3] * 4))


def blur(x: Tensor) -> Tensor:
    """Filter each feature map (N, C, H, W) by [1, 3, 3, 1] / 8 along both sides: (N, C, H - 3, W - 3)."""
    blurred: Tensor = _Blur.apply(x)
    return blurred


class ModulatedConv2d(nn.Module):
    """A convolution whose input feature maps a style scales, for each image, and whose output has unit variance again.

    Scaling the weights for each image, as in the paper, is the same as scaling input and output.

    Args:
        in_channels: Of the input, (N, in_channels, H, W).
        out_channels: Of the output, of the same size, or of (2H, 2W).
        kernel_size: Odd.
        style_dim: Features of a style.
        demodulate: Whether the output is scaled, too.
        up: 2 to double the resolution, by bilinear interpolation, before the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style_dim: int,
        demodulate: bool = True,
        up: int = 1,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        style = nn.Linear(style_dim, in_channels)
        self.style = equalize(style, gain=1.0)
        nn.init.ones_(style.bias)
        self.demodulate = demodulate
        self.up = up

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        """Convolve x, in the style of each image, (N, style_dim)."""
        scale = self.style(styles)  # s
        weight = self.weight * self.weight[0].numel() ** -0.5
        x = x * scale[:, :, None, None]  # eq. 1
        if self.up > 1:
            x = blur(pad(conv_transpose2d(x, 4 * weight.flip(2, 3).transpose(0, 1), stride=2), (1, 1, 1, 1)))
        else:
            x = conv2d(x, weight, padding=weight.shape[2] // 2)
        if not self.demodulate:
            return x
        power: Tensor = scale.square() @ weight.square().sum((2, 3)).T
        return x * (power + 1e-8).rsqrt()[:, :, None, None]  # eq. 3


class StyledConv2d(nn.Module):
    """A modulated convolution, noise of a learned strength, a bias and LeakyReLU.

    In training each image gets new noise; in evaluation all get the same, which is a buffer.

    Args:
        in_channels, out_channels, style_dim, up: See :class:`ModulatedConv2d`.
        size: (H, W) of the output.
        noise: Standard deviation of the noise before its learned strength.
    """

    constant: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, style_dim: int, size: tuple[int, int], noise: float, up: int = 1
    ) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(in_channels, out_channels, 3, style_dim, up=up)
        self.bias = nn.Parameter(torch.zeros(out_channels, 1, 1))
        self.strength = nn.Parameter(torch.zeros(()))
        self.noise = noise
        self.register_buffer("constant", torch.randn(1, 1, *size))

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        """Map x (N, C, H, W) in styles (N, style_dim) to (N, out_channels, H, W), or twice as high and wide."""
        x = self.convolution(x, styles)
        noise = torch.randn_like(x[:, :1]) if self.training else self.constant
        return rectify(x + self.strength * self.noise * noise + self.bias)
