"""Noise on what D sees: how much of it, until when, and that it does not depend on how the batch is shared."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from gan_lightning.engine.draws import SharedDraws, counted_seed
from gan_lightning.stabilizers import InstanceNoise

Build = Callable[..., Any]


def begun(*counters: int, **options: int) -> SharedDraws:
    draws = SharedDraws()
    draws.begin(*counters, **options)
    return draws


def test_noise_is_normal_with_the_deviation_told_in_units_of_the_images() -> None:
    images = torch.full((100, 3, 20, 20), 0.5, dtype=torch.float64)
    noise = InstanceNoise(std=0.3).view(images, begun(0)) - images
    assert noise.mean().item() == pytest.approx(0, abs=0.004)  # four standard errors
    assert noise.std().item() == pytest.approx(0.3, abs=0.003)
    assert (noise / 0.3).pow(4).mean().item() == pytest.approx(3, abs=0.06)
    assert noise.unique().numel() == noise.numel()


@pytest.mark.parametrize(("step", "std"), [(0, 0.4), (1, 0.3), (2, 0.2), (3, 0.1), (4, 0.0), (5, 0.0), (400, 0.0)])
def test_deviation_falls_linearly_to_0_over_the_steps(step: int, std: float, draw: Build) -> None:
    images = draw(4, 1, 3, 2)
    seen = InstanceNoise(std=0.4, steps=4).view(images, begun(step, 1))
    noise = [torch.empty_like(row).normal_(generator=_of_image(k, step)) for k, row in enumerate(images)]
    torch.testing.assert_close(seen, images + std * torch.stack(noise), rtol=1e-12, atol=1e-15)
    assert torch.equal(seen, images) is (std == 0)


def _of_image(number: int, step: int) -> Generator:
    return Generator().manual_seed(counted_seed(step, 1, 0, number))


@pytest.mark.parametrize(("world_size", "parts"), [(2, 1), (1, 2), (2, 2), (4, 2)])
def test_noise_does_not_depend_on_the_number_of_processes_and_micro_batches(
    world_size: int, parts: int, draw: Build
) -> None:
    images, part_of_noise = draw(8, 1, 3, 2), InstanceNoise()
    whole = part_of_noise.view(images, begun(3, 0))
    size = 8 // world_size // parts
    for rank in range(world_size):
        for part in range(parts):
            draws = begun(3, 0, rank=rank, world_size=world_size, part=part, parts=parts)
            own = slice(part * size, (part + 1) * size)
            assert torch.equal(part_of_noise.view(images[rank::world_size][own], draws), whole[rank::world_size][own])


def test_each_view_has_noise_of_its_own_and_gradients_pass_unchanged(draw: Build) -> None:
    images = draw(4, 1, 3, 2).requires_grad_()
    draws = begun(0)
    first, second = (InstanceNoise().view(images, draws) for _ in range(2))
    assert not torch.isclose(first, second, rtol=0, atol=1e-9).any()
    (gradient,) = torch.autograd.grad((first * images.detach()).sum(), images)
    assert torch.equal(gradient, images.detach())


def test_in_training_both_players_see_noise_until_the_last_of_its_steps(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = InstanceNoise(std=0.4, steps=2)
    gan = smooth_gan(stabilizers=[part], n_critic=2)
    stds: list[tuple[int, float]] = []
    original = part.view

    def view(images: Tensor, draws: SharedDraws) -> Tensor:
        seen = original(images, draws)
        stds.append((gan.global_step, (seen - images).std().item()))
        return seen

    monkeypatch.setattr(part, "view", view)
    fit(gan, max_steps=3)
    assert [step for step, _ in stds] == [step for step in range(3) for _ in range(5)]  # D, twice real and fake; G
    assert [std for _, std in stds] == pytest.approx([0.4] * 5 + [0.2] * 5 + [0.0] * 5, rel=0.15)


def test_illegal_numbers_are_errors_that_name_them() -> None:
    with pytest.raises(ValueError, match=r"std must be finite and at least 0, got -0\.1"):
        InstanceNoise(std=-0.1)
    with pytest.raises(ValueError, match="steps must be an integer, at least 1, got 0"):
        InstanceNoise(steps=0)
