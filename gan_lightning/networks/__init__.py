"""Generators ``G(z, labels) -> (N, C, H, W) in [-1, 1]`` and discriminators ``D(x, labels) -> (N,) logits``."""

from gan_lightning.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_lightning.networks.layers import ConcatLabels, DownConv2d, LabelPlanes, UpConv2d, spectral_normalise
from gan_lightning.networks.mlp import MLPDiscriminator, MLPGenerator
from gan_lightning.networks.resnet import ResNetDiscriminator, ResNetGenerator

__all__ = [
    "ConcatLabels",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DownConv2d",
    "LabelPlanes",
    "MLPDiscriminator",
    "MLPGenerator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "UpConv2d",
    "spectral_normalise",
]
