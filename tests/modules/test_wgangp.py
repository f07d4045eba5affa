"""WGANGP in the values of its paper."""

from typing import Any

from gan_lightning import WGANGP


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    assert chosen(WGANGP()) == {
        **usual,
        "loss": "WassersteinLoss",
        "stabilizers": [{"class_path": "GradientPenalty", "init_args": {"weight": 10.0}}],
        "latents": (128, "normal"),
        "n_critic": 5,
        "optimizers": [("Adam", 1e-4, (0.0, 0.9))] * 2,
    }
