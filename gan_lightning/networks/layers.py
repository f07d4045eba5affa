"""Layers that more than one family of networks uses."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, one_hot, pad
from torch.nn.utils.parametrizations import spectral_norm

from gan_lightning.arguments import check_choice, check_counts, check_weights
from gan_lightning.networks.shapes import read_classes
from gan_lightning.parts import Part
from gan_lightning.precision import at_least_fp32

NORMS = ("batch", "none")
"""How hidden layers may be normalised."""


def norm_layer(norm: str, features: int, dimensions: int = 2) -> nn.Module:
    """The layer that normalises ``features`` units (0 dimensions) or feature maps (2): "batch" norm, or "none".

    Raises:
        ValueError: If ``norm`` is another word.
    """
    check_choice(NORMS, norm=norm)
    if norm == "none":
        return nn.Identity()
    return nn.BatchNorm2d(features) if dimensions else nn.BatchNorm1d(features)


def class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """How much of each class is asked for, (N, num_classes): one of them, (N,) int64; or as given, for a mixture."""
    return labels if labels.ndim == 2 else one_hot(labels, num_classes)


def embed(embedding: nn.Embedding, labels: Tensor) -> Tensor:
    """The embedding of classes, (N,) int64, or of mixtures of them, (N, num_classes): (N, features)."""
    rows: Tensor = labels @ embedding.weight if labels.ndim == 2 else embedding(labels)
    return rows


class ConcatLabels(Part):
    """Condition a network by concatenating a learned embedding of the label to its flattened input.

    The conditioning of cGAN (Mirza and Osindero, 2014, arXiv:1411.1784), for the latents of a generator and for the
    pixels of an MLP.

    Args:
        network: Takes ``embedding_dim`` more features than the caller gives.
        num_classes: Labels are in [0, num_classes).
        embedding_dim: Features of the embedding.
        init_std: Standard deviation of the initial embedding. On MNIST a discriminator learns the classes with 1, and
            not with 0.1. A generator wants 0.1: with 1, that of CGAN hardly learns, and that of ConditionalDCGAN comes
            to make one image a class, whatever the latent.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, network: nn.Module, num_classes: int, embedding_dim: int, init_std: float = 1.0) -> None:
        super().__init__()
        check_counts(embedding_dim=embedding_dim)
        check_weights(init_std=init_std)
        self.network = network
        self.num_classes = read_classes(num_classes)
        self.embedding_dim = embedding_dim
        self.init_std = init_std
        self.num_features = getattr(network, "num_features", None)
        self.embedding = nn.Embedding(self.num_classes, embedding_dim)
        nn.init.normal_(self.embedding.weight, 0.0, init_std)

    def forward(self, inputs: Tensor, labels: Tensor) -> Any:
        """Put the embeddings behind inputs (N, ...), flattened, and pass on; labels: see :func:`embed`."""
        return self.network(torch.cat([inputs.flatten(1), embed(self.embedding, labels)], dim=1))


class LabelPlanes(Part):
    """Condition a convolutional network by one more channel a class: ones for that of the label, zeros for the others.

    Planes of learned pixels instead, which start as noise, make the samples of ConditionalDCGAN grainy and, at high
    learning rates, alike within a class.

    Args:
        network: Takes ``num_classes`` more channels than the caller gives.
        num_classes: Labels are in [0, num_classes).

    Raises:
        ValueError: If there is no class.
    """

    def __init__(self, network: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.network = network
        self.num_classes = read_classes(num_classes)
        self.num_features = getattr(network, "num_features", None)

    def forward(self, images: Tensor, labels: Tensor) -> Any:
        """Put the planes behind the channels of images (N, C, H, W) and pass on; labels: (N,) int64."""
        classes = one_hot(labels, self.num_classes).to(images.dtype)
        planes = classes[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return self.network(torch.cat([images, planes], dim=1))


def spectral_normalize(network: nn.Module) -> nn.Module:
    """Divide each weight by its largest singular value (Miyato et al., 2018, arXiv:1802.05957, algorithm 1).

    One power iteration is made each time that the weight is computed in training mode, none in evaluation.

    Args:
        network: All its linear, convolutional and embedding layers are normalised, in place.

    Returns:
        The network itself.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
            spectral_norm(module)
    return network


def outputs_of(layer: nn.Module, features: Tensor) -> Tensor:
    """A last layer of a discriminator, outside of autocast: sums over many features overflow in 16 bits.

    Args:
        layer: Maps features to numbers.
        features: (N, ...).

    Returns:
        (N, numbers), in at least 32 bits.
    """
    with torch.autocast(features.device.type, enabled=False):
        outputs: Tensor = layer(at_least_fp32(features))
    return outputs.flatten(1)


def logits_of(layer: nn.Module, features: Tensor) -> Tensor:
    """The logits (N,) of a last layer that gives one number an image: see :func:`outputs_of`."""
    return outputs_of(layer, features).squeeze(1)


def _box_kernel(weight: Tensor) -> Tensor:
    """Convolve (..., 3, 3) taps with a 2x2 box: (..., 4, 4)."""
    rows = pad(weight, (0, 0, 1, 0)) + pad(weight, (0, 0, 0, 1))
    return pad(rows, (1, 0)) + pad(rows, (0, 1))


class UpConv2d(nn.Conv2d):
    """Nearest-neighbour upsampling by 2, then a 3x3 convolution, as one 4x4 transposed convolution of stride 2.

    The same parameters and the same function as the two layers, at 16 instead of 36 multiplications a pixel:
    equal upsampled neighbours share one tap, the sum of the taps that would read them.

    Args:
        in_channels: Of the input, (N, in_channels, H, W).
        out_channels: Of the output, (N, out_channels, 2H, 2W).

    Raises:
        ValueError: If there are no channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        check_counts(in_channels=in_channels, out_channels=out_channels)
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Upsample and convolve."""
        kernel = _box_kernel(self.weight.flip(2, 3)).transpose(0, 1)
        return conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


class DownConv2d(nn.Conv2d):
    """A 3x3 convolution, then 2x2 average pooling, as one 4x4 convolution of stride 2: see :class:`UpConv2d`.

    Args:
        in_channels: Of the input, (N, in_channels, H, W), with H and W even.
        out_channels: Of the output, (N, out_channels, H/2, W/2).

    Raises:
        ValueError: If there are no channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        check_counts(in_channels=in_channels, out_channels=out_channels)
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and pool."""
        return conv2d(x, _box_kernel(self.weight) / 4, self.bias, stride=2, padding=1)
