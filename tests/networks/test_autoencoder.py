"""BEGAN's networks: sizes of their layers, and the error of the autoencoder."""

import pytest
import torch
from torch import nn

from gan_lightning import BEGAN
from gan_lightning.networks import BEGANDiscriminator, BEGANGenerator, DCGANAutoencoder, DCGANGenerator


def convolutions(network):
    return [m for m in network.modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize("kind", [BEGANDiscriminator, DCGANAutoencoder])
def test_logit_is_minus_the_mean_absolute_error_of_the_reconstruction(kind):
    torch.manual_seed(0)
    discriminator, images = kind((2, 8, 12), 5, 4).eval(), torch.randn(3, 2, 8, 12)
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


def test_dcgan_networks_of_an_autoencoder_have_a_code_between_them_and_no_layer_that_learns_nothing():
    torch.manual_seed(0)
    discriminator = DCGANAutoencoder((3, 20, 32), 7, 4)
    discriminator(torch.randn(4, 3, 20, 32)).logits.sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in discriminator.parameters())
    decoder = DCGANGenerator((3, 20, 32), 7, 4)
    assert {n: p.shape for n, p in discriminator.decoder.named_parameters()} == {
        n: p.shape for n, p in decoder.named_parameters()
    }
    assert [layer.out_channels for layer in convolutions(discriminator.encoder)] == [4, 8, 16, 7]


def test_began_takes_dcgans_networks_by_name_and_a_code_of_another_size():
    gan = BEGAN(networks="dcgan", latent_dim=6, hidden_dim=3, width=4)
    assert isinstance(gan.generator, DCGANGenerator) and isinstance(gan.discriminator, DCGANAutoencoder)
    assert (gan.generator.latent_dim, gan.discriminator.hidden_dim) == (6, 3)
    assert BEGAN(latent_dim=6, width=4).discriminator.hidden_dim == 6
    with pytest.raises(ValueError, match=r"networks must be one of .*began.*dcgan.*, got 'gan'"):
        BEGAN(networks="gan")
