"""Generators that know the class: their norms against formulas, and what each block is told."""

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, interpolate, relu

from gan_lightning.networks import BigGANGenerator, ConditionalResNetGenerator
from gan_lightning.networks.conditional import ConditionalNorm, ConditionalUpBlock


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_norm_scales_and_shifts_by_a_linear_function_of_the_condition(norm):
    torch.manual_seed(0)
    layer, x, condition = ConditionalNorm(norm, 3, 2).double(), draw(4, 3, 5, 6), draw(4, 2, seed=1)
    normal = batch_norm(x, None, None, training=True) if norm == "batch" else x
    scale, shift = 1 + condition @ layer.scale.weight.T, condition @ layer.shift.weight.T
    expected = torch.stack([normal[n] * scale[n].view(3, 1, 1) + shift[n].view(3, 1, 1) for n in range(4)])
    torch.testing.assert_close(layer(x, condition), expected, rtol=0, atol=1e-12)


def test_block_is_a_residual_of_conditional_norms_beside_a_shortcut():
    torch.manual_seed(0)
    block, x, condition = ConditionalUpBlock(3, 5, "none", 2).double(), draw(2, 3, 4, 4), draw(2, 2, seed=1)

    def convolve(layer, maps):
        return conv2d(maps, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2)

    residual = convolve(block.first, interpolate(relu(block.first_norm(x, condition)), scale_factor=2))
    residual = convolve(block.second, relu(block.second_norm(residual, condition)))
    shortcut = convolve(block.shortcut, interpolate(x, scale_factor=2))
    torch.testing.assert_close(block(x, condition), residual + shortcut, rtol=0, atol=1e-12)


def test_classes_begin_alike_and_each_has_its_own_scale_and_shift():
    torch.manual_seed(0)
    generator, latents = ConditionalResNetGenerator((1, 8, 8), 3, 5, 4, norm="none").double(), draw(1, 5)
    first, second = (generator(latents, torch.tensor([label])) for label in (0, 1))
    assert first.equal(second)
    norms = [m for m in generator.modules() if isinstance(m, ConditionalNorm)]
    assert all(norm.scale.in_features == norm.shift.in_features == 3 for norm in norms)
    norms[0].scale.weight.data[:, 1] = 1.0
    assert generator(latents, torch.tensor([0])).equal(first)
    assert not generator(latents, torch.tensor([1])).equal(second)


def test_each_block_of_biggan_is_told_the_class_and_its_own_part_of_the_latent():
    torch.manual_seed(0)
    generator = BigGANGenerator((1, 16, 16), 3, latent_dim=10, embedding_dim=4, width=2, attention=None).double()
    latents, labels = draw(2, 10), torch.tensor([2, 0])
    first, *others = generator.conditions(latents, labels)
    assert len(others) == 2  # 4 -> 8 -> 16
    assert first.equal(latents[:, :4])  # 10 = 4 + 3 + 3
    known = generator.embedding.weight[labels]
    assert others[0].equal(torch.cat([known, latents[:, 4:7]], dim=1))
    assert others[1].equal(torch.cat([known, latents[:, 7:]], dim=1))


def test_biggan_shares_one_embedding_of_the_class():
    generator = BigGANGenerator((1, 16, 16), 3, 9, embedding_dim=4, width=2)
    assert [m for m in generator.modules() if isinstance(m, nn.Embedding)] == [generator.embedding]


def test_biggan_begins_with_orthogonal_weights():
    torch.manual_seed(0)
    generator = BigGANGenerator((1, 16, 16), 3, 9, embedding_dim=4, width=4)
    layers = [m for m in generator.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert len(layers) > 10
    for layer in layers:
        matrix = layer.weight.detach().flatten(1)
        matrix = matrix if len(matrix) <= matrix.shape[1] else matrix.T
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), rtol=0, atol=1e-5)
        assert not isinstance(getattr(layer, "bias", None), nn.Parameter) or not layer.bias.any()


def test_a_latent_too_short_for_the_blocks_is_an_error_that_tells_how_long_it_must_be():
    with pytest.raises(ValueError, match="latent_dim must be an integer, at least 3, got 2"):
        BigGANGenerator((1, 16, 16), 3, latent_dim=2)
