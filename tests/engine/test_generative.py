"""A module maps latents to the images that it samples, with gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from gan_lightning.base import AdversarialModule

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
