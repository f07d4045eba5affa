"""Growing networks: what they are at each end of a fade, their schedule, and their layers against formulas."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from gan_lightning.networks import ProGANDiscriminator, ProGANGenerator, grow, growth_of
from gan_lightning.networks.progan import Growth, PixelNorm

PHASE = 100


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def networks(size=16):
    torch.manual_seed(0)
    generator = ProGANGenerator((2, size, size), 5, width=4, max_width=8, images_per_phase=PHASE).double()
    return generator, ProGANDiscriminator((2, size, size), width=4, max_width=8, images_per_phase=PHASE).double()


@pytest.mark.parametrize(
    ("seen", "level", "alpha"),
    [
        (0, 0, 1.0),
        (99, 0, 1.0),
        (100, 1, 0.0),
        (150, 1, 0.5),
        (199, 1, 0.99),
        (200, 1, 1.0),
        (299, 1, 1.0),
        (300, 2, 0.0),
        (375, 2, 0.75),
        (400, 2, 1.0),
        (10**12, 2, 1.0),
    ],
)
def test_each_level_fades_in_for_a_phase_and_stays_for_another(seen, level, alpha):
    growth = Growth(doublings=2, images_per_phase=PHASE)
    growth.advance(seen)
    assert (growth.level, growth.alpha) == (level, pytest.approx(alpha))


@pytest.mark.parametrize("level", [1, 2])
def test_fades_begin_at_the_smaller_network_and_end_at_the_larger(level):
    generator, discriminator = networks()
    latents, begin = draw(4, 5), (2 * level - 1) * PHASE
    with torch.no_grad():
        grow(generator, begin - 1)
        smaller = interpolate(generator(latents), scale_factor=2)
        grow(generator, begin)
        torch.testing.assert_close(generator(latents), smaller, rtol=0, atol=1e-12)  # alpha 0
        grow(generator, begin + PHASE)
        larger = generator(latents)
        grow(generator, begin + PHASE // 4)
        torch.testing.assert_close(generator(latents), 0.75 * smaller + 0.25 * larger, rtol=0, atol=1e-12)

        images = draw(4, 2, 4 << level, 4 << level, seed=1)
        grow(discriminator, begin - 1)
        before = discriminator(avg_pool2d(images, 2)).logits
        grow(discriminator, begin)
        torch.testing.assert_close(discriminator(images).logits, before, rtol=0, atol=1e-12)


def test_new_layers_are_used_from_the_end_of_the_fade_and_old_ones_no_longer():
    generator, discriminator = networks()
    latents, images = draw(4, 5), draw(4, 2, 16, 16, seed=1)
    for network, given, layers in ((generator, latents, "to_image"), (discriminator, images, "from_image")):
        grow(network, 4 * PHASE)
        expected = network(given)
        for parameter in getattr(network, layers)[:2].parameters():
            nn.init.constant_(parameter, math.nan)
        torch.testing.assert_close(network(given), expected)


@pytest.mark.parametrize(("seen", "size"), [(0, 4), (150, 8), (250, 8), (350, 16), (500, 16)])
def test_images_grow(seen, size):
    generator, discriminator = networks()
    for network in (generator, discriminator):
        grow(network, seen)
    images = generator(draw(3, 5))
    assert images.shape == (3, 2, size, size)
    assert discriminator(images).logits.shape == (3,)


def test_reals_are_averaged_to_the_level_and_their_new_pixels_fade_in():
    growth, images = Growth(2, PHASE), draw(3, 1, 16, 16)
    assert growth.shrink(images).equal(avg_pool2d(images, 4))
    growth.advance(200)
    assert growth.shrink(images).equal(avg_pool2d(images, 2))
    growth.advance(125)
    expected = 0.25 * avg_pool2d(images, 2) + 0.75 * interpolate(avg_pool2d(images, 4), scale_factor=2)
    torch.testing.assert_close(growth.shrink(images), expected, rtol=0, atol=1e-12)
    growth.advance(10**9)
    assert growth.shrink(images).equal(images)


def test_discriminator_shrinks_images_of_full_resolution():
    _, discriminator = networks()
    images = draw(4, 2, 16, 16)
    assert discriminator(images).logits.equal(discriminator(avg_pool2d(images, 4)).logits)
    with pytest.raises(ValueError, match="ProGANDiscriminator was built for images of shape"):
        discriminator(images[..., :8, :8])


def test_pixels_features_have_a_root_mean_square_of_one():
    x = draw(2, 6, 3, 4)
    expected = torch.empty_like(x)
    for n in range(2):
        for i in range(3):
            for j in range(4):
                square = sum(value**2 for value in x[n, :, i, j].tolist()) / 6
                expected[n, :, i, j] = x[n, :, i, j] / math.sqrt(square + 1e-8)
    torch.testing.assert_close(PixelNorm()(x), expected, rtol=0, atol=1e-12)


def test_all_weights_are_equalized():
    for network in networks():
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert all(hasattr(layer, "parametrizations") for layer in layers)


def test_features_keep_their_scale_through_the_generator():
    torch.manual_seed(0)
    generator, scales = ProGANGenerator((1, 64, 64), 64, width=32, max_width=64), []
    grow(generator, 10**9)
    for block in generator.blocks:
        block.register_forward_hook(lambda module, inputs, output: scales.append(output.square().mean().item()))
    generator(torch.randn(8, 64))
    assert scales == pytest.approx([1.0] * 4, rel=1e-3)


def test_growth_is_in_the_state_and_follows_what_is_loaded():
    generator, _ = networks()
    grow(generator, 350)
    state, fresh = copy.deepcopy(generator.state_dict()), networks()[0]
    fresh.load_state_dict(state)
    assert (fresh.growth.level, fresh.growth.alpha) == (2, 0.5)
    latents = draw(2, 5)
    assert fresh(latents).equal(generator(latents))


def test_what_does_not_grow_is_an_error_and_so_is_a_phase_without_images():
    with pytest.raises(ValueError, match="Identity has no network that grows"):
        growth_of(nn.Identity())
    with pytest.raises(ValueError, match="images_per_phase must be an integer, at least 1, got 0"):
        Growth(2, 0)
