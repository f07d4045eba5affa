"""Projection: images of a generator's own are found again, spaces and priors are kept to, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.inversion import project
from gan_lightning.walks import noise_features

Build = Callable[..., AdversarialModule]


def test_a_generators_own_images_are_found_again() -> None:
    gan = gan_lightning.load("dcgan-mnist")
    own = gan.sample(2, seed=123)
    found = project(gan, own, starts=4, steps=150)
    apart = (own[0] - own[1]).square().mean()
    assert found.distances.max() < 0.1 * apart
    torch.testing.assert_close(found.images, gan(found.points))
    torch.testing.assert_close(found.distances, (found.images - own).square().mean((1, 2, 3)))


def test_the_class_is_found_too() -> None:
    gan = gan_lightning.load("acgan-mnist")
    found = project(gan, gan.sample(3, labels=[0, 1, 7], seed=5), starts=1, steps=60)
    assert found.labels.tolist() == [0, 1, 7]


def test_a_class_that_is_given_is_kept() -> None:
    gan = gan_lightning.load("acgan-mnist")
    found = project(gan, gan.sample(2, labels=[0, 1], seed=5), label=4, starts=1, steps=2)
    assert found.labels.tolist() == [4, 4]


def test_more_steps_come_nearer(tiny_gan: Build) -> None:
    gan = tiny_gan("DCGAN").eval()
    images = gan.sample(3, seed=1)
    few, many = (project(gan, images, starts=2, steps=steps).distances for steps in (1, 60))
    assert (many < few).all()


def test_latents_stay_in_their_prior(tiny_gan: Build) -> None:
    for prior in ("normal", "uniform"):
        gan = tiny_gan("DCGAN", prior=prior).eval()
        points = project(gan, gan.sample(2, seed=1), starts=2, steps=5, lr=1.0).points
        if prior == "uniform":
            assert points.abs().max() <= 1
        else:
            torch.testing.assert_close(points.norm(dim=1), torch.full((2,), gan.latent_dim**0.5))


def test_codes_are_left_alone(tiny_gan: Build) -> None:
    gan = tiny_gan("InfoGAN").eval()
    start = gan.sample_latent(2, torch.Generator().manual_seed(0))
    points = project(gan, gan.sample(2, seed=1), starts=1, steps=1, lr=1e-9).points
    noise = noise_features(gan)
    torch.testing.assert_close(points[:, noise:], start[:, noise:])
    torch.testing.assert_close(points[:, :noise].norm(dim=1), torch.full((2,), noise**0.5))


def test_styles_of_stylegan2(tiny_gan: Build) -> None:
    gan = tiny_gan("StyleGAN2").eval()
    network: Any = gan.ema
    found = project(gan, gan.sample(2, seed=1), starts=2, steps=3, space="w")
    torch.testing.assert_close(network.synthesis(found.points), found.images)


def test_small_images_have_no_features(tiny_gan: Build) -> None:
    gan = tiny_gan("DCGAN", image_shape=(1, 8, 8)).eval()
    assert project(gan, gan.sample(1, seed=1), starts=1, steps=1).images.shape == (1, 1, 8, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starts": 0}, "starts"),
        ({"steps": 0}, "steps"),
        ({"lr": 0.0}, "lr"),
        ({"feature_weight": -1.0}, "feature_weight"),
        ({"space": "w"}, "has no styles"),
        ({"label": 1}, "unconditional"),
        ({"images": torch.zeros(1, 3, 9, 9)}, r"are \(3, 9, 9\), but DCGAN makes"),
    ],
)
def test_what_is_wrong_is_named(tiny_gan: Build, options: dict[str, Any], message: str) -> None:
    gan = tiny_gan("DCGAN").eval()
    with pytest.raises(ValueError, match=message):
        project(gan, **{"images": gan.sample(1, seed=0), **options})
