"""ACGAN's classifier: cross-entropies by hand, and who learns from what."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_lightning.game import Verdict
from gan_lightning.stabilizers import AuxiliaryClassifier

Build = Callable[..., Any]


def critic(images: Tensor, labels: Tensor) -> Verdict:
    """Its class logits are the pixels."""
    return Verdict(images.flatten(1).sum(1), {"classes": images.flatten(1)})


def cross_entropy(images: Tensor, labels: list[int]) -> float:
    rows = images.flatten(1).tolist()
    each = [math.log(sum(map(math.exp, row))) - row[label] for row, label in zip(rows, labels, strict=True)]
    return sum(each) / len(each)


def test_d_learns_the_classes_of_reals_and_g_those_of_fakes(make_move: Build, draw: Build) -> None:
    real, fake = draw(2, 4, 1, 1, 3)
    labels = [2, 0, 1, 1]
    for player, images in (("d", real), ("g", fake)):
        move = make_move(critic, real, fake, torch.tensor(labels), player=player)
        terms = AuxiliaryClassifier(weight=0.7).terms(move)
        assert list(terms) == ["class"]
        assert terms["class"].item() == pytest.approx(0.7 * cross_entropy(images, labels), rel=1e-12)


def test_d_learns_from_fakes_too_where_they_have_a_weight(make_move: Build, draw: Build) -> None:
    real, fake = draw(2, 4, 1, 1, 3)
    labels = [2, 0, 1, 1]
    terms = AuxiliaryClassifier(fake_weight=0.5).terms(make_move(critic, real, fake, torch.tensor(labels)))
    assert list(terms) == ["class", "fake_class"]
    assert terms["fake_class"].item() == pytest.approx(0.5 * cross_entropy(fake, labels), rel=1e-12)


def test_a_discriminator_without_classes_is_an_error_that_tells_what_to_do(make_move: Build, draw: Build) -> None:
    move = make_move(lambda images, labels: images.sum((1, 2, 3)), *draw(2, 4, 1, 1, 3))
    with pytest.raises(ValueError, match=r"AuxiliaryClassifier: D has no head 'classes' \(it has: none\)\."):
        AuxiliaryClassifier().terms(move)


def test_a_label_beyond_its_classes_is_an_error_that_tells_both(make_move: Build, draw: Build) -> None:
    move = make_move(critic, *draw(2, 4, 1, 1, 3), torch.tensor([0, 3, 1, 2]))
    with pytest.raises(ValueError, match="num_classes 3, but the data has a label 3"):
        AuxiliaryClassifier(num_classes=3).terms(move)


@pytest.mark.parametrize("name", ["weight", "fake_weight"])
def test_illegal_weight_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be finite and at least 0, got -1"):
        AuxiliaryClassifier(**{name: -1})
