"""ACGAN in the values of its recipe."""

from typing import Any

from gan_lightning import ACGAN


def test_defaults_are_the_recipes_values(chosen: Any, usual: Any) -> None:
    weights = {"num_classes": 10, "weight": 1.0, "fake_weight": 0.0}
    classifier = {"class_path": "AuxiliaryClassifier", "init_args": weights}
    assert chosen(ACGAN()) == {**usual, "num_classes": 10, "stabilizers": [classifier]}


def test_weights_are_those_of_the_classifier() -> None:
    gan = ACGAN(image_shape=(1, 8, 8), width=4, class_weight=0.5, fake_class_weight=0.25)
    assert (gan.stabilizers[0].weight, gan.stabilizers[0].fake_weight) == (0.5, 0.25)
