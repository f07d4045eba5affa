"""Modes found, share of good samples and divergence: by hand, over batches and processes, and on real digits."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from datamodules import GridDataModule, MNISTSampleDataModule, RingDataModule
from gan_lightning.metrics import DigitModes, ModeCoverage, PointModes

CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def values(metric: ModeCoverage) -> dict[str, float]:
    return {name: float(value) for name, value in metric.compute().items()}


def test_points_are_counted_by_their_nearest_mode_and_good_within_three_deviations() -> None:
    metric = PointModes(CORNERS, std=0.1)
    metric.update(torch.tensor([[0.2, 0.2], [0.0, 0.31], [0.9, 0.1], [1.0, 0.0], [0.0, 0.6]]))
    found = values(metric)
    # Nearest: corner 0 twice, once within 0.3; corner 1 twice, both near; corner 2 once, far away.
    assert (found["modes"], found["high_quality"]) == (2, pytest.approx(3 / 5))
    shares = [2 / 5, 2 / 5, 1 / 5]
    assert found["kl"] == pytest.approx(sum(p * math.log(4 * p) for p in shares), rel=1e-6)


@pytest.mark.parametrize(("data", "count"), [(RingDataModule(num_test=2600), 8), (GridDataModule(num_test=2600), 25)])
def test_the_data_themselves_have_all_modes(data: Any, count: int) -> None:
    metric = PointModes(data.modes, data.std)
    images, _ = data.read("test")
    for batch in images.split(500):
        metric.update(data.to_points(batch))
    found = values(metric)
    assert found["modes"] == count
    assert found["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.01)  # Rayleigh, within 3
    assert found["kl"] < 1e-4


@pytest.mark.parametrize("count", [4, 1000])
def test_divergence_is_zero_for_equal_shares_and_log_k_for_one_mode(count: int) -> None:
    points = torch.arange(count).float()[:, None]
    metric = PointModes(points, std=0.1)
    metric.update(points.repeat(3, 1))
    assert values(metric) == pytest.approx({"modes": count, "kl": 0.0, "high_quality": 1.0}, abs=1e-6)
    metric.reset()
    metric.update(points[:1].repeat(5, 1))
    assert values(metric) == pytest.approx({"modes": 1, "high_quality": 1.0, "kl": math.log(count)}, rel=1e-6)


def test_shares_drawn_at_26_a_mode_diverge_by_what_the_documentation_says() -> None:
    points = torch.arange(1000).float()[:, None]
    metric = PointModes(points, std=0.1)
    metric.update(points[torch.randint(1000, (26_000,), generator=torch.Generator().manual_seed(0))])
    assert values(metric)["kl"] == pytest.approx(999 / (2 * 26_000), rel=0.1)


def test_counts_of_processes_add_up() -> None:
    samples = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    whole, parts = PointModes(CORNERS, 0.1), [PointModes(CORNERS, 0.1) for _ in range(2)]
    whole.update(samples)
    for part, batch in zip(parts, samples.split(20), strict=True):
        part.update(batch)
    assert (parts[0].counts + parts[1].counts).equal(whole.counts)
    assert whole._reductions["counts"] is whole._reductions["good"] is not None


def digits_of(count: int) -> tuple[Tensor, Tensor]:
    return MNISTSampleDataModule().read("test")[0][:count], MNISTSampleDataModule().read("test")[1][:count]


def test_digits_of_the_channels_make_a_number() -> None:
    pixels, labels = digits_of(300)
    triples, numbers = pixels.view(100, 3, 28, 28), (labels.view(100, 3) * torch.tensor([100, 10, 1])).sum(1)
    metric = DigitModes(3)
    read, good = metric.assign(triples)
    assert good.all()
    assert (read == numbers).float().mean() > 0.95
    metric.update(triples)
    assert metric.counts.shape == (1000,)
    assert abs(values(metric)["modes"] - len(numbers.unique())) <= 4


def test_images_of_other_channels_are_an_error_that_tells_them() -> None:
    with pytest.raises(ValueError, match=r"made for 3 channels, got \(2, 1, 28, 28\)"):
        DigitModes(3).update(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


def test_no_samples_have_no_divergence(tmp_path: Path) -> None:
    found = values(PointModes(CORNERS, 0.1))
    assert found["modes"] == 0
    assert math.isnan(found["high_quality"])
