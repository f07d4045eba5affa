"""BEGAN in the values of its paper."""

from typing import Any

from gan_lightning import BEGAN


def test_defaults_are_the_recipes_values(chosen: Any, usual: Any) -> None:
    gan = BEGAN()
    told = {"loss": "BoundaryEquilibriumLoss", "latents": (64, "uniform")}
    assert chosen(gan) == {**usual, **told, "optimizers": [("Adam", 1e-4, (0.5, 0.999))] * 2}
    assert gan.loss.describe()["init_args"] == {"diversity": 0.75, "step": 1e-3}
