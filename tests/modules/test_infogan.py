"""InfoGAN in the values of its paper."""

from typing import Any

from gan_lightning import InfoGAN


def test_defaults_are_the_papers_values_but_for_the_rate_of_g(chosen: Any, usual: Any) -> None:
    codes = {"categories": 10, "continuous": 2, "categorical_weight": 1.0, "continuous_weight": 0.1}
    information = {"class_path": "MutualInformation", "init_args": codes}
    assert chosen(InfoGAN()) == {**usual, "latents": (74, "normal"), "stabilizers": [information]}
