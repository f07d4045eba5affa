"""BigGAN in the values of its paper."""

from typing import Any

import pytest
from torch import nn

from gan_lightning import BigGAN
from gan_lightning.networks import SelfAttention


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    told = {
        "loss": "HingeLoss",
        "num_classes": 10,
        "latents": (120, "normal"),
        "n_critic": 2,
        "optimizers": [("Adam", 5e-5, (0.0, 0.999)), ("Adam", 2e-4, (0.0, 0.999))],
    }
    assert chosen(BigGAN()) == {**usual, **told}


@pytest.mark.parametrize("networks", ["residual", "strided"])
def test_both_players_attend_and_are_spectrally_normalised(networks: Any) -> None:
    gan = BigGAN(image_shape=(1, 16, 16), width=4, networks=networks)
    for player in (gan.generator, gan.discriminator):
        assert sum(isinstance(m, SelfAttention) for m in player.modules()) == 1
        layers = [m for m in player.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
        assert all(hasattr(layer, "parametrizations") for layer in layers)
