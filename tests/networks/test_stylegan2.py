"""StyleGAN2's layers against convolutions of each image by its own weights; styles, mixing and truncation."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu

from gan_lightning.networks import StyleGAN2Discriminator, StyleGAN2Generator
from gan_lightning.networks.modulated import ModulatedConv2d, StyledConv2d, blur, rectify
from gan_lightning.networks.stylegan2 import DownBlock, DownsampledConv2d


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def modulated(*args, **options):
    torch.manual_seed(0)
    layer = ModulatedConv2d(*args, **options).double()
    nn.init.normal_(layer.style.bias, 1.0, 0.3)
    return layer


def weights_of(layer, styles):
    """The weights of each image, (N, out, in, k, k), by the loops of section 2.2."""
    scales = styles @ layer.style.weight.T + layer.style.bias
    fan_in = layer.weight[0].numel()
    own = []
    for scale in scales:
        weight = layer.weight / math.sqrt(fan_in) * scale[None, :, None, None]  # eq. 1
        if layer.demodulate:
            weight = torch.stack([w / torch.sqrt(w.square().sum() + 1e-8) for w in weight])  # eq. 3
        own.append(weight)
    return own


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_convolution_is_one_of_each_image_by_its_own_weights(kernel_size, demodulate):
    layer = modulated(3, 5, kernel_size, 4, demodulate)
    x, styles = draw(2, 3, 6, 7), draw(2, 4, seed=1)
    images = zip(x, weights_of(layer, styles), strict=True)
    expected = torch.cat([conv2d(image[None], weight, padding=kernel_size // 2) for image, weight in images])
    torch.testing.assert_close(layer(x, styles), expected, rtol=0, atol=1e-9)


def test_modulated_convolution_that_doubles_the_resolution_is_one_of_the_bilinearly_upsampled():
    layer = modulated(3, 5, 3, 4, up=2)
    x, styles = draw(2, 3, 6, 7), draw(2, 4, seed=1)
    larger = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    images = zip(larger, weights_of(layer, styles), strict=True)
    expected = torch.cat([conv2d(image[None], weight, padding=1) for image, weight in images])
    output = layer(x, styles)
    assert output.shape == (2, 5, 12, 14)
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # at the border, pixels outside are 0
    torch.testing.assert_close(output[inner], expected[inner], rtol=0, atol=1e-9)


def test_demodulation_keeps_the_variance_whatever_the_style():
    layer = modulated(64, 64, 3, 4)
    output = layer(draw(2, 64, 32, 32), torch.tensor([[0.0] * 4, [30.0] * 4], dtype=torch.float64))
    assert output.var((1, 2, 3)).tolist() == pytest.approx([1, 1], rel=0.1)


def test_blur_is_a_convolution_with_binomial_taps_in_each_map():
    x, taps = draw(2, 3, 6, 7), torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
    kernel = torch.outer(taps, taps)[None, None]
    expected = torch.cat([conv2d(x[:, k : k + 1], kernel) for k in range(3)], dim=1)
    torch.testing.assert_close(blur(x), expected, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(blur, x.requires_grad_())
    assert torch.autograd.gradgradcheck(blur, x)


def test_downsampled_convolution_of_one_tap_is_a_blurred_pixel_of_four():
    layer, x = DownsampledConv2d(2, 3, 1).double(), draw(2, 2, 8, 8)
    assert layer(x).shape == (2, 3, 4, 4)
    constant = torch.ones_like(x)
    inner = layer(constant)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(inner, conv2d(constant, layer.weight, layer.bias)[:, :, 2:4, 2:4])
    assert DownsampledConv2d(2, 3, 3)(x.float()).shape == (2, 3, 4, 4)


def test_down_block_halves_the_resolution_and_adds_a_shortcut():
    torch.manual_seed(0)
    block, x = DownBlock(3, 5).double(), draw(2, 3, 8, 12)
    residual = rectify(block.second(rectify(block.first(x))))
    torch.testing.assert_close(block(x), (residual + block.shortcut(x)) / math.sqrt(2), rtol=0, atol=1e-12)
    assert block(x).shape == (2, 5, 4, 6)


def test_rectifier_keeps_the_mean_square_nearly():
    x = draw(100_000)
    torch.testing.assert_close(rectify(x), math.sqrt(2) * leaky_relu(x, 0.2))
    assert rectify(x).square().mean().item() == pytest.approx(1.04, abs=0.02)


def test_noise_is_new_in_training_and_always_the_same_in_evaluation():
    torch.manual_seed(0)
    layer, x, styles = StyledConv2d(2, 3, 4, (5, 5), noise=1.0), torch.randn(2, 2, 5, 5), torch.randn(2, 4)
    assert layer(x, styles).equal(layer(x, styles))  # its strength begins at 0
    nn.init.constant_(layer.strength, 0.5)
    assert not layer(x, styles).equal(layer(x, styles))
    layer.eval()
    quiet = layer.convolution(x, styles)
    expected = rectify(quiet + 0.5 * layer.constant + layer.bias)
    torch.testing.assert_close(layer(x, styles), expected)


def make(size=16, **options):
    torch.manual_seed(0)
    options = {"width": 2, "max_width": 8, "mapping_layers": 2, **options}
    return StyleGAN2Generator((1, size, size), 6, **options).double()


def test_mapping_is_equalized_with_a_hundredth_of_the_learning_rate():
    generator, latents = make(), draw(3, 6)
    styles = latents / latents.square().mean(1, keepdim=True).add(1e-8).sqrt()
    for layer in generator.linear:
        assert layer.parametrizations.weight.original.std().item() == pytest.approx(100, rel=0.3)
        styles = math.sqrt(2) * leaky_relu(styles @ layer.weight.T + layer.bias, 0.2)
    torch.testing.assert_close(generator.mapping(latents), styles, rtol=0, atol=1e-12)


def test_images_are_sums_of_those_of_all_resolutions():
    generator, styles, parts = make().eval(), draw(3, 6), []
    for layer in generator.to_image:
        layer.register_forward_hook(lambda module, inputs, output: parts.append(output))
    images = generator.synthesis(styles)
    assert [part.shape[2] for part in parts] == [4, 8, 16]
    total = parts[0]
    for part in parts[1:]:
        total = interpolate(total, scale_factor=2, mode="bilinear", align_corners=False) + part
    torch.testing.assert_close(images, total.tanh(), rtol=0, atol=1e-12)


def test_one_style_for_all_layers_is_the_same_as_one_each():
    generator, styles = make().eval(), draw(3, 6)
    repeated = styles[:, None].expand(-1, 5, -1)
    assert generator.synthesis(repeated).equal(generator.synthesis(styles))


def test_mixing_takes_the_other_style_from_a_random_layer_on():
    generator = make(mixing_prob=0.75)
    torch.manual_seed(0)
    ours, others = torch.zeros(4000, 6), torch.ones(4000, 6)
    mixed = generator.mix(ours, others)
    assert mixed.shape == (4000, 5, 6)
    first = mixed[:, :, 0]
    assert (first.diff(dim=1) >= 0).all()
    assert not first[:, 0].any()
    numbers = first.sum(1)  # of layers with the other style
    assert (numbers > 0).double().mean().item() == pytest.approx(0.75, abs=0.03)
    shares = [(numbers == k).double().mean().item() for k in (1, 2, 3, 4)]
    assert shares == pytest.approx([0.75 / 4] * 4, abs=0.03)


def test_styles_are_mixed_in_training_alone():
    generator, latents = make(mixing_prob=1.0, noise=0.0), draw(3, 6)
    assert not generator(latents).equal(generator.synthesis(generator.mapping(latents)))
    generator.eval()
    assert generator(latents).equal(generator.synthesis(generator.mapping(latents)))


def test_truncation_leads_styles_to_their_mean():
    generator, latents = make().eval(), draw(3, 6)
    styles, mean = generator.mapping(latents), generator.mean_style()
    assert generator(latents, truncation=1.0).equal(generator(latents))
    images = generator(latents, truncation=0.0)
    torch.testing.assert_close(images, generator.synthesis(mean).expand(3, -1, -1, -1), rtol=0, atol=1e-12)
    half = generator.synthesis(mean + 0.5 * (styles - mean))
    torch.testing.assert_close(generator(latents, truncation=0.5), half, rtol=0, atol=1e-12)


def test_mean_style_is_that_of_latents_of_the_prior_and_always_the_same():
    generator = make()
    mean = generator.mean_style()
    assert mean.equal(generator.mean_style())
    others = generator.mapping(draw(20_000, 6, seed=7))
    error = others.std(0) * math.sqrt(1 / 4096 + 1 / 20_000)
    assert ((mean[0] - others.mean(0)).abs() < 5 * error).all()


@pytest.mark.parametrize("truncation", [-0.1, 1.1, math.nan])
def test_truncation_out_of_its_range_is_an_error_that_names_it(truncation):
    with pytest.raises(ValueError, match=rf"truncation must be in \[0, 1\], got {truncation}"):
        make()(draw(2, 6), truncation=truncation)


def test_all_layers_of_the_discriminator_are_equalized_and_one_compares_images():
    torch.manual_seed(0)
    discriminator = StyleGAN2Discriminator((1, 8, 8), 2, 4, group_size=2)
    layers = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert all(hasattr(layer, "parametrizations") for layer in layers)
    images = torch.randn(4, 1, 8, 8)
    together, alone = discriminator(images).logits, discriminator(images[:1].expand(4, -1, -1, -1)).logits
    assert not together[:1].allclose(alone[:1])


def test_constant_images_are_kept_by_downsampling():
    x = torch.full((1, 1, 8, 8), 0.7, dtype=torch.float64)
    smaller = blur(nn.functional.pad(x, (1, 1, 1, 1)))[..., ::2, ::2]
    torch.testing.assert_close(smaller[..., 1:-1, 1:-1], avg_pool2d(x, 2)[..., 1:-1, 1:-1])
