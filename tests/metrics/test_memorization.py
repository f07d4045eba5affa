"""Fakes that are training images: against torchmetrics, and what only the mean over fakes sees."""

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance

from gan_lightning.metrics import MemorizationInformedDistance


class Features(nn.Identity):
    """Images are features already."""

    num_features = 6


def judged(training: Tensor, fake: Tensor, threshold: float = 0.1) -> dict[str, float]:
    metric = MemorizationInformedDistance(threshold=threshold)
    metric.update(training, real=True)
    metric.update(fake, real=False)
    return {name: value.item() for name, value in metric.compute().items()}


@pytest.mark.parametrize("scale", [0.01, 1.0], ids=["near", "far"])
def test_value_is_torchmetrics_with_the_sides_exchanged(scale: float) -> None:
    training = torch.randn(60, 6)
    fake = training[:50] + scale * torch.randn(50, 6)
    theirs = MemorizationInformedFrechetInceptionDistance(Features())
    theirs.update(fake, real=True)  # its memorization distance is a mean over real images
    theirs.update(training, real=False)
    assert judged(training, fake)["mifid"] == pytest.approx(theirs.compute().item(), rel=1e-3)


def test_a_few_repeated_training_images_are_seen() -> None:
    training, fresh = torch.randn(300, 6), torch.randn(300, 6)
    honest, repeated = judged(training, fresh, 0.005), judged(training, training[:30].repeat(10, 1), 0.005)
    assert repeated["memorization_distance"] == pytest.approx(0, abs=1e-6)
    assert honest["memorization_distance"] > 0.005
    assert repeated["mifid"] > 1e3 * honest["mifid"]


def test_threshold_must_be_positive() -> None:
    with pytest.raises(ValueError, match="threshold"):
        MemorizationInformedDistance(threshold=0)
