"""The Fréchet distance, with a root of the real side's matrix that is taken once."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance


class FrechetDistance(FrechetInceptionDistance):
    """That of Gaussians with the moments of two sets of features (Heusel et al., 2017, arXiv:1706.08500, eq. 6).

    torchmetrics' metric, computed another way. The trace of (C D)^½ is the sum of the roots of the eigenvalues of C D,
    which are those of C^½ D C^½, too; and this matrix is symmetric, so that they are real, and found in a fraction of
    the time. C^½, of the real images, is kept until they change.

    Args:
        args, kwargs: Those of torchmetrics' ``FrechetInceptionDistance``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rooted = self._root = torch.zeros(0, 0)

    def compute(self) -> Tensor:
        """The squared distance.

        Raises:
            RuntimeError: If a side has fewer than two images.
            ValueError: If features are not finite.
        """
        counts = (self.real_features_num_samples, self.fake_features_num_samples)
        if min(counts) < 2:
            raise RuntimeError(f"The Fréchet distance needs two images of each side, got {[int(n) for n in counts]}.")
        if not (self.real_features_cov_sum.isfinite().all() and self.fake_features_cov_sum.isfinite().all()):
            raise ValueError(
                "The Fréchet distance needs finite features: an image, or the extractor, gives NaN or inf."
            )
        real_mean, real = moments(self.real_features_sum, self.real_features_cov_sum, counts[0])
        fake_mean, fake = moments(self.fake_features_sum, self.fake_features_cov_sum, counts[1])
        if not torch.equal(self._rooted.to(real), real):
            values, vectors = torch.linalg.eigh(real)
            self._rooted, self._root = real, (vectors * without_noise(values).sqrt()) @ vectors.T
        overlap = without_noise(torch.linalg.eigvalsh(self._root @ fake @ self._root)).sqrt().sum()
        distance = (real_mean - fake_mean).square().sum() + real.trace() + fake.trace() - 2 * overlap
        return distance.to(self.orig_dtype)


def moments(total: Tensor, outer: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (F,) and unbiased covariance (F, F), of sums of features and of their outer products."""
    mean = total / count
    return mean, (outer - count * torch.outer(mean, mean)) / (count - 1)


def without_noise(eigenvalues: Tensor) -> Tensor:
    """0 in place of those that are rounding errors, of fewer images than features: their roots would not be small."""
    smallest = eigenvalues.max() * len(eigenvalues) * torch.finfo(eigenvalues.dtype).eps
    return eigenvalues.where(eigenvalues > smallest, 0)
