import math

import pytest
import torch
from torch import nn

from gan_lightning.networks import ResNetDiscriminator, UpConv2d
from gan_lightning.networks.init import init_normal, init_xavier


@pytest.mark.parametrize("std", [0.02, 0.1])
@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(64, 64, 4), nn.ConvTranspose2d(64, 64, 4), nn.Linear(256, 256)],
    ids=["convolution", "transposed", "linear"],
)
def test_weights_are_normal_around_zero_and_biases_zero(layer, std):
    torch.manual_seed(0)
    nn.init.ones_(layer.bias)
    init_normal(layer, std)
    standard = layer.weight.detach().flatten() / std
    error = 5 / math.sqrt(standard.numel())
    assert standard.mean().item() == pytest.approx(0, abs=error)
    assert standard.std().item() == pytest.approx(1, abs=error)
    assert standard.pow(4).mean().item() == pytest.approx(3, abs=10 * error)  # a uniform has 1.8
    assert not layer.bias.any()


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_scales_of_norms_are_normal_around_one_and_shifts_zero(kind):
    torch.manual_seed(0)
    norm = kind(20_000)
    nn.init.ones_(norm.bias)
    init_normal(norm, 0.02)
    assert norm.weight.mean().item() == pytest.approx(1, abs=1e-3)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not norm.bias.any()
    assert not norm.running_mean.any()


def test_normal_initialisation_takes_layers_without_bias_and_leaves_other_kinds_alone():
    network = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.Embedding(3, 4))
    before = network[1].weight.clone()
    init_normal(network, 0.0)
    assert not network[0].weight.any()
    assert network[1].weight.equal(before)


@pytest.mark.parametrize(
    ("layer", "gain", "fans"),
    [
        (nn.Conv2d(32, 64, 3), math.sqrt(2), (32 + 64) * 9),
        (UpConv2d(32, 64), math.sqrt(2), (32 + 64) * 9),
        (nn.Conv2d(32, 64, 1), 1, 32 + 64),
        (nn.Linear(100, 50), 1, 150),
    ],
    ids=["3x3", "fused", "1x1", "linear"],
)
def test_xavier_fills_its_interval_and_zeroes_biases(layer, gain, fans):
    torch.manual_seed(0)
    nn.init.ones_(layer.bias)
    init_xavier(layer)
    bound = gain * math.sqrt(6 / fans)
    assert 0.98 * bound < layer.weight.abs().max().item() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)  # uniform
    assert not layer.bias.any()


def test_xavier_reaches_every_layer_of_a_residual_network():
    torch.manual_seed(0)
    network = ResNetDiscriminator((1, 8, 8), width=4)
    for parameter in network.parameters():
        nn.init.constant_(parameter, 100.0)
    init_xavier(network)
    assert all(parameter.abs().max() < 10 for parameter in network.parameters())
