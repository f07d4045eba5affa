"""Networks without normalisation: their blocks against formulas, and how they begin."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu

from gan_lightning.networks import R3GANDiscriminator, R3GANGenerator
from gan_lightning.networks.r3gan import BottleneckBlock


def test_block_begins_as_the_identity_and_adds_three_convolutions():
    torch.manual_seed(0)
    block, x = BottleneckBlock(8, depth=4).double(), torch.randn(2, 8, 5, 6).double()
    assert block(x).equal(x)
    nn.init.normal_(block.last.weight)
    inner = leaky_relu(conv2d(x, block.first.weight, block.first.bias), 0.2)
    inner = leaky_relu(conv2d(inner, block.grouped.weight, block.grouped.bias, padding=1), 0.2)
    torch.testing.assert_close(block(x), x + conv2d(inner, block.last.weight), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("channels", "groups"), [(32, 4), (16, 2), (12, 1)])
def test_grouped_convolutions_mix_sixteen_maps_where_they_divide(channels, groups):
    assert BottleneckBlock(channels, depth=1).grouped.groups == groups


def test_weights_begin_with_the_standard_deviation_of_fixup():
    torch.manual_seed(0)
    block = BottleneckBlock(256, depth=16)
    for layer, fan_in in ((block.first, 256), (block.grouped, 16 * 9)):
        expected = math.sqrt(2 / (1 + 0.2**2) / fan_in) * 16**-0.25
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.02)
        assert not layer.bias.any()


def test_generator_is_its_basis_modulated_then_upsampled_while_blocks_are_identities():
    torch.manual_seed(0)
    generator, latents = R3GANGenerator((2, 8, 12), 5, 4, blocks=1).double(), torch.randn(3, 5).double()
    maps = torch.einsum("nl,cl,chw->nchw", latents, generator.linear.weight, generator.basis)
    mixed = conv2d(maps, generator.mixers[0].weight)
    larger = interpolate(mixed, scale_factor=2, mode="bilinear", align_corners=False)
    expected = conv2d(larger, generator.to_image.weight).tanh()
    torch.testing.assert_close(generator(latents), expected, rtol=0, atol=1e-12)


def test_discriminator_is_linear_while_blocks_are_identities():
    torch.manual_seed(0)
    discriminator, images = R3GANDiscriminator((2, 8, 12), 4, blocks=1).double(), torch.randn(3, 2, 8, 12).double()
    maps = conv2d(conv2d(images, discriminator.from_image.weight), discriminator.mixers[0].weight)
    features = torch.einsum("nchw,cohw->nc", avg_pool2d(maps, 2), discriminator.basis.weight)
    verdict = discriminator(images)
    torch.testing.assert_close(verdict.heads["features"], features, rtol=0, atol=1e-12)
    torch.testing.assert_close(verdict.logits, features @ discriminator.linear.weight[0], rtol=0, atol=1e-12)


def test_no_layer_normalises():
    for network in (R3GANGenerator((1, 8, 8), 5, 4), R3GANDiscriminator((1, 8, 8), 4)):
        kinds = {type(m).__name__ for m in network.modules()}
        assert not any("Norm" in kind for kind in kinds)


def test_each_resolution_has_so_many_blocks():
    generator = R3GANGenerator((1, 16, 16), 5, 4, blocks=3)
    assert [len(stage) for stage in generator.stages] == [3, 3, 3]
    with pytest.raises(ValueError, match="blocks must be an integer, at least 1, got 0"):
        R3GANDiscriminator((1, 8, 8), blocks=0)
