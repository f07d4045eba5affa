"""Generators ``G(z, labels) -> images in [-1, 1]`` and discriminators ``D(x, labels) -> Verdict(logits, heads)``."""

from gan_lightning.networks.attention import SelfAttention
from gan_lightning.networks.autoencoder import Autoencoder, BEGANDiscriminator, BEGANGenerator, DCGANAutoencoder
from gan_lightning.networks.choice import choose_discriminator
from gan_lightning.networks.conditional import BigGANGenerator, ConditionalResNetGenerator
from gan_lightning.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_lightning.networks.equalized import equalize
from gan_lightning.networks.fusing import fuse_resampling
from gan_lightning.networks.heads import Projection, WithHeads
from gan_lightning.networks.init import init_orthogonal
from gan_lightning.networks.layers import ConcatLabels, DownConv2d, LabelPlanes, UpConv2d, spectral_normalize
from gan_lightning.networks.minibatch import MinibatchDiscriminationLayer, MinibatchStdDevLayer, WithMinibatchLayer
from gan_lightning.networks.mlp import MLPDiscriminator, MLPGenerator
from gan_lightning.networks.packing import PacGAN
from gan_lightning.networks.progan import ProGANDiscriminator, ProGANGenerator, grow, growth_of
from gan_lightning.networks.r3gan import R3GANDiscriminator, R3GANGenerator
from gan_lightning.networks.resnet import ResNetDiscriminator, ResNetGenerator
from gan_lightning.networks.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from gan_lightning.networks.translation import (
    CycleGANGenerator,
    PatchDiscriminator,
    TwoWayDiscriminator,
    TwoWayGenerator,
    UNetGenerator,
)

__all__ = [
    "Autoencoder",
    "BEGANDiscriminator",
    "BEGANGenerator",
    "BigGANGenerator",
    "ConcatLabels",
    "ConditionalResNetGenerator",
    "CycleGANGenerator",
    "DCGANAutoencoder",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DownConv2d",
    "LabelPlanes",
    "MLPDiscriminator",
    "MLPGenerator",
    "MinibatchDiscriminationLayer",
    "MinibatchStdDevLayer",
    "PacGAN",
    "PatchDiscriminator",
    "ProGANDiscriminator",
    "ProGANGenerator",
    "Projection",
    "R3GANDiscriminator",
    "R3GANGenerator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "SelfAttention",
    "StyleGAN2Discriminator",
    "StyleGAN2Generator",
    "TwoWayDiscriminator",
    "TwoWayGenerator",
    "UNetGenerator",
    "UpConv2d",
    "WithHeads",
    "WithMinibatchLayer",
    "choose_discriminator",
    "equalize",
    "fuse_resampling",
    "grow",
    "growth_of",
    "init_orthogonal",
    "spectral_normalize",
]
