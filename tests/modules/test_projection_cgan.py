"""cGAN with projection in the values of its paper."""

from typing import Any

import pytest

from gan_lightning import ProjectionCGAN
from gan_lightning.networks import Projection


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    told = {"loss": "HingeLoss", "num_classes": 10, "latents": (128, "normal")}
    assert chosen(ProjectionCGAN()) == {**usual, **told, "optimizers": [("Adam", 2e-4, (0.0, 0.9))] * 2}


@pytest.mark.parametrize("networks", ["residual", "strided"])
def test_all_of_d_is_spectrally_normalised(networks: Any) -> None:
    gan = ProjectionCGAN(image_shape=(1, 8, 8), width=4, networks=networks)
    assert isinstance(gan.discriminator, Projection)
    names = {name for name, _ in gan.discriminator.named_parameters() if not name.endswith("bias")}
    assert names
    assert all(name.endswith("parametrizations.weight.original") for name in names)
