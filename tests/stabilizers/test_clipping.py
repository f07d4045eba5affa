"""Weight clipping: of D alone, after each of its updates."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from gan_lightning.engine.optimizers import SGD
from gan_lightning.game import Update
from gan_lightning.stabilizers import WeightClipping

Build = Callable[..., Any]


def largest(network: nn.Module) -> float:
    return max(p.detach().abs().max().item() for p in network.parameters())


class Watch(Callback):
    """Records who is about to step, and the largest parameters of D and G then."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, float]] = []

    def on_before_optimizer_step(self, trainer: Any, gan: Any, optimizer: Any) -> None:
        player = "g" if optimizer is trainer.optimizers[0] else "d"
        self.seen.append((player, largest(gan.discriminator), largest(gan.generator)))


def test_each_parameter_is_moved_to_the_nearest_in_range_and_those_in_range_stay() -> None:
    network = nn.Linear(3, 1).double()
    network.weight.data = torch.tensor([[0.05, -0.3, 0.1]], dtype=torch.float64)
    network.bias.data = torch.tensor([7.0], dtype=torch.float64)
    WeightClipping(0.1).after(Update("d", network, 8, None, torch.zeros(8), lambda x: x))
    assert network.weight.tolist() == [[0.05, -0.1, 0.1]]
    assert network.bias.tolist() == [0.1]


def test_g_is_left_alone() -> None:
    network = nn.Linear(3, 1)
    before = network.weight.detach().clone()
    WeightClipping(1e-3).after(Update("g", network, 8, None, torch.zeros(8), lambda x: x))
    assert torch.equal(network.weight, before)


@pytest.mark.parametrize("n_critic", [1, 3])
def test_in_training_d_is_in_range_after_each_of_its_updates_and_g_is_not_touched(
    smooth_gan: Build, fit: Build, n_critic: int
) -> None:
    watch = Watch()
    gan = fit(smooth_gan(stabilizers=[WeightClipping(0.02)], n_critic=n_critic), max_steps=2, callbacks=[watch])
    assert "".join(player for player, _, _ in watch.seen) == ("d" * n_critic + "g") * 2
    discriminators = [d for _, d, _ in watch.seen] + [largest(gan.discriminator)]
    assert discriminators[0] > 0.02  # before its first update
    assert discriminators[1:] == [0.02] * len(discriminators[1:])
    assert min(g for _, _, g in watch.seen) > 0.1


def test_a_clipped_step_is_the_step_of_the_optimizer_then_the_clipping(smooth_gan: Build, fit: Build) -> None:
    def after_one_step(**options: Any) -> Tensor:
        gan = fit(smooth_gan(discriminator_optimizer=SGD(lr=0.1), **options), max_steps=1)
        return torch.cat([p.detach().reshape(-1) for p in gan.discriminator.parameters()])

    free, clipped = after_one_step(), after_one_step(stabilizers=[WeightClipping(0.05)])
    expected = [min(max(value, -0.05), 0.05) for value in free.tolist()]
    assert clipped.tolist() == expected
    assert 0 < (free.abs() < 0.05).sum() < len(free)


@pytest.mark.parametrize("clip_value", [0.0, -1.0, float("inf")])
def test_illegal_value_is_an_error_that_names_it(clip_value: float) -> None:
    with pytest.raises(ValueError, match=f"clip_value must be a finite number above 0, got {clip_value}"):
        WeightClipping(clip_value)
