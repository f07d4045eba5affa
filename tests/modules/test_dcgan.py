"""DCGAN in the values of its paper."""

from typing import Any

from gan_lightning import DCGAN


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    assert chosen(DCGAN()) == usual
