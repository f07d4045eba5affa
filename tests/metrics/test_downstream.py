"""A classifier trained on fakes: it needs right labels, and nobody's random numbers but its own."""

import pytest
import torch
from torch import Tensor

from gan_lightning.metrics import DownstreamAccuracy


def bars(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noise with a bright bar: across for class 0, down for class 1."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 100, (count, 1, 12, 12), generator=random, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    images[labels == 0, :, 5:7, :] = 255
    images[labels == 1, :, :, 5:7] = 255
    return images, labels


def judged(fakes: tuple[Tensor, Tensor], **options: int) -> float:
    metric = DownstreamAccuracy(num_classes=2, **options)
    metric.update(*bars(200, seed=1), real=True)
    metric.update(*fakes, real=False)
    return metric.compute()["downstream_accuracy"].item()


def test_fakes_like_the_data_teach_and_wrong_labels_mislead() -> None:
    images, labels = bars(400, seed=0)
    assert judged((images, labels)) > 0.95
    assert judged((images, 1 - labels)) < 0.05


def test_it_draws_from_its_own_random_numbers() -> None:
    fakes = bars(100, seed=0)
    torch.manual_seed(7)
    first = judged(fakes, epochs=1)
    state = torch.random.get_rng_state()
    torch.manual_seed(8)
    assert judged(fakes, epochs=1) == first
    torch.manual_seed(7)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_one_side_another_size_floats_and_too_many_are_refused() -> None:
    metric = DownstreamAccuracy(num_classes=2, max_samples=300)
    metric.update(*bars(200, seed=0), real=True)
    with pytest.raises(ValueError, match="needs fakes and real images"):
        metric.compute()
    metric.update(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), real=False)
    with pytest.raises(ValueError, match=r"\(1, 12, 12\) and fakes \(1, 8, 8\) differ"):
        metric.compute()
    with pytest.raises(TypeError, match="fakes must be uint8"):
        metric.update(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), real=False)
    with pytest.raises(ValueError, match="400 real images are more than max_samples, 300"):
        metric.update(*bars(200, seed=0), real=True)
