"""The Fréchet distance: against torchmetrics and scipy, with few images, and what is kept of the real ones."""

from unittest.mock import patch

import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from gan_lightning.metrics import FrechetDistance


class Features(nn.Identity):
    """Images are features already, in 64 bits."""

    num_features = 12


def filled(kind: type[FrechetInceptionDistance], real: Tensor, fake: Tensor) -> FrechetInceptionDistance:
    metric = kind(Features(), reset_real_features=False)
    for rows in real.split(37):
        metric.update(rows, real=True)
    metric.update(fake, real=False)
    return metric


def draw(count: int, features: int = 12) -> Tensor:
    return torch.randn(count, features, dtype=torch.float64) @ torch.randn(features, features, dtype=torch.float64)


def test_distance_is_torchmetrics_and_scipys() -> None:
    real, fake = draw(300), draw(200) + 0.3
    found = filled(FrechetDistance, real, fake).compute().item()
    assert found == pytest.approx(filled(FrechetInceptionDistance, real, fake).compute().item(), rel=1e-9)
    covariances = [rows.T.cov() for rows in (real, fake)]
    overlap = sqrtm((covariances[0] @ covariances[1]).numpy()).real.trace()
    expected = (real.mean(0) - fake.mean(0)).square().sum() + sum(c.trace() for c in covariances) - 2 * overlap
    assert found == pytest.approx(float(expected), rel=1e-6)


def test_fewer_images_than_features_leave_no_noise() -> None:
    """By hand: two pairs of images, whose covariances have one direction each."""
    real, fake = torch.zeros(2, 12).double(), torch.zeros(2, 12).double()
    real[0, 0], fake[0, 0], fake[0, 1] = 2, 3, 4  # variances 2 along x, 12.5 along (3, 4) / 5
    expected = (1 - 1.5) ** 2 + 2**2 + 2 + 12.5 - 2 * (2 * 12.5) ** 0.5 * 3 / 5
    assert filled(FrechetDistance, real, fake).compute().item() == pytest.approx(expected, rel=1e-12)
    same = filled(FrechetDistance, real, real).compute().item()
    assert same == pytest.approx(0, abs=1e-12)


def test_root_of_the_real_side_is_taken_once_and_anew_if_that_changes() -> None:
    real, fake, other = draw(100), draw(100), draw(100)
    metric = filled(FrechetDistance, real, fake)
    first = metric.compute()
    metric.reset()
    with patch("torch.linalg.eigh", side_effect=AssertionError("A root was taken again.")):
        metric.update(other, real=False)
        found = metric.compute()
    assert found.item() == pytest.approx(filled(FrechetInceptionDistance, real, other).compute().item(), rel=1e-9)
    metric.reset()
    metric.update(draw(50), real=True)
    metric.update(fake, real=False)
    assert metric.compute() != first


def test_single_images_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"needs two images of each side, got \[3, 1\]"):
        filled(FrechetDistance, draw(3), draw(1)).compute()


def test_features_that_are_not_finite_are_an_error_and_no_crash() -> None:
    with pytest.raises(ValueError, match="needs finite features: an image, or the extractor, gives NaN or inf"):
        filled(FrechetDistance, draw(9), draw(9).index_fill(0, torch.tensor([4]), torch.nan)).compute()
