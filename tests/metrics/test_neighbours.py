"""Precision, recall, density and coverage: by hand, against torch-fidelity, and what they see that FID does not."""

import pytest
import torch
from torch import Tensor

from gan_lightning.metrics import PairwiseDiversity, PrecisionRecall
from gan_lightning.metrics.neighbours import squared_distances

fidelity = pytest.importorskip("torch_fidelity.metric_prc", reason="torch-fidelity is the extra `inception`")


def judged(real: Tensor, fake: Tensor, **options: int) -> dict[str, float]:
    metric = PrecisionRecall(**options)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    return {name: value.item() for name, value in metric.compute().items()}


def by_definition(real: Tensor, fake: Tensor, near: int, wide: int) -> dict[str, float]:
    """The equations of both papers, pair by pair."""

    def radius(samples: Tensor, index: int, k: int) -> float:
        others = torch.cat([samples[:index], samples[index + 1 :]])
        return float((others - samples[index]).norm(dim=1).sort()[0][k - 1])

    def distance(i: int, j: int) -> float:
        return float((real[i] - fake[j]).norm())

    reals, fakes = range(len(real)), range(len(fake))
    balls = sum(distance(i, j) <= radius(real, i, wide) for i in reals for j in fakes)
    return {
        "precision": sum(any(distance(i, j) <= radius(real, i, near) for i in reals) for j in fakes) / len(fake),
        "recall": sum(any(distance(i, j) <= radius(fake, j, near) for j in fakes) for i in reals) / len(real),
        "density": balls / wide / len(fake),
        "coverage": sum(any(distance(i, j) <= radius(real, i, wide) for j in fakes) for i in reals) / len(real),
    }


@pytest.mark.parametrize(("near", "wide"), [(1, 1), (3, 5), (5, 2)])
def test_values_are_those_of_the_definitions(near: int, wide: int) -> None:
    real, fake = torch.randn(12, 3).float(), 0.7 * torch.randn(12, 3).float() + 0.3
    found = judged(real, fake, neighbours=near, coverage_neighbours=wide)
    assert found == pytest.approx(by_definition(real, fake, near, wide), rel=1e-6)
    assert 0 < found["recall"] < 1


def test_precision_and_recall_are_torch_fidelitys() -> None:
    real, fake = torch.randn(1_050, 16).float(), torch.randn(1_050, 16).float() * 0.8 + 0.2  # more than a block of rows
    options = {"prc_neighborhood": 3, "prc_batch_size": 10_000, "save_cpu_ram": False, "verbose": False}
    theirs = fidelity.prc_features_to_metric(fake, real, **options)
    ours = judged(real, fake)
    assert ours["precision"] == pytest.approx(theirs["precision"], abs=1e-4)
    assert ours["recall"] == pytest.approx(theirs["recall"], abs=1e-4)
    assert 0.1 < ours["recall"] < ours["precision"] < 1


@pytest.mark.parametrize(("reals", "fakes"), [(100, 2_000), (2_000, 100)])
def test_a_larger_set_is_no_advantage(reals: int, fakes: int) -> None:
    real, fake = torch.randn(reals, 8).float(), torch.randn(fakes, 8).float()
    found, equal = judged(real, fake), judged(torch.randn(100, 8).float(), torch.randn(100, 8).float())
    for name in ("precision", "recall", "coverage"):
        assert found[name] == pytest.approx(equal[name], abs=0.2)
    more = by_definition(real[:100], fake[:100], 3, 5)
    assert judged(real[:100], fake[:100]) == pytest.approx(more, rel=1e-6)  # sets of one size are taken as they are


def test_of_the_larger_set_samples_are_taken_from_everywhere() -> None:
    real = torch.cat([torch.randn(1_000, 2), 50 + torch.randn(1_000, 2)]).float()  # in the order of their classes
    fake = torch.cat([torch.randn(100, 2), 50 + torch.randn(100, 2)]).float()
    assert judged(real, fake)["precision"] > 0.8
    assert judged(fake, real)["recall"] > 0.8
    assert judged(real, fake) == judged(real, fake)


def test_memorised_or_missing_samples_cost_recall_and_coverage_alone() -> None:
    real, fresh = torch.randn(400, 2).float(), torch.randn(400, 2).float()
    whole, few = judged(real, fresh), judged(real, fresh[:40].repeat(10, 1))
    half = judged(real, fresh[fresh[:, 0] > 0])
    assert whole["precision"] > 0.9 and few["precision"] > 0.9 and half["precision"] > 0.9
    assert few["recall"] < 0.1 and whole["recall"] > 0.9
    assert half["coverage"] < 0.65 and whole["coverage"] > 0.9


def test_diversity_is_the_mean_distance_of_fakes_over_that_of_real_images() -> None:
    real, fake = torch.randn(1_200, 4), 0.5 * torch.randn(30, 4)
    metric = PairwiseDiversity()
    metric.update(real, real=True)
    metric.update(fake, real=False)
    expected = torch.pdist(fake.double()).mean() / torch.pdist(real.double()).mean()
    assert metric.compute()["diversity"].item() == pytest.approx(expected.item(), rel=1e-6)
    alike = PairwiseDiversity()
    alike.update(real, real=True)
    alike.update(fake[:1].repeat(9, 1), real=False)
    assert alike.compute()["diversity"].item() == pytest.approx(0, abs=1e-6)


def test_distances_are_never_negative() -> None:
    points = 1e3 + torch.randn(50, 8).double()
    distances = squared_distances(points, points)
    assert distances.min() >= 0
    torch.testing.assert_close(distances, torch.cdist(points, points).square(), rtol=0, atol=1e-7)


def test_processes_add_up() -> None:
    """What torchmetrics gathers is the features of each process, one after the other."""
    real, fake = torch.randn(30, 4).float(), torch.randn(24, 4).float()
    parts = PrecisionRecall()
    for rows in real.split(7):
        parts.update(rows, real=True)
    for rows in fake.split(5):
        parts.update(rows, real=False)
    assert {name: value.item() for name, value in parts.compute().items()} == judged(real, fake)


def test_bad_input_is_named() -> None:
    metric = PrecisionRecall(max_samples=10)
    metric.update(torch.randn(6, 3), real=True)
    with pytest.raises(ValueError, match=r"PrecisionRecall: .*fakes must be \(N, F\), with one F .*\(4, 2\) .*\(3,\)"):
        metric.update(torch.randn(4, 2), real=False)
    with pytest.raises(ValueError, match=r"features of real images are 11, more than max_samples, 10: raise it"):
        metric.update(torch.randn(5, 3), real=True)
    with pytest.raises(ValueError, match=r"fakes are not finite in 1 of 4 images"):
        metric.update(torch.randn(4, 3).index_fill(0, torch.tensor([2]), torch.nan), real=False)
    with pytest.raises(ValueError, match=r"PrecisionRecall needs at least 6 of each, got 6 real images and 0 fakes"):
        metric.compute()
    with pytest.raises(ValueError, match="neighbours must be an integer, at least 1, got 0"):
        PrecisionRecall(neighbours=0)
