"""SAGAN in the values of its paper."""

from typing import Any

import pytest

from gan_lightning import SAGAN


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    optimizers = [("Adam", 1e-4, (0.0, 0.9)), ("Adam", 4e-4, (0.0, 0.9))]
    assert chosen(SAGAN()) == {**usual, "loss": "HingeLoss", "latents": (128, "normal"), "optimizers": optimizers}


@pytest.mark.parametrize(("networks", "layers"), [("residual", 19), ("strided", 15)])
def test_all_convolutions_of_both_players_are_spectrally_normalised(networks: Any, layers: int) -> None:
    gan = SAGAN(image_shape=(1, 8, 8), width=4, networks=networks)
    names = {name for name, p in gan.named_parameters() if p.ndim > 1 and not name.startswith("ema")}
    assert len(names) == layers
    assert all(name.endswith("parametrizations.weight.original") for name in names)
