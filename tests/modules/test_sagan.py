"""SAGAN in the values of its paper."""

from typing import Any

from gan_lightning import SAGAN


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    optimizers = [("Adam", 1e-4, (0.0, 0.9)), ("Adam", 4e-4, (0.0, 0.9))]
    assert chosen(SAGAN()) == {**usual, "loss": "HingeLoss", "latents": (128, "normal"), "optimizers": optimizers}


def test_all_convolutions_of_both_players_are_spectrally_normalised() -> None:
    gan = SAGAN(image_shape=(1, 8, 8), width=4)
    names = {name for name, p in gan.named_parameters() if p.ndim > 1 and not name.startswith("ema")}
    assert len(names) == 19
    assert all(name.endswith("parametrizations.weight.original") for name in names)
