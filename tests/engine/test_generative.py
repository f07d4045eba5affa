"""A module maps latents to the images that it samples, with gradients."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.generative import truncated

Build = Callable[..., AdversarialModule]


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_the_module_itself_gives_the_images_that_it_samples(
    tiny_gan: Build, trainer: Callable[..., Trainer], tiny_data: Any, gan_name: str, ema_decay: float
) -> None:
    gan = tiny_gan(gan_name, ema_decay=ema_decay)
    trainer(max_steps=3).fit(gan, tiny_data)
    gan.train()
    latents = gan.sample_latent(4).requires_grad_()
    labels = torch.arange(4) % max(gan.num_classes, 1)
    images = gan(latents, labels)
    assert torch.equal(images.detach(), gan.sample_from(latents.detach(), labels))
    assert gan.generator.training
    # In evaluation mode an image depends on its own latent alone.
    (gradient,) = torch.autograd.grad(images[1].sum(), latents)
    assert gradient[1].abs().sum() > 0
    assert gradient[[0, 2, 3]].abs().sum() == 0


def test_a_gradient_leads_from_an_image_back_to_a_latent(tiny_gan: Build) -> None:
    gan = tiny_gan("GAN").eval()
    target = gan.sample(1, seed=0)
    latents = gan.sample_latent(1).requires_grad_()
    optimizer = torch.optim.Adam([latents], 0.1)
    distances = []
    for _ in range(50):
        optimizer.zero_grad()
        distance = (gan(latents) - target).square().sum()
        distance.backward()
        optimizer.step()
        distances.append(float(distance.detach()))
    assert distances[-1] < distances[0] / 10
    assert gan.ema is not None
    assert all(parameter.grad is None for parameter in gan.ema.parameters())


def test_a_conditional_gan_wants_labels(tiny_gan: Build) -> None:
    gan = tiny_gan("CGAN")
    with pytest.raises(ValueError, match=r"CGAN is conditional: give labels, \(N,\) in \[0, 4\)"):
        gan(gan.sample_latent(2))


def test_truncated_latents_have_the_distribution_of_a_normal_within_the_threshold() -> None:
    latents = torch.randn(400_000, 1, generator=torch.Generator().manual_seed(0))
    mapped = truncated(latents, 0.8)
    assert mapped.abs().max() <= 0.8
    density = math.exp(-(0.8**2) / 2) / math.sqrt(2 * math.pi)
    inside = math.erf(0.8 / math.sqrt(2))
    assert mapped.var().item() == pytest.approx(1 - 2 * 0.8 * density / inside, abs=2e-3)
    accepted = latents[latents.abs() <= 0.8]  # what is drawn again until it is inside
    quantiles = torch.linspace(0.05, 0.95, 10)
    torch.testing.assert_close(mapped.quantile(quantiles), accepted.quantile(quantiles), rtol=0, atol=5e-3)


def test_truncation_keeps_the_order_of_latents_and_vanishes_for_large_thresholds() -> None:
    latents = torch.linspace(-5, 5, 101)[:, None]
    assert (truncated(latents, 1.0).diff(dim=0) > 0).all()
    torch.testing.assert_close(truncated(latents, 8.0), latents, rtol=0, atol=1e-3)
    assert truncated(10 * latents, 100.0).isfinite().all()


def test_truncated_samples_are_those_of_truncated_latents(tiny_gan: Build) -> None:
    gan = tiny_gan("DCGAN").eval()
    latents = gan.sample_latent(4, torch.Generator().manual_seed(3))
    expected = gan.sample_from(truncated(latents, 0.5))
    torch.testing.assert_close(gan.sample(4, seed=3, truncation=0.5), expected)
    assert not gan.sample(4, seed=3).allclose(expected)


def test_truncation_leaves_what_stabilizers_put_into_latents_alone(tiny_gan: Build) -> None:
    codes = tiny_gan("InfoGAN").sample_latent(4, torch.Generator().manual_seed(0), truncation=0.1)
    assert codes[:, :10].sum(1).eq(1).all()


@pytest.mark.parametrize("truncation", [0, -1.0, math.inf, math.nan])
def test_truncation_out_of_its_range_is_an_error_that_names_it(tiny_gan: Build, truncation: float) -> None:
    with pytest.raises(ValueError, match=f"truncation must be a finite number above 0, got {truncation}"):
        tiny_gan("DCGAN").sample(2, truncation=truncation)


def test_a_uniform_prior_cannot_be_truncated(tiny_gan: Build) -> None:
    with pytest.raises(ValueError, match="BEGAN draws latents from a uniform prior, which cannot be truncated"):
        tiny_gan("BEGAN").sample(2, truncation=0.5)
