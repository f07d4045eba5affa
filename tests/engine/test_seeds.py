"""A run has one seed: the user's, or one that is drawn, told and kept."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.checkpoints import read_checkpoint

Fit = Callable[..., int]


@pytest.fixture
def fit(
    tiny_gan: Callable[..., AdversarialModule], trainer: Callable[..., Trainer], tiny_data: Any, tmp_path: Path
) -> Fit:
    """Trains a GAN and returns the seed that its checkpoint holds."""

    def run(seed: int | None = None, steps: int = 1, **options: Any) -> int:
        gan = tiny_gan("GAN")
        if seed is not None:
            torch.manual_seed(seed)
        build = trainer(max_steps=steps)
        build.fit(gan, tiny_data, **options)
        build.save_checkpoint(tmp_path / "gan.ckpt")
        return int(read_checkpoint(tmp_path / "gan.ckpt")["seed"])

    return run


def test_torchs_seed_decides_where_nobody_chose(fit: Fit, tmp_path: Path, identical: Any) -> None:
    seeds, states = [], []
    for seed in (1, 2, 1):
        seeds.append(fit(seed))
        states.append(read_checkpoint(tmp_path / "gan.ckpt")["state_dict"])
    assert seeds[0] == seeds[2] != seeds[1]
    assert identical(states[0], states[2])
    assert not identical(states[0], states[1])


def test_a_seed_that_was_drawn_is_forgotten_after_the_run(fit: Fit) -> None:
    fit()
    assert "PL_GLOBAL_SEED" not in os.environ


def test_a_training_that_fails_leaves_its_seed_to_nobody(fit: Fit) -> None:
    with pytest.raises(FileNotFoundError):
        fit(1, ckpt_path="absent.ckpt")
    first = fit(1)
    assert fit(2) != first


def test_it_is_told_and_makes_the_run_again(fit: Fit, tmp_path: Path, caplog: Any, identical: Any) -> None:
    with caplog.at_level("INFO", logger="lightning.pytorch"):
        seed = fit(3)
    first = read_checkpoint(tmp_path / "gan.ckpt")["state_dict"]
    assert f"Seed of this run: {seed}." in caplog.text
    seed_everything(seed)
    assert fit() == seed
    assert identical(read_checkpoint(tmp_path / "gan.ckpt")["state_dict"], first)


def test_a_chosen_seed_stays(fit: Fit) -> None:
    seed_everything(5)
    assert fit(1) == 5
    assert os.environ["PL_GLOBAL_SEED"] == "5"


def test_a_resumed_run_keeps_a_seed_that_was_drawn(fit: Fit, tmp_path: Path, identical: Any) -> None:
    whole = fit(1, steps=4)
    expected = read_checkpoint(tmp_path / "gan.ckpt")["state_dict"]
    assert fit(1, steps=2) == whole
    assert fit(2, steps=4, ckpt_path=tmp_path / "gan.ckpt") == whole
    assert identical(read_checkpoint(tmp_path / "gan.ckpt")["state_dict"], expected)
    assert "PL_GLOBAL_SEED" not in os.environ


def test_a_resumed_run_refuses_another_seed(fit: Fit, tmp_path: Path) -> None:
    seed_everything(5)
    fit()
    seed_everything(6)
    with pytest.raises(ValueError, match=r"The run has seed 5, but seed_everything is 6: .* --init_from"):
        fit(steps=2, ckpt_path=tmp_path / "gan.ckpt")
