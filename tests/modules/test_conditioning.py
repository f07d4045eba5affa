"""The label embeddings of conditional GANs start at scales at which they learn, see ConcatLabels."""

import pytest

import gan_lightning


@pytest.mark.parametrize("name", ["CGAN", "ConditionalDCGAN"])
def test_labels_start_weak_in_g(name: str) -> None:
    gan = getattr(gan_lightning, name)(num_classes=1000)
    assert float(gan.generator.embedding.weight.std()) == pytest.approx(0.1, rel=0.02)


def test_labels_start_strong_in_the_discriminator_of_cgan() -> None:
    gan = gan_lightning.CGAN(num_classes=1000)
    assert float(gan.discriminator.embedding.weight.std()) == pytest.approx(1.0, rel=0.02)
