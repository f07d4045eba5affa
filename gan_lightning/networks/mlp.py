"""Multi-layer perceptrons: the networks of the first GAN."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from gan_lightning.arguments import check_counts, check_decays
from gan_lightning.game import Verdict
from gan_lightning.networks.layers import logits_of, norm_layer
from gan_lightning.networks.shapes import check_features, check_latents, read_count, read_shape
from gan_lightning.parts import Part


def _read_widths(widths: Sequence[int]) -> tuple[int, ...]:
    """The units of hidden layers in Python's integers; refuses none at all, and what is no integer of at least 1."""
    units = tuple(read_count(width) for width in widths) if isinstance(widths, Sequence) else ()
    if not units or min(units) < 1:
        raise ValueError(
            f"widths must be an integer of at least 1 for each hidden layer, as in (256, 512), got {widths!r}."
        )
    return units


class MLPGenerator(Part):
    """Linear layers, each but the last followed by LeakyReLU(0.2) and then batch norm; tanh at the end.

    With the defaults and (1, 28, 28) images: 1,489,936 parameters.

    Args:
        image_shape: (C, H, W) of the images, of any size.
        latent_dim: Features of a latent.
        widths: Units of each hidden layer, of which there is at least one.
        norm: Normalisation of the hidden layers: "batch" or "none".

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 100,
        widths: Sequence[int] = (256, 512, 1024),
        norm: str = "batch",
    ) -> None:
        super().__init__()
        check_counts(latent_dim=latent_dim)
        self.image_shape = read_shape(image_shape)
        self.latent_dim = latent_dim
        self.widths = _read_widths(widths)
        self.norm = norm
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise([latent_dim, *self.widths]):
            layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.2), norm_layer(norm, fan_out, dimensions=0)]
        self.layers = nn.Sequential(*layers, nn.Linear(self.widths[-1], math.prod(self.image_shape)), nn.Tanh())

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, H, W) in [-1, 1]; labels are ignored."""
        check_latents(latents, self.latent_dim, self)
        images: Tensor = self.layers(latents)
        return images.reshape(-1, *self.image_shape)


class MLPDiscriminator(Part):
    """Linear layers, each but the last followed by LeakyReLU(0.2) and dropout.

    With the defaults and 784 input features: 533,505 parameters.

    Args:
        in_features: Features of a flattened input: C * H * W, of images of any shape.
        widths: Units of each hidden layer, of which there is at least one.
        dropout_prob: Probability that a hidden unit is dropped, in [0, 1).

    Attributes:
        num_features: Of the head "features": what the last layer sees.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, in_features: int, widths: Sequence[int] = (512, 256), dropout_prob: float = 0.3) -> None:
        super().__init__()
        check_counts(in_features=in_features)
        check_decays(dropout_prob=dropout_prob)
        self.in_features = in_features
        self.widths = _read_widths(widths)
        self.dropout_prob = dropout_prob
        self.num_features = self.widths[-1]
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise([in_features, *self.widths]):
            layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.2), nn.Dropout(dropout_prob)]
        self.layers = nn.Sequential(*layers, nn.Linear(self.widths[-1], 1))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, ...) to logits (N,) and features (N, num_features); labels are ignored."""
        check_features(images, self.in_features, self)
        *hidden, last = self.layers
        features = images
        for layer in hidden:
            features = layer(features)
        return Verdict(logits_of(last, features), {"features": features})
