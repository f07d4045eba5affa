"""R3GAN in the values of its paper."""

from typing import Any

import pytest

from gan_lightning import R3GAN


def test_defaults_are_the_recipes_values(chosen: Any, usual: Any) -> None:
    numbers = {"weight": 0.1, "every": 1, "final_weight": 0.01, "anneal_steps": 10_000}
    told = {
        "loss": "RelativisticLoss",
        "latents": (64, "normal"),
        "stabilizers": [{"class_path": name, "init_args": numbers} for name in ("R1", "R2")],
        "optimizers": [("Adam", 2e-4, (0.0, 0.99))] * 2,
    }
    assert chosen(R3GAN()) == {**usual, **told}


@pytest.mark.parametrize("name", ["penalty_weight", "final_penalty_weight"])
def test_illegal_weights_are_errors(name: str) -> None:
    with pytest.raises(ValueError, match="weight must be finite and at least 0, got -1"):
        R3GAN(image_shape=(1, 8, 8), width=4, **{name: -1})
