import re

import numpy as np
import pytest
import torch
from torch import nn

from gan_lightning.networks import MLPDiscriminator, MLPGenerator


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_generator_has_1489936_parameters():
    assert count(MLPGenerator((1, 28, 28))) == 1_489_936


def test_discriminator_has_533505_parameters():
    assert count(MLPDiscriminator(28 * 28)) == 533_505


def test_generator_is_linear_then_leaky_relu_then_batch_norm_and_tanh_at_the_end():
    layers = list(MLPGenerator((1, 28, 28)).layers)
    hidden = [nn.Linear, nn.LeakyReLU, nn.BatchNorm1d]
    assert [type(layer) for layer in layers] == [*hidden * 3, nn.Linear, nn.Tanh]
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in linear] == [100, 256, 512, 1024]
    assert linear[-1].out_features == 784
    assert {layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU)} == {0.2}


def test_batch_norm_has_the_usual_epsilon_and_momentum():
    norms = [layer for layer in MLPGenerator((1, 28, 28)).layers if isinstance(layer, nn.BatchNorm1d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.1)}


def test_discriminator_is_linear_leaky_relu_dropout_and_ends_in_a_logit():
    layers = list(MLPDiscriminator(784, dropout_prob=0.4).layers)
    hidden = [nn.Linear, nn.LeakyReLU, nn.Dropout]
    assert [type(layer) for layer in layers] == [nn.Flatten, *hidden * 2, nn.Linear]
    assert [layer.out_features for layer in layers if isinstance(layer, nn.Linear)] == [512, 256, 1]
    assert {layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU)} == {0.2}
    assert {layer.p for layer in layers if isinstance(layer, nn.Dropout)} == {0.4}
    assert MLPDiscriminator(4).layers[3].p == 0.3


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 64, 64), (3, 5, 9)])
def test_any_image_shape_is_made_in_range_and_judged(shape):
    images = MLPGenerator(shape, latent_dim=7, widths=(8,))(100 * torch.randn(3, 7))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    for n in (3, 1):
        assert MLPDiscriminator(images[0].numel(), widths=(8,))(images[:n]).logits.shape == (n,)


def test_labels_are_ignored():
    generator, discriminator = MLPGenerator((1, 4, 4), 5, (8,)).eval(), MLPDiscriminator(16, (8,)).eval()
    latents, labels = torch.randn(2, 5), torch.tensor([0, 1])
    images = generator(latents)
    assert generator(latents, labels).equal(images)
    assert discriminator(images, labels).logits.equal(discriminator(images).logits)


def test_only_without_norm_is_each_made_image_independent_of_its_batch():
    torch.manual_seed(0)
    latents = torch.randn(4, 5, dtype=torch.float64)
    for norm, independent in (("none", True), ("batch", False)):
        generator = MLPGenerator((1, 4, 4), 5, (8, 8), norm=norm).double()
        assert torch.allclose(generator(latents)[:2], generator(latents[:2]), atol=1e-12) is independent


def test_discriminator_judges_each_image_alone():
    torch.manual_seed(0)
    discriminator = MLPDiscriminator(16, (8, 8), dropout_prob=0.0).double()
    images = torch.randn(4, 1, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(discriminator(images).logits[:1], discriminator(images[:1]).logits, rtol=0, atol=1e-12)


def test_logits_and_raw_outputs_are_not_squashed():
    discriminator = MLPDiscriminator(4, (8,), dropout_prob=0.0)
    logits = discriminator(1e4 * torch.randn(64, 1, 2, 2)).logits
    assert logits.abs().max() > 1


@pytest.mark.parametrize("build", [lambda w: MLPGenerator((1, 4, 4), 5, w), lambda w: MLPDiscriminator(16, w)])
@pytest.mark.parametrize("widths", [(), (8, 0), (8, 1.5), ("8",), (True,), 8, "8"], ids=repr)
def test_illegal_hidden_widths_are_an_error_that_tells_them(build, widths):
    with pytest.raises(ValueError, match=f"widths must be .* got {re.escape(repr(widths))}"):
        build(widths)


def test_hidden_widths_of_numpy_are_kept_as_pythons():
    assert [type(width) for width in MLPDiscriminator(16, [np.int64(8), 4]).widths] == [int, int]


@pytest.mark.parametrize("value", [1.0, -0.1, float("nan"), "0.3", None, (0.3, 0.2)], ids=repr)
def test_an_illegal_dropout_is_an_error_that_tells_it_and_the_legal_ones(value):
    with pytest.raises(ValueError, match=rf"dropout_prob must be in \[0, 1\), got {re.escape(repr(value))}\.$"):
        MLPDiscriminator(16, dropout_prob=value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MLPGenerator((1, 4, 4), 0), "latent_dim must be an integer, at least 1, got 0"),
        (lambda: MLPGenerator((1, 4, 4), norm="layer"), "norm must be one of batch, none, got 'layer'"),
        (lambda: MLPDiscriminator(0), "in_features must be an integer, at least 1, got 0"),
    ],
)
def test_an_illegal_argument_is_an_error_that_names_it(build, message):
    with pytest.raises(ValueError, match=message):
        build()
