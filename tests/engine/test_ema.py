"""What is averaged, and what is copied."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm as hooked_spectral_norm

from gan_lightning.engine.ema import move_average
from gan_lightning.networks import spectral_normalize


def test_weights_and_running_statistics_are_averaged_and_counts_copied() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = copy.deepcopy(network)
    before = copy.deepcopy(average)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(1)
    move_average(average, network, 0.25, 1000)
    for name, tensor in average.state_dict().items():
        step = 1 if name.endswith("num_batches_tracked") else 0.75
        torch.testing.assert_close(tensor, before.state_dict()[name] + step)


def test_singular_vectors_stay_unit_vectors() -> None:
    networks = [
        spectral_normalize(nn.Linear(5, 4)),
        hooked_spectral_norm(nn.Linear(5, 4)),  # type: ignore[no-untyped-call]
    ]
    for network in networks:
        average = copy.deepcopy(network)
        for _ in range(3):
            nn.init.normal_(max(network.parameters(), key=torch.numel))
            network(torch.zeros(1, 5))  # one power iteration
            move_average(average, network, 0.5, 1000)
        for name, buffer in average.named_buffers():
            torch.testing.assert_close(buffer.norm(), torch.tensor(1.0))
            assert torch.equal(buffer, dict(network.named_buffers())[name])


class Own(nn.Module):
    """Has a weight and a buffer that are no singular vectors, and replaces the buffer, as many layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.factor_v = nn.Parameter(torch.zeros(2))
        self.mean_u: Tensor
        self.register_buffer("mean_u", torch.zeros(2))

    def forward(self) -> None:
        self.mean_u = self.mean_u + 1


def test_all_else_is_averaged_whatever_its_name_and_also_if_it_is_replaced() -> None:
    network = Own()
    average = copy.deepcopy(network)
    nn.init.ones_(network.factor_v)
    expected = torch.zeros(2)
    for _ in range(3):
        network()
        move_average(average, network, 0.5, 1000)
        expected = (expected + network.mean_u) / 2
    torch.testing.assert_close(average.mean_u, expected)
    torch.testing.assert_close(average.factor_v.detach(), torch.full((2,), 0.875))


def test_a_network_without_parameters_has_nothing_to_average() -> None:
    move_average(nn.Identity(), nn.Identity(), 0.5, 1)
