"""SNGAN in the values of its paper."""

from typing import Any

from gan_lightning import SNGAN


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    optimizers = [("Adam", 2e-4, (0.0, 0.9))] * 2
    assert chosen(SNGAN()) == {**usual, "loss": "HingeLoss", "latents": (128, "normal"), "optimizers": optimizers}
