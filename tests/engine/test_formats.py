"""Checkpoints of version 0.1.0, kept in ``format1``, are read, resumed and continued as that version would have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import seed_everything

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.engine.formats import FORMAT, update_format

FOLDER = Path(__file__).parent / "format1"
NAMES = sorted({path.name.split("-")[0] for path in FOLDER.glob("*.ckpt")})


def described(class_path: str, **init_args: Any) -> dict[str, Any]:
    return {"class_path": class_path, "init_args": init_args}


EXPECTED: dict[str, dict[str, Any]] = {
    "dcgan": {
        **{"image_shape": (1, 8, 8), "latent_dim": 3, "width": 2, "norm": "none"},
        "stabilizers": [described("GradientPenalty", weight=2.0), described("R1", weight=1.0)],
        "generator_optimizer": described("Adam", lr_schedule="linear", warmup_steps=2, clip_norm=0.5),
        "discriminator_optimizer": described("Adam", lr=4e-4, betas=(0.1, 0.8), lr_schedule="linear", warmup_steps=2),
    },
    "wgan": {
        **{"image_shape": (1, 8, 8), "latent_dim": 3, "width": 2, "norm": "none", "n_critic": 2, "clip_value": 0.02},
        "generator_optimizer": described("RMSprop", momentum=0.1, alpha=0.9),
        "discriminator_optimizer": described("RMSprop", momentum=0.0, alpha=0.95),
    },
    "wgangp": {
        **{"image_shape": (1, 8, 8), "latent_dim": 3, "width": 2, "max_width": 4, "norm": "none", "n_critic": 1},
        "gradient_penalty_weight": 3.0,
        "stabilizers": [described("R2", weight=0.5)],
        "discriminator_optimizer": described("Adam", lr_schedule="cosine", clip_norm=1.0),
    },
}


def test_the_files_are_of_the_first_format() -> None:
    assert sorted(EXPECTED) == NAMES
    for path in FOLDER.glob("*.ckpt"):
        assert "gan_format" not in torch.load(path, weights_only=True)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_the_gan_become_parts(name: str) -> None:
    checkpoint = read_checkpoint(FOLDER / f"{name}-step4.ckpt")
    assert checkpoint["gan_format"] == FORMAT
    assert checkpoint["hyper_parameters"] == EXPECTED[name]
    gan = gan_lightning.load(FOLDER / f"{name}-step4.ckpt")
    assert gan.sample(2, seed=0).shape == (2, 1, 8, 8)
    torch.testing.assert_close(gan.state_dict(), checkpoint["state_dict"], rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_of_the_first_format_goes_on_but_for_rounding(
    name: str, trainer: Callable[..., Any], tiny_data: Any
) -> None:
    seed_everything(5, verbose=False)
    gan: AdversarialModule = gan_lightning.load(FOLDER / f"{name}-step2.ckpt").train()
    fit = trainer(max_steps=4)
    fit.fit(gan, tiny_data, ckpt_path=FOLDER / f"{name}-step2.ckpt")
    expected = read_checkpoint(FOLDER / f"{name}-step4.ckpt")
    close = {"rtol": 1e-4, "atol": 1e-6}  # channels were not last then
    torch.testing.assert_close(gan.state_dict(), dict(expected["state_dict"]), **close)
    for optimizer, state, player in zip(fit.optimizers, expected["optimizer_states"], "GD", strict=True):
        torch.testing.assert_close(optimizer.state_dict()["state"], state["state"], **close)
        assert optimizer.param_groups[0]["name"] == player
        assert optimizer.param_groups[0]["lr"] == state["param_groups"][0]["lr"]


def test_defaults_stay_defaults() -> None:
    checkpoint: dict[str, Any] = {"gan": "GAN", "hyper_parameters": {"latent_dim": 3, "lr": 1e-3, "r1_weight": 0.0}}
    update_format(checkpoint)
    assert checkpoint["hyper_parameters"] == {"latent_dim": 3, "lr": 1e-3}


def test_an_argument_that_sngan_had_for_a_while_is_left_out() -> None:
    checkpoint = {"gan": "SNGAN", "gan_format": 2, "hyper_parameters": {"width": 4, "last_block": "flat"}}
    update_format(checkpoint)
    assert checkpoint["hyper_parameters"] == {"width": 4}


def test_a_later_format_is_refused() -> None:
    with pytest.raises(ValueError, match=f"has format {FORMAT + 1}, this version reads up to {FORMAT}: update"):
        update_format({"gan": "GAN", "gan_format": FORMAT + 1})
