"""GAN in the values of its paper."""

from typing import Any

from gan_lightning import GAN


def test_defaults_are_the_usual_values(chosen: Any, usual: Any) -> None:
    assert chosen(GAN()) == usual


def test_exact_parameter_counts() -> None:
    gan = GAN()
    counts = [sum(p.numel() for p in player.parameters()) for player in (gan.generator, gan.discriminator)]
    assert counts == [1_489_936, 533_505]
