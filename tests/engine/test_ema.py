"""What is averaged, and what is copied."""

import copy

import torch
from torch import nn

from gan_lightning.engine.ema import MovingAverage
from gan_lightning.networks import spectral_normalize


def test_weights_and_running_statistics_are_averaged_and_counts_copied() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = copy.deepcopy(network)
    before = copy.deepcopy(average)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(1)
    MovingAverage(average, network, 0.25).update(1000)
    for name, tensor in average.state_dict().items():
        step = 1 if name.endswith("num_batches_tracked") else 0.75
        torch.testing.assert_close(tensor, before.state_dict()[name] + step)


def test_singular_vectors_stay_unit_vectors() -> None:
    network = spectral_normalize(nn.Linear(5, 4))
    average = copy.deepcopy(network)
    for _ in range(3):
        nn.init.normal_(network.parametrizations.weight.original)
        network(torch.zeros(1, 5))  # one power iteration
        MovingAverage(average, network, 0.5).update(1000)
    for name, buffer in average.named_buffers():
        torch.testing.assert_close(buffer.norm(), torch.tensor(1.0))
        assert torch.equal(buffer, dict(network.named_buffers())[name])


def test_a_network_without_parameters_has_nothing_to_average() -> None:
    average = MovingAverage(nn.Identity(), nn.Identity(), 0.5)
    average.update(1)
    assert average.averaged == average.copied == []
