"""All metrics at once, on features that are a classifier's logits."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gan_lightning.metrics.image_set import ImageSet
from gan_lightning.metrics.scores import Judge

COUNT = 1_000
IDENTITY: Any = SimpleNamespace(
    fid_name="fid", num_features=3, recommended_samples=0, num_classes=3, logits=lambda x: x
)


def images_of(logits: torch.Tensor) -> ImageSet:
    pixels = torch.randint(256, (len(logits), 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ImageSet(pixels, torch.full((len(logits),), -1), logits)


def logits_of(first_guess: float) -> torch.Tensor:
    """Of images whose classes have these probabilities, each class in turn the first guess."""
    probabilities = torch.full((COUNT, 3), (1 - first_guess) / 2)
    probabilities[torch.arange(COUNT), torch.arange(COUNT) % 3] = first_guess
    return probabilities.log()


def test_certainty_is_the_share_of_fakes_that_the_classifier_is_certain_of() -> None:
    judge = Judge(IDENTITY, images_of(logits_of(0.99)), num_classes=3)
    logits = torch.cat([logits_of(0.91)[:750], logits_of(0.89)[:250]])
    fakes = images_of(logits)
    assert judge.scores(fakes)[0]["certainty"] == 0.75
    spread = judge.deviations(fakes, ["certainty"], draws=200)["certainty"]
    assert spread == pytest.approx((0.75 * 0.25 / COUNT) ** 0.5, rel=0.2)  # of a binomial share


def test_certainty_is_asked_only_of_a_classifier_of_the_datas_classes() -> None:
    judge = Judge(IDENTITY, images_of(logits_of(0.99)), num_classes=10)
    values, refused = judge.scores(images_of(logits_of(0.91)))
    assert "fid" in values
    assert "certainty" not in values | refused
