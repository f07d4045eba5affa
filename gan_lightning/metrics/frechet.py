"""The Fréchet distance, with a root of the real side's matrix that is taken once."""

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

Moments = tuple[Tensor, Tensor]
"""Mean (F,) and covariance (F, F)."""


class Given(nn.Identity):
    """What a torchmetrics metric takes for an extractor, where it is given features in place of images.

    Args:
        num_features: Their length.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


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
        real = moments(self.real_features_sum, self.real_features_cov_sum, counts[0])
        fake = moments(self.fake_features_sum, self.fake_features_cov_sum, counts[1])
        if not torch.equal(self._rooted.to(real[1]), real[1]):
            self._rooted, self._root = real[1], root(real[1])
        return frechet(real, fake, self._root).to(self.orig_dtype)


def frechet(real: Moments, fake: Moments, real_root: Tensor | None = None) -> Tensor:
    """The squared distance of two Gaussians, given their means (F,) and covariances (F, F), and the root of the first.

    As |m - n|² + tr(C + D - 2 (C D)^½) (Heusel et al., 2017, arXiv:1706.08500, eq. 6).
    """
    half = root(real[1]) if real_root is None else real_root
    overlap = without_noise(torch.linalg.eigvalsh(half @ fake[1] @ half)).sqrt().sum()
    distance: Tensor = (real[0] - fake[0]).square().sum() + real[1].trace() + fake[1].trace() - 2 * overlap
    return distance


def root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a covariance, (F, F)."""
    values, vectors = torch.linalg.eigh(matrix)
    symmetric: Tensor = (vectors * without_noise(values).sqrt()) @ vectors.T
    return symmetric


def moments_of(rows: Tensor) -> Moments:
    """Mean (F,) and unbiased covariance (F, F) of features (N, F), in 64 bits."""
    rows = rows.double()
    return rows.mean(0), rows.T.cov().reshape(rows.shape[1], rows.shape[1])


def moments(total: Tensor, outer: Tensor, count: Tensor) -> Moments:
    """Mean (F,) and unbiased covariance (F, F), of sums of features and of their outer products."""
    mean = total / count
    return mean, (outer - count * torch.outer(mean, mean)) / (count - 1)


def without_noise(eigenvalues: Tensor) -> Tensor:
    """0 in place of those that are rounding errors, of fewer images than features: their roots would not be small."""
    smallest = eigenvalues.max() * len(eigenvalues) * torch.finfo(eigenvalues.dtype).eps
    return eigenvalues.where(eigenvalues > smallest, 0)
