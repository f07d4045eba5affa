"""A conditional GAN's two embeddings start at scales at which it learns; benchmarks/results has what it then makes."""

import pytest

import gan_lightning


@pytest.mark.parametrize("name", ["CGAN", "ConditionalDCGAN"])
def test_labels_start_weak_in_g_and_strong_in_d(name: str) -> None:
    gan = getattr(gan_lightning, name)(num_classes=1000)
    assert float(gan.generator.embedding.weight.std()) == pytest.approx(0.1, rel=0.02)
    assert float(gan.discriminator.embedding.weight.std()) == pytest.approx(1.0, rel=0.02)
