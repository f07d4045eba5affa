"""SNGAN in the values of its paper."""

from typing import Any

import pytest
import torch
from torch import nn

from gan_lightning import SNGAN


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    optimizers = [("Adam", 2e-4, (0.0, 0.9))] * 2
    assert chosen(SNGAN()) == {**usual, "loss": "HingeLoss", "latents": (128, "normal"), "optimizers": optimizers}


def test_a_strided_d_has_no_norm_but_the_spectral_one() -> None:
    torch.manual_seed(0)
    gan = SNGAN(width=4, networks="strided").train()
    images = torch.randn(8, 1, 28, 28)
    for _ in range(60):  # power iterations
        verdict = gan.discriminator(images)
    weights = [layer.weight.detach() for layer in gan.discriminator.modules() if isinstance(layer, nn.Conv2d)]
    assert [len(weight) for weight in weights] == [8, 16, 32, 1]
    for weight in weights:
        assert torch.linalg.matrix_norm(weight.flatten(1), ord=2).item() == pytest.approx(1, abs=0.02)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in gan.discriminator.modules())
    assert verdict.logits.shape == (8,)


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="networks must be one of residual, mimicry, strided, got 'x'"):
        SNGAN(networks="x")  # type: ignore[arg-type]
