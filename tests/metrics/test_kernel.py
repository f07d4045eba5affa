"""The kernel distance: by hand, against torch-fidelity, and its own random numbers."""

import pytest
import torch
from torch import Tensor

from gan_lightning.metrics import KernelDistance

fidelity = pytest.importorskip("torch_fidelity.metric_kid", reason="torch-fidelity is the extra `inception`")


def judged(real: Tensor, fake: Tensor, **options: int) -> dict[str, float]:
    metric = KernelDistance(**options)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    return {name: value.item() for name, value in metric.compute().items()}


def test_value_of_all_samples_is_that_of_the_definition() -> None:
    real, fake = torch.randn(7, 3).float(), torch.randn(7, 3).float() + 1

    def kernel(x: Tensor, y: Tensor) -> float:
        return (float(x.double() @ y.double()) / 3 + 1) ** 3

    pairs = [(i, j) for i in range(7) for j in range(7) if i != j]
    alike = sum(kernel(real[i], real[j]) + kernel(fake[i], fake[j]) for i, j in pairs) / 42
    expected = alike - 2 * sum(kernel(x, y) for x in real for y in fake) / 49
    found = judged(real, fake, subsets=2, subset_size=7)
    assert found == {"kid_mean": pytest.approx(expected, rel=1e-6), "kid_std": pytest.approx(0, abs=1e-9)}


def test_value_is_torch_fidelitys() -> None:
    real, fake = torch.randn(300, 16).float(), torch.randn(300, 16).float() * 1.1
    options = {"kid_subsets": 1, "kid_subset_size": 300, "kid_kernel": "poly", "kid_kernel_poly_degree": 3}
    options |= {"kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1, "rng_seed": 0, "verbose": False}
    theirs = fidelity.kid_features_to_metric(fake, real, **options)["kernel_inception_distance_mean"]
    assert judged(real, fake, subsets=1, subset_size=300)["kid_mean"] == pytest.approx(theirs, rel=1e-4)


def test_subsets_are_drawn_by_a_generator_of_its_own() -> None:
    real, fake = torch.randn(60, 4).float(), torch.randn(60, 4).float() + 0.5
    before = torch.random.get_rng_state()
    found = judged(real, fake, subsets=5, subset_size=20)
    assert torch.random.get_rng_state().equal(before)
    assert found == judged(real, fake, subsets=5, subset_size=20)
    assert found != judged(real, fake, subsets=5, subset_size=20, seed=1)
    assert found["kid_std"] > 0


def test_alike_sets_score_0_with_few_samples_too() -> None:
    small, large = (
        judged(torch.randn(400, 8), torch.randn(400, 8), subset_size=size)["kid_mean"] for size in (20, 200)
    )
    assert abs(small) < 0.15 and abs(large) < 0.15


def test_fewer_samples_than_a_subset_are_refused() -> None:
    with pytest.raises(ValueError, match="KernelDistance needs at least 1000 of each, got 9 real images and 8 fakes"):
        judged(torch.randn(9, 3), torch.randn(8, 3))
    with pytest.raises(ValueError, match="subset_size must be an integer, at least 2, got 1"):
        KernelDistance(subset_size=1)
