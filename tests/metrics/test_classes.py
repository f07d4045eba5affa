"""What a classifier sees: against torchmetrics, by hand, and across processes' shares."""

import pytest
import torch
from torch import nn
from torchmetrics.image.inception import InceptionScore as TorchmetricsInceptionScore

from gan_lightning.metrics import ClassHistogram, InceptionScore, IntraClassDistance
from gan_lightning.metrics.frechet import frechet, moments_of


class Logits(nn.Identity):
    """Images are logits already."""

    num_features = 7


def test_inception_score_is_torchmetrics() -> None:
    logits = 3 * torch.randn(200, 7)
    theirs = TorchmetricsInceptionScore(Logits(), splits=1)
    theirs.update(logits)
    ours = InceptionScore(num_classes=7, splits=1)
    for rows in logits.split(33):
        ours.update(rows)
    assert ours.compute()["inception_score"].item() == pytest.approx(theirs.compute()[0].item(), rel=1e-5)
    assert ours.compute()["inception_score_std"].item() == 0


def test_inception_score_of_sure_classes_is_their_number_and_that_of_doubt_is_1() -> None:
    sure, doubtful = InceptionScore(num_classes=5, splits=2), InceptionScore(num_classes=5, splits=2)
    sure.update(1_000 * torch.eye(5).repeat(400, 1))
    doubtful.update(torch.zeros(20, 5))
    assert sure.compute()["inception_score"].item() == pytest.approx(5, rel=1e-3)
    assert doubtful.compute()["inception_score"].item() == pytest.approx(1)


def test_splits_are_equal_whatever_the_batches() -> None:
    logits = torch.randn(40, 3)
    metrics = [InceptionScore(num_classes=3, splits=4) for _ in range(2)]
    metrics[0].update(logits)
    for rows in logits.split(7):
        metrics[1].update(rows)
    assert all(8 <= count <= 12 for count in metrics[1].counts.tolist())
    for name, value in metrics[0].compute().items():
        assert value.item() == pytest.approx(metrics[1].compute()[name].item(), rel=1e-6)
    assert metrics[0].compute()["inception_score_std"] > 0


@pytest.mark.parametrize("splits", [5, 10])
def test_classes_that_come_in_turn_are_in_all_splits(splits: int) -> None:
    metric = InceptionScore(num_classes=10, splits=splits)
    metric.update(1_000 * torch.eye(10).repeat(200, 1))
    assert metric.compute()["inception_score"].item() == pytest.approx(10, rel=1e-2)


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="logits of fakes are not finite"):
        InceptionScore(num_classes=2).update(torch.tensor([[0.0, float("nan")]]))


def test_histogram_of_the_same_shares_is_0_and_a_missing_class_is_seen() -> None:
    same, missing, foreign = (ClassHistogram(num_classes=4) for _ in range(3))
    for metric in (same, missing, foreign):
        metric.update(torch.tensor([0, 1, 1, 2] * 5), real=True)
    same.update(torch.tensor([0, 1, 1, 2]), real=False)
    missing.update(torch.tensor([1, 2]), real=False)
    foreign.update(torch.tensor([3]), real=False)
    assert {name: value.item() for name, value in same.compute().items()} == {"class_coverage": 1, "class_kl": 0}
    found = missing.compute()
    expected = 0.5 * torch.log(torch.tensor(0.5 / 0.5)) + 0.5 * torch.log(torch.tensor(0.5 / 0.25))
    assert found["class_coverage"].item() == pytest.approx(2 / 3)
    assert found["class_kl"].item() == pytest.approx(expected.item())
    assert foreign.compute()["class_kl"].item() == float("inf")


def test_intra_class_distance_is_the_mean_over_classes() -> None:
    real, fake = torch.randn(60, 3), torch.randn(50, 3) + 1
    labels, asked = torch.arange(60) % 2, torch.arange(50) % 2
    metric = IntraClassDistance(num_classes=3, num_features=3)
    for rows, own in zip(real.split(25), labels.split(25), strict=True):
        metric.update(rows, own, real=True)
    metric.update(fake, asked, real=False)
    expected = [frechet(moments_of(real[labels == k]), moments_of(fake[asked == k])) for k in range(2)]
    assert metric.compute()["intra_fid"].item() == pytest.approx(float(sum(expected)) / 2, rel=1e-5)


def test_intra_class_distance_sees_swapped_classes() -> None:
    real = torch.randn(400, 2) + torch.tensor([[5.0, 0.0], [-5.0, 0.0]]).repeat(200, 1)
    labels = torch.arange(400) % 2
    right, swapped = (IntraClassDistance(num_classes=2, num_features=2) for _ in range(2))
    for metric, asked in ((right, labels), (swapped, 1 - labels)):
        metric.update(real, labels, real=True)
        metric.update(real, asked, real=False)
    assert right.compute()["intra_fid"].item() == pytest.approx(0, abs=1e-6)
    assert swapped.compute()["intra_fid"].item() == pytest.approx(100, rel=0.1)


def test_a_class_without_fakes_is_an_error() -> None:
    metric = IntraClassDistance(num_classes=2, num_features=2)
    metric.update(torch.randn(8, 2), torch.arange(8) % 2, real=True)
    metric.update(torch.randn(8, 2), torch.zeros(8, dtype=torch.int64), real=False)
    with pytest.raises(ValueError, match="of class 1 it has 4 real images and 0 fakes"):
        metric.compute()
