"""CGAN in the usual values; its label embeddings start at scales at which they learn, see ConcatLabels."""

from typing import Any

import pytest

from gan_lightning import CGAN


def test_defaults_are_the_usual_values(chosen: Any, usual: Any) -> None:
    assert chosen(CGAN()) == {**usual, "num_classes": 10}


def test_labels_start_weak_in_g() -> None:
    assert float(CGAN(num_classes=1000).generator.embedding.weight.std()) == pytest.approx(0.1, rel=0.02)


def test_labels_start_strong_in_d() -> None:
    assert float(CGAN(num_classes=1000).discriminator.embedding.weight.std()) == pytest.approx(1.0, rel=0.02)


def test_exact_parameter_counts() -> None:
    # An embedding of 50 in each player: 10 * 50 of the table, and 50 more inputs of the first layer.
    gan = CGAN()
    counts = [sum(p.numel() for p in player.parameters()) for player in (gan.generator, gan.discriminator)]
    assert counts == [1_489_936 + 500 + 50 * 256, 533_505 + 500 + 50 * 512]
