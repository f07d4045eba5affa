"""WGAN in the values of its paper."""

from typing import Any

from gan_lightning import WGAN


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    assert chosen(WGAN()) == {
        **usual,
        "loss": "WassersteinLoss",
        "stabilizers": [{"class_path": "WeightClipping", "init_args": {"clip_value": 0.01}}],
        "n_critic": 5,
        "optimizers": [("RMSprop", 5e-5, None)] * 2,
    }


def test_rmsprop_has_no_momentum() -> None:
    optimizers, _ = WGAN(width=4).configure_optimizers()
    assert [(o.defaults["momentum"], o.defaults["alpha"]) for o in optimizers] == [(0.0, 0.99)] * 2
