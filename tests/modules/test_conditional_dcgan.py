"""ConditionalDCGAN in the usual values; its label embeddings start at scales at which they learn, see ConcatLabels."""

from typing import Any

import pytest

from gan_lightning import ConditionalDCGAN


def test_defaults_are_the_usual_values(chosen: Any, usual: Any) -> None:
    assert chosen(ConditionalDCGAN()) == {**usual, "num_classes": 10}


def test_labels_start_weak_in_g() -> None:
    assert float(ConditionalDCGAN(num_classes=1000).generator.embedding.weight.std()) == pytest.approx(0.1, rel=0.02)
