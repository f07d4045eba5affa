"""The equalised learning rate, against its closed form."""

import copy
import math

import pytest
import torch
from torch import nn

from gan_lightning.networks import equalize


@pytest.mark.parametrize(
    ("layer", "fan_in"), [(nn.Linear(50, 400), 50), (nn.Conv2d(30, 200, 3), 270), (nn.Conv2d(50, 400, 1), 50)]
)
@pytest.mark.parametrize(("gain", "lr_factor"), [(math.sqrt(2), 1.0), (1.0, 0.01)])
def test_weights_in_use_are_normal_draws_times_the_gain_over_the_root_of_the_inputs(layer, fan_in, gain, lr_factor):
    torch.manual_seed(0)
    layer = equalize(copy.deepcopy(layer), gain, lr_factor)
    raw = layer.parametrizations.weight.original
    assert raw.std().item() == pytest.approx(1 / lr_factor, rel=0.02)
    torch.testing.assert_close(layer.weight, raw * lr_factor * gain / math.sqrt(fan_in))
    assert not layer.bias.any()


def test_a_step_of_adam_moves_each_weight_in_use_by_its_scale():
    torch.manual_seed(0)
    wide, narrow = (equalize(nn.Linear(n, 1, bias=False)) for n in (800, 2))
    optimizer = torch.optim.Adam([*wide.parameters(), *narrow.parameters()], lr=0.01, eps=0.0)
    before = wide.weight.clone(), narrow.weight.clone()
    (wide(torch.ones(1, 800)).sum() + narrow(torch.ones(1, 2)).sum()).backward()
    optimizer.step()
    moved = [(old - layer.weight).mean().item() for old, layer in zip(before, (wide, narrow), strict=True)]
    assert moved == pytest.approx([0.01 * math.sqrt(2 / 800), 0.01], rel=1e-3)


def test_the_factor_of_the_learning_rate_is_that_of_biases_too():
    layer = equalize(nn.Linear(4, 3), lr_factor=0.01)
    with torch.no_grad():
        layer.parametrizations.bias.original.fill_(1.0)
    torch.testing.assert_close(layer.bias, torch.full((3,), 0.01))


def test_layers_that_are_equalised_stay_as_they_are():
    inner = equalize(nn.Linear(4, 3), gain=1.0)
    before = inner.weight.clone()
    network = equalize(nn.Sequential(inner, nn.Conv2d(1, 1, 1)))
    assert inner.weight.equal(before)
    assert hasattr(network[1], "parametrizations")
