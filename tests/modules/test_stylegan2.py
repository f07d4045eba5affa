"""StyleGAN2 in the values of its paper; its truncation and path length are those of styles."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gan_lightning import StyleGAN2
from gan_lightning.stabilizers import PathLength

Build = Callable[..., Any]


def test_defaults_are_the_recipes_values(chosen: Any, usual: Any) -> None:
    r1 = {"weight": 0.01, "every": 16, "final_weight": None, "anneal_steps": 10_000}
    told = {
        "latents": (256, "normal"),
        "stabilizers": [
            {"class_path": "R1", "init_args": r1},
            {"class_path": "PathLength", "init_args": {"weight": 2.0, "every": 8, "decay": 0.99}},
        ],
        "optimizers": [("Adam", 2.5e-3, (0.0, 0.99))] * 2,
    }
    assert chosen(StyleGAN2()) == {**usual, **told}


def test_samples_are_truncated_in_the_space_of_styles(tiny_gan: Build) -> None:
    gan = tiny_gan("StyleGAN2").eval()
    latents = gan.sample_latent(4, torch.Generator().manual_seed(3))
    plain = gan.sample(4, seed=3)
    torch.testing.assert_close(plain, gan.sample_from(latents))
    torch.testing.assert_close(gan.sample(4, seed=3, truncation=1.0), plain)
    torch.testing.assert_close(gan.sample(4, seed=3, truncation=0.3), gan.ema(latents, truncation=0.3))
    assert len(gan.sample(4, seed=3, truncation=0.0).unique(dim=0)) == 1
    with pytest.raises(ValueError, match=r"truncation must be in \[0, 1\], got 1.5"):
        gan.sample(2, truncation=1.5)


def test_path_length_is_that_of_steps_in_the_space_of_styles(tiny_gan: Build) -> None:
    gan = tiny_gan("StyleGAN2", mixing_prob=0.0, noise=0.0).double()
    latents, seen = gan.sample_latent(3).double(), []

    class Draws:
        def normal_like(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(torch.randn_like(images))
            return seen[-1]

    class Move:
        network, labels, draws = gan.generator, torch.zeros(3, dtype=torch.int64), Draws()

    Move.latents = latents  # type: ignore[attr-defined]
    part = PathLength(weight=1.0).double()
    (value,) = part.generator_terms(Move()).values()  # type: ignore[arg-type]
    lengths = []
    for style, noise in zip(gan.generator.mapping(latents), seen[0], strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda w: gan.generator.synthesis(w[None]).flatten(), style)
        lengths.append((jacobian.T @ noise.flatten()).norm() / 64**0.5)  # eq. 4: of 8 x 8 pixels
    torch.testing.assert_close(value, torch.stack(lengths).square().mean())
    value.backward()
    assert all(p.grad is not None for p in gan.generator.linear.parameters())
