"""Multi-layer perceptrons: the networks of the first GAN."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from gan_lightning.arguments import check_decays
from gan_lightning.game import Verdict
from gan_lightning.networks.layers import logits_of, norm_layer
from gan_lightning.parts import Part


class MLPGenerator(Part):
    """Linear layers, each but the last followed by LeakyReLU(0.2) and then batch norm; tanh at the end.

    With the defaults and (1, 28, 28) images: 1,489,936 parameters.

    Args:
        image_shape: (C, H, W) of the images.
        latent_dim: Features of a latent.
        widths: Units of the hidden layers.
        norm: Normalisation of the hidden layers: "batch" or "none".
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 100,
        widths: Sequence[int] = (256, 512, 1024),
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.widths = tuple(widths)
        self.norm = norm
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise([latent_dim, *widths]):
            layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.2), norm_layer(norm, fan_out, dimensions=0)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(image_shape)), nn.Tanh())

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, H, W) in [-1, 1]; labels are ignored."""
        images: Tensor = self.layers(latents)
        return images.reshape(-1, *self.image_shape)


class MLPDiscriminator(Part):
    """Linear layers, each but the last followed by LeakyReLU(0.2) and dropout.

    With the defaults and 784 input features: 533,505 parameters.

    Args:
        in_features: Features of a flattened input.
        widths: Units of the hidden layers.
        dropout_prob: Of a hidden unit, in [0, 1).

    Attributes:
        num_features: Of the head "features": what the last layer sees.
    """

    def __init__(self, in_features: int, widths: Sequence[int] = (512, 256), dropout_prob: float = 0.3) -> None:
        super().__init__()
        check_decays(dropout_prob=dropout_prob)
        self.in_features = in_features
        self.widths = tuple(widths)
        self.dropout_prob = dropout_prob
        self.num_features = widths[-1]
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise([in_features, *widths]):
            layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.2), nn.Dropout(dropout_prob)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, ...) to logits (N,) and features (N, num_features); labels are ignored."""
        *hidden, last = self.layers
        features = images
        for layer in hidden:
            features = layer(features)
        return Verdict(logits_of(last, features), {"features": features})
