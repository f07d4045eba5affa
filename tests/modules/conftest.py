"""What a GAN was built with, to compare with its paper."""

from collections.abc import Callable
from typing import Any

import pytest

from gan_lightning.base import AdversarialModule


@pytest.fixture
def chosen() -> Callable[[AdversarialModule], dict[str, Any]]:
    """The choices of a GAN by name."""

    def describe(gan: AdversarialModule) -> dict[str, Any]:
        optimizers, schedules = gan.configure_optimizers()
        return {
            "loss": type(gan.loss).__name__,
            "stabilizers": [part.describe() for part in gan.stabilizers],
            "latents": (gan.latent_dim, gan.prior),
            "n_critic": gan.n_critic,
            "num_classes": gan.num_classes,
            "optimizers": [(type(o).__name__, o.defaults["lr"], o.defaults.get("betas")) for o in optimizers],
            "constant": not schedules,
        }

    return describe


@pytest.fixture
def usual() -> dict[str, Any]:
    """The values of the first GANs on MNIST (rows 30 to 37 of the specification)."""
    return {
        "loss": "NonSaturatingLoss",
        "stabilizers": [],
        "latents": (100, "normal"),
        "n_critic": 1,
        "num_classes": 0,
        "optimizers": [("Adam", 2e-4, (0.5, 0.999))] * 2,
        "constant": True,
    }
