import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, relu

from gan_lightning import SNGAN
from gan_lightning.networks import ResNetDiscriminator, ResNetGenerator, spectral_normalize
from gan_lightning.networks.resnet import DownBlock, FlatBlock, UpBlock


def convolve(layer, x):
    return conv2d(x, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2)


def convolutions(block):
    return [layer for layer in block.residual if isinstance(layer, nn.Conv2d)]


def test_up_block_is_a_convolution_of_the_upsampled_beside_a_shortcut_of_the_upsampled():
    torch.manual_seed(0)
    block, x = UpBlock(3, 5, "none").double(), torch.randn(2, 3, 4, 4).double()
    first, second = convolutions(block)
    residual = convolve(second, relu(convolve(first, interpolate(relu(x), scale_factor=2))))
    shortcut = convolve(block.shortcut, interpolate(x, scale_factor=2))
    torch.testing.assert_close(block(x), residual + shortcut, rtol=0, atol=1e-12)


def test_up_block_normalises_before_each_relu():
    block = UpBlock(3, 5, "batch")
    kinds = [type(layer) for layer in block.residual]
    assert kinds[:2] == kinds[3:5] == [nn.BatchNorm2d, nn.ReLU]
    assert [block.residual[k].num_features for k in (0, 3)] == [3, 5]


def test_down_block_pools_both_of_its_branches():
    torch.manual_seed(0)
    block, x = DownBlock(3, 5, 4).double(), torch.randn(2, 3, 4, 4).double()
    first, second = convolutions(block)
    residual = avg_pool2d(convolve(second, relu(convolve(first, relu(x)))), 2)
    shortcut = avg_pool2d(convolve(block.shortcut, x), 2)
    torch.testing.assert_close(block(x), residual + shortcut, rtol=0, atol=1e-12)


def test_flat_block_adds_its_input():
    torch.manual_seed(0)
    block, x = FlatBlock(3).double(), torch.randn(2, 3, 4, 4).double()
    first, second = convolutions(block)
    torch.testing.assert_close(block(x), x + convolve(second, relu(convolve(first, relu(x)))), rtol=0, atol=1e-12)


def test_blocks_do_not_change_their_input():
    x = torch.randn(2, 3, 4, 4)
    before = x.clone()
    for block in (UpBlock(3, 3, "none"), DownBlock(3, 3, 3), FlatBlock(3)):
        block(x)
        assert x.equal(before)


def test_first_block_of_discriminator_sees_negative_pixels():
    torch.manual_seed(0)
    block = ResNetDiscriminator((1, 8, 8), width=4).double().blocks[0]
    first, second = convolutions(block)
    x = -torch.rand(2, 1, 8, 8).double()  # a ReLU would make them all 0
    residual = avg_pool2d(convolve(second, relu(convolve(first, x))), 2)
    torch.testing.assert_close(block(x), residual + avg_pool2d(convolve(block.shortcut, x), 2), rtol=0, atol=1e-12)


def test_logit_is_linear_in_the_sum_over_pixels():
    torch.manual_seed(0)
    discriminator, x = ResNetDiscriminator((1, 16, 16), width=4), torch.randn(3, 1, 16, 16)
    features = relu(discriminator.blocks(x))
    assert features.shape == (3, 8, 4, 4)
    torch.testing.assert_close(discriminator(x).logits, discriminator.linear(features.sum((2, 3))).flatten())


def test_widths_double_at_each_halving_up_to_the_maximum():
    with torch.device("meta"):
        generator = ResNetGenerator((3, 64, 64), width=64, max_width=256)
        discriminator = ResNetDiscriminator((3, 64, 64), width=64, max_width=256)
    up = [block.shortcut.out_channels for block in generator.layers if isinstance(block, UpBlock)]
    down = [block.shortcut.out_channels for block in discriminator.blocks if isinstance(block, DownBlock)]
    assert generator.layers[0].out_features == 256 * 4 * 4
    assert up == [256, 256, 128, 64]
    assert down == [64, 128, 256, 256]


def test_defaults_at_64_pixels_go_from_1024_to_64_feature_maps():
    with torch.device("meta"):
        generator, discriminator = ResNetGenerator((3, 64, 64)), ResNetDiscriminator((3, 64, 64))
    assert generator.layers[0].in_features == 128
    assert generator.layers[0].out_features == 1024 * 4 * 4
    assert [b.shortcut.out_channels for b in generator.layers if isinstance(b, UpBlock)] == [512, 256, 128, 64]
    assert discriminator.linear.in_features == 512


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "size", [(8, 8), (28, 28), (30, 30), (32, 32), (64, 64), (96, 96), (64, 48), (28, 56), (40, 24), (8, 50)]
)
def test_every_size_is_made_in_range_and_judged(size, channels):
    shape = (channels, *size)
    images = ResNetGenerator(shape, latent_dim=5, width=2, max_width=4)(1e4 * torch.randn(2, 5))
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    discriminator = ResNetDiscriminator(shape, width=2, max_width=4)
    for n in (2, 1):
        assert discriminator(images[:n]).logits.shape == (n,)


@pytest.mark.parametrize("network", [ResNetGenerator, ResNetDiscriminator])
@pytest.mark.parametrize(
    ("height", "width", "nearest"),
    [(31, 31, "32x32"), (34, 50, "36x52"), (7, 7, "8x8"), (178, 218, "176x224"), (28, 1, "28x8")],
)
def test_impossible_size_is_an_error_that_names_it_and_the_nearest(network, height, width, nearest):
    with pytest.raises(
        ValueError, match=rf"cannot make {height}x{width} images.*multiples of.*nearest .* {nearest}: resize"
    ):
        network((1, height, width))


@pytest.mark.parametrize("network", [ResNetGenerator, ResNetDiscriminator])
@pytest.mark.parametrize(("name", "value"), [("width", 0), ("width", "x"), ("max_width", 0), ("max_width", 2.5)])
def test_illegal_width_is_an_error_that_names_it(network, name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer, at least 1, got {value!r}"):
        network((1, 8, 8), **{name: value})


@pytest.mark.parametrize(("name", "value"), [("latent_dim", 0), ("norm", "layer")])
def test_illegal_argument_of_the_generator_is_an_error_that_names_it(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value!r}"):
        ResNetGenerator((1, 8, 8), width=2, **{name: value})


def test_a_maximum_below_the_width_is_the_width_of_every_layer():
    images = ResNetGenerator((1, 16, 16), 5, width=8, max_width=3)(torch.randn(2, 5))
    verdict = ResNetDiscriminator((1, 16, 16), width=8, max_width=3)(images)
    assert images.shape == (2, 1, 16, 16)
    assert verdict.heads["features"].shape == (2, 3)


@pytest.mark.parametrize("spectral", [False, True], ids=["plain", "spectral"])
def test_critic_judges_each_image_independently_of_its_batch(spectral):
    torch.manual_seed(0)
    critic = ResNetDiscriminator((1, 16, 16), width=4).double()
    if spectral:
        critic = spectral_normalize(critic).eval()
    images = torch.randn(4, 1, 16, 16).double()
    alone = torch.cat([critic(images[k : k + 1]).logits for k in range(4)])
    torch.testing.assert_close(critic(images).logits, alone, rtol=0, atol=1e-10)


def test_gradient_of_a_logit_is_zero_at_the_other_images():
    critic = ResNetDiscriminator((1, 8, 8), width=4)
    images = torch.randn(3, 1, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(critic(images).logits[1], images)
    assert gradient.flatten(1).abs().sum(1).ne(0).tolist() == [False, True, False]


@pytest.mark.parametrize(("norm", "independent"), [("none", True), ("batch", False)])
def test_only_without_norm_is_each_made_image_independent_of_its_batch(norm, independent):
    torch.manual_seed(0)
    generator = ResNetGenerator((1, 8, 8), 5, 4, norm=norm).double()
    latents = torch.randn(4, 5).double()
    assert torch.allclose(generator(latents)[:2], generator(latents[:2]), rtol=0, atol=1e-12) is independent


def test_labels_are_ignored():
    generator, discriminator = ResNetGenerator((1, 8, 8), 5, 2).eval(), ResNetDiscriminator((1, 8, 8), 2)
    latents, labels = torch.randn(2, 5), torch.tensor([0, 1])
    images = generator(latents)
    assert generator(latents, labels).equal(images)
    assert discriminator(images, labels).logits.equal(discriminator(images).logits)


def test_channels_last_gives_the_same():
    torch.manual_seed(0)
    generator, critic = ResNetGenerator((3, 16, 16), 5, 4).double(), ResNetDiscriminator((3, 16, 16), 4).double()
    latents = torch.randn(4, 5).double()
    images = generator(latents)
    logits = critic(images).logits
    for network in (generator, critic):
        network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(generator(latents), images, rtol=0, atol=1e-12)
    torch.testing.assert_close(critic(images.to(memory_format=torch.channels_last)).logits, logits, rtol=0, atol=1e-10)


def test_mimicrys_discriminator_has_narrow_blocks_that_all_halve():
    with torch.device("meta"):
        gan = SNGAN(image_shape=(3, 64, 64), networks="mimicry")
    assert [type(block) for block in gan.discriminator.blocks] == [DownBlock] * 5
    weights = [sum(weight.numel() for weight in network.parameters()) for network in (gan.generator, gan.discriminator)]
    assert weights == [
        12_220_675,
        10_141_441,
    ]  # those of torch_mimicry.nets.sngan, SNGANGenerator64 and Discriminator64
    maps = [[block.residual[place].out_channels for place in (1, 3)] for block in gan.discriminator.blocks]
    assert maps == [[64, 64], [64, 128], [128, 256], [256, 512], [512, 1024]]


def test_last_block_may_halve_the_resolution_once_more():
    discriminator = ResNetDiscriminator((1, 16, 16), 2, last_block="half")
    assert discriminator.num_features == discriminator.linear.in_features == 8
    assert discriminator(torch.randn(2, 1, 16, 16)).logits.shape == (2,)


def test_a_last_block_that_cannot_halve_is_an_error_that_tells_the_size():
    with pytest.raises(ValueError, match="'half' cannot halve the 7x7 pixels"):
        ResNetDiscriminator((1, 28, 28), last_block="half")
    with pytest.raises(ValueError, match="last_block must be one of flat, half, got 'x'"):
        ResNetDiscriminator((1, 32, 32), last_block="x")
