from itertools import pairwise

import pytest
import torch
from torch import nn

from gan_lightning.networks import DCGANDiscriminator, DCGANGenerator
from gan_lightning.networks.shapes import halvings

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def convolutions(network):
    return [layer for layer in network.layers if isinstance(layer, CONVOLUTIONS)]


def kinds(network):
    return [type(layer) for layer in network.layers]


@pytest.fixture(scope="module")
def published():
    """The networks of the paper, 64 px and RGB; only their structure is looked at."""
    with torch.device("meta"):
        return DCGANGenerator((3, 64, 64)), DCGANDiscriminator((3, 64, 64))


def test_published_generator_widths_and_geometry(published):
    layers = convolutions(published[0])
    assert [layer.in_channels for layer in layers] == [100, 512, 256, 128, 64]
    assert layers[-1].out_channels == 3
    assert [layer.kernel_size for layer in layers] == [(4, 4)] * 5
    assert [layer.stride for layer in layers] == [(1, 1)] + [(2, 2)] * 4


def test_published_discriminator_widths_and_geometry(published):
    layers = convolutions(published[1])
    assert [layer.out_channels for layer in layers] == [64, 128, 256, 512, 1]
    assert [layer.kernel_size for layer in layers] == [(4, 4)] * 5
    assert [layer.stride for layer in layers] == [(2, 2)] * 4 + [(1, 1)]


def test_published_parameter_counts(published):
    # The known counts, 3,576,704 and 2,765,568, and the biases of the layers without norm: 3, and 64 + 1.
    assert [sum(p.numel() for p in network.parameters()) for network in published] == [3_576_707, 2_765_633]


def test_generator_has_norm_and_relu_everywhere_but_at_its_output(published):
    block = [nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU]
    assert kinds(published[0]) == [nn.Unflatten, *block * 4, nn.ConvTranspose2d, nn.Tanh]


def test_discriminator_has_no_norm_at_its_input_nor_at_its_output(published):
    block = [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    assert kinds(published[1]) == [nn.Conv2d, nn.LeakyReLU, *block * 3, nn.Conv2d]
    assert {layer.negative_slope for layer in published[1].layers if isinstance(layer, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize("network", [DCGANGenerator, DCGANDiscriminator])
def test_a_convolution_has_a_bias_where_no_norm_follows(network):
    normed, plain = network((1, 32, 32), width=2), network((1, 32, 32), width=2, norm="none")
    layers = list(normed.layers)
    for layer, following in pairwise(layers):
        if isinstance(layer, CONVOLUTIONS):
            assert (layer.bias is None) == isinstance(following, nn.BatchNorm2d)
    assert all(layer.bias is not None for layer in convolutions(plain))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in plain.modules())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 28, 32, 64, 96])
def test_every_size_is_made_in_range_and_judged(size, channels):
    shape = (channels, size, size)
    images = DCGANGenerator(shape, latent_dim=5, width=2)(1e4 * torch.randn(2, 5))
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    discriminator = DCGANDiscriminator(shape, width=2)
    assert discriminator(images).logits.shape == (2,)
    assert discriminator.eval()(images[:1]).logits.shape == (1,)


def test_range_is_reached_at_both_ends():
    generator = DCGANGenerator((1, 28, 28), width=2, init_std=1.0)
    images = generator(torch.randn(16, 100))
    assert images.min() < -0.99
    assert images.max() > 0.99


SIZES = [*((size, size) for size in range(8, 34)), (64, 48), (28, 56), (40, 24), (9, 21), (8, 50), (31, 8)]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_from_8_pixels_on_passes_through_the_same_sizes_in_both_networks(size):
    shape = (1, *size)
    seen = {"up": [], "down": []}
    generator, discriminator = DCGANGenerator(shape, 5, 1), DCGANDiscriminator(shape, 1)
    for way, network in (("up", generator), ("down", discriminator)):
        for layer in convolutions(network):
            layer.register_forward_hook(lambda _layer, _, output, way=way: seen[way].append(tuple(output.shape[2:])))
    verdict = discriminator.eval()(generator.eval()(torch.randn(2, 5)))
    assert verdict.logits.shape == (2,)
    assert verdict.heads["features"].shape == (2, discriminator.num_features)
    assert seen["up"] == halvings(shape)[::-1]
    assert seen["down"] == [*halvings(shape)[1:], (1, 1)]


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (28, 28), (30, 30), (31, 31), (31, 20), (8, 31)])
def test_no_pixel_is_left_out_at_the_border_of_an_odd_size(size):
    torch.manual_seed(0)
    generator = DCGANGenerator((1, *size), 5, 2, "none", init_std=0.3).double()
    discriminator = DCGANDiscriminator((1, *size), 2, "none", init_std=0.3).double()
    images = generator(torch.randn(16, 5).double())
    assert (images.std(0) > 1e-9).all()  # each follows the latents, and is not a bias alone
    (gradient,) = torch.autograd.grad(discriminator(images).logits.sum(), images)
    assert gradient.abs().sum(0).all()


@pytest.mark.parametrize("network", [DCGANGenerator, DCGANDiscriminator])
@pytest.mark.parametrize(("height", "width", "nearest"), [(7, 7, "8x8"), (28, 4, "28x8"), (1, 2, "8x8")])
def test_impossible_size_is_an_error_that_names_it_and_the_nearest(network, height, width, nearest):
    with pytest.raises(ValueError, match=rf"cannot make {height}x{width} images.*at least 8\. .* is {nearest}: resize"):
        network((1, height, width))


@pytest.mark.parametrize("network", [DCGANGenerator, DCGANDiscriminator])
@pytest.mark.parametrize(
    ("name", "value", "legal"),
    [
        ("width", 0, "an integer, at least 1"),
        ("width", 1.5, "an integer, at least 1"),
        ("norm", "layer", "one of batch, none"),
        ("init_std", 0.0, "a finite number above 0"),
        ("init_std", float("nan"), "a finite number above 0"),
    ],
)
def test_illegal_argument_is_an_error_that_names_it_and_the_legal_values(network, name, value, legal):
    with pytest.raises(ValueError, match=f"{name} must be {legal}, got {value!r}"):
        network((1, 8, 8), **{name: value})


def test_generator_needs_a_latent():
    with pytest.raises(ValueError, match="latent_dim must be an integer, at least 1, got 0"):
        DCGANGenerator((1, 8, 8), latent_dim=0)


@pytest.mark.parametrize(("norm", "independent"), [("none", True), ("batch", False)])
def test_only_without_norm_is_each_item_independent_of_its_batch(norm, independent):
    torch.manual_seed(0)
    generator = DCGANGenerator((1, 16, 16), 5, 2, norm, init_std=0.3).double()
    discriminator = DCGANDiscriminator((1, 16, 16), 2, norm, init_std=0.3).double()
    latents, images = torch.randn(4, 5).double(), torch.randn(4, 1, 16, 16).double()
    for network, inputs in ((generator, latents), (lambda x: discriminator(x).logits, images)):
        assert torch.allclose(network(inputs)[:2], network(inputs[:2]), rtol=0, atol=1e-12) is independent


def test_labels_are_ignored():
    generator, discriminator = DCGANGenerator((1, 8, 8), 5, 2).eval(), DCGANDiscriminator((1, 8, 8), 2).eval()
    latents, labels = torch.randn(2, 5), torch.tensor([0, 1])
    images = generator(latents)
    assert generator(latents, labels).equal(images)
    assert discriminator(images, labels).logits.equal(discriminator(images).logits)


def test_channels_last_gives_the_same():
    torch.manual_seed(0)
    generator = DCGANGenerator((3, 16, 16), 5, 4, init_std=0.2).double()
    discriminator = DCGANDiscriminator((3, 16, 16), 4, init_std=0.2).double()
    latents = torch.randn(4, 5).double()
    images = generator(latents)
    logits = discriminator(images).logits
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(generator(latents), images, rtol=0, atol=1e-12)
    found = discriminator(images.to(memory_format=torch.channels_last)).logits
    torch.testing.assert_close(found, logits, rtol=0, atol=1e-12)


@pytest.mark.parametrize("network", [DCGANGenerator, DCGANDiscriminator])
def test_initial_weights_have_the_published_spread(network):
    torch.manual_seed(0)
    for std, built in ((0.02, network((1, 28, 28), width=32)), (0.1, network((1, 28, 28), width=32, init_std=0.1))):
        weights = torch.cat([layer.weight.flatten() for layer in convolutions(built)])
        assert weights.std().item() == pytest.approx(std, rel=0.03)
        norms = torch.cat([layer.weight for layer in built.modules() if isinstance(layer, nn.BatchNorm2d)])
        assert norms.mean().item() == pytest.approx(1, abs=std)
