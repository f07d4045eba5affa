"""Self-attention, against loops over pairs of pixels."""

import math

import pytest
import torch
from torch import nn

from gan_lightning.networks import DCGANDiscriminator, ResNetDiscriminator, ResNetGenerator, SelfAttention
from gan_lightning.networks.attention import with_attention


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(channels=16, gamma=0.7):
    torch.manual_seed(0)
    layer = SelfAttention(channels).double()
    nn.init.constant_(layer.gamma, gamma)
    return layer


def test_attention_begins_as_the_identity():
    torch.manual_seed(0)
    x = draw(2, 16, 3, 4)
    assert SelfAttention(16).double()(x).equal(x)


def test_each_pixel_adds_a_mean_of_values_weighted_by_the_softmax_of_products():
    layer, x = make(), draw(1, 16, 2, 3)
    pixels = x[0].flatten(1).T  # (6, 16)
    query, key, value, output = (
        getattr(layer, name).weight.detach()[:, :, 0, 0] for name in ("query", "key", "value", "output")
    )
    assert query.shape == key.shape == value.shape == (2, 16)  # C / 8
    expected = []
    for j in range(6):
        scores = [math.exp(float((query @ pixels[j]) @ (key @ pixels[i]))) for i in range(6)]
        read = sum(score / sum(scores) * (value @ pixels[i]) for i, score in enumerate(scores))
        expected.append(0.7 * (output @ read) + pixels[j])
    torch.testing.assert_close(layer(x)[0].flatten(1).T, torch.stack(expected), rtol=0, atol=1e-12)


def test_attention_follows_a_permutation_of_the_pixels():
    layer, x = make(), draw(2, 16, 3, 4)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))

    def permute(maps):
        return maps.flatten(2)[:, :, order].unflatten(2, (3, 4))

    torch.testing.assert_close(layer(permute(x)), permute(layer(x)), rtol=0, atol=1e-12)


def test_attention_has_first_and_second_derivatives():
    layer, x = make(channels=2), draw(1, 2, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(3, 5), (16, 16), (33, 31)])
def test_the_fused_gradient_is_that_of_the_penalties(size, layout):
    layer, x = make(), draw(2, 16, *size).contiguous(memory_format=layout).requires_grad_()
    inputs = (x, *layer.parameters())
    fused = torch.autograd.grad(layer(x).square().sum(), inputs)
    plain = torch.autograd.grad(layer(x).square().sum(), inputs, create_graph=True)
    for one, other in zip(fused, plain, strict=True):
        assert other.requires_grad
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    assert layer(x.detach()).allclose(layer(x), rtol=0, atol=1e-12)


def test_a_graph_that_is_kept_gives_the_same_gradient_again():
    layer, x = make(), draw(1, 16, 4, 4).requires_grad_()
    loss = layer(x).square().sum()
    first, second = (torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(2))
    assert first.equal(second)


def test_the_matrix_of_all_pairs_is_not_kept():
    layer, x = make(), draw(1, 16, 64, 64).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda t: t):
        layer(x)
    assert kept
    assert max(kept) <= 16 * 64 * 64  # not 4096 x 4096


@pytest.mark.parametrize("frozen", ["query", "key", "value"])
def test_a_part_may_be_frozen(frozen):
    layer, x = make(), draw(1, 16, 3, 3)  # the input needs no gradient either
    getattr(layer, frozen).requires_grad_(False)
    weights = [weight for weight in layer.parameters() if weight.requires_grad]
    fused = torch.autograd.grad(layer(x).square().sum(), weights)
    plain = torch.autograd.grad(layer(x).square().sum(), weights, create_graph=True)
    torch.testing.assert_close(fused, plain, rtol=1e-12, atol=1e-12)
    torch.autograd.grad(sum(gradient.square().sum() for gradient in plain), weights)


def test_few_channels_are_reduced_to_one():
    assert SelfAttention(4).query.out_channels == 1


@pytest.mark.parametrize(("name", "value"), [("channels", 0), ("reduction", 0)])
def test_illegal_numbers_are_errors_that_name_them(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer, at least 1, got {value}"):
        SelfAttention(**{"channels": 8, name: value})


@pytest.mark.parametrize(("attention", "size", "channels"), [(0, 16, 4), (1, 8, 8), (2, 4, 16)])
def test_pixels_of_a_generator_attend_at_the_resolution_asked_for(attention, size, channels):
    generator = ResNetGenerator((1, 16, 16), 5, 4, attention=attention)
    seen = []
    (layer,) = (m for m in generator.modules() if isinstance(m, SelfAttention))
    layer.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
    generator(torch.randn(2, 5))
    assert seen == [(channels, size, size)]


@pytest.mark.parametrize("network", [ResNetDiscriminator, DCGANDiscriminator])
@pytest.mark.parametrize(("attention", "size", "channels"), [(1, 8, 4), (2, 4, 8)])
def test_pixels_of_a_discriminator_attend_at_the_resolution_asked_for(attention, size, channels, network):
    discriminator = network((1, 16, 16), 4, attention=attention)
    seen = []
    (layer,) = (m for m in discriminator.modules() if isinstance(m, SelfAttention))
    layer.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
    discriminator(torch.randn(2, 1, 16, 16))
    assert seen == [(channels, size, size)]


def test_networks_have_no_attention_unless_asked_for():
    networks = ResNetGenerator((1, 8, 8), 5, 4), ResNetDiscriminator((1, 8, 8), 4)
    assert not any(isinstance(m, SelfAttention) for network in networks for m in network.modules())


@pytest.mark.parametrize("attention", [0, 3, "half"])
def test_a_strided_discriminator_refuses_a_resolution_that_it_does_not_have(attention):
    with pytest.raises(ValueError, match=rf"from 1 to 2 here, or None, got {attention!r}\."):
        DCGANDiscriminator((1, 16, 16), 4, attention=attention)


@pytest.mark.parametrize("attention", [0, 3, 1.5, "half"])
def test_a_resolution_that_a_network_does_not_have_is_an_error_that_tells_the_legal_ones(attention):
    with pytest.raises(ValueError, match=rf"from 1 to 2 here, or None, got {attention!r}\."):
        with_attention([nn.Identity()] * 2, [4, 8], [1, 2], attention)
