"""BEGAN's networks: sizes of their layers, and the error of the autoencoder."""

import torch
from torch import nn

from gan_lightning.networks import BEGANDiscriminator, BEGANGenerator


def convolutions(network):
    return [m for m in network.modules() if isinstance(m, nn.Conv2d)]


def test_logit_is_minus_the_mean_absolute_error_of_the_reconstruction():
    torch.manual_seed(0)
    discriminator, images = BEGANDiscriminator((2, 8, 12), 5, 4), torch.randn(3, 2, 8, 12)
    verdict = discriminator(images)
    reconstruction = discriminator.decoder(discriminator.encoder(images))
    assert reconstruction.shape == images.shape
    for k in range(3):
        torch.testing.assert_close(verdict.logits[k], -(images[k] - reconstruction[k]).abs().sum() / (2 * 8 * 12))
    assert verdict.heads["features"].shape == (3, 5)
    assert verdict.heads["reconstruction"].equal(reconstruction)


def test_decoders_keep_their_width_and_encoders_grow_by_it_at_each_halving():
    with torch.device("meta"):
        generator, discriminator = BEGANGenerator((3, 32, 32), 64, 16), BEGANDiscriminator((3, 32, 32), 64, 16)
    assert [layer.out_channels for layer in convolutions(generator)] == [16] * 8 + [3]
    assert [layer.out_channels for layer in convolutions(discriminator.decoder)] == [16] * 8 + [3]
    assert [layer.out_channels for layer in convolutions(discriminator.encoder)] == [16, 16, 32, 32, 48, 48, 64, 64]


def test_error_of_half_precision_is_in_32_bits():
    discriminator, images = BEGANDiscriminator((1, 8, 8), 5, 4), torch.randn(2, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert discriminator(images).logits.dtype == torch.float32
