"""Some images of many, from all along their order, and classes in given shares, by a sequence without a period."""

from collections.abc import Sequence

import torch
from torch import Tensor

GOLDEN = (5**0.5 - 1) / 2
"""Whose multiples are spread over [0, 1) most evenly, modulo 1."""
SILVER = 2**0.5 - 1
"""Likewise, and independently of the former, so that what is chosen by the one has its share of all of the other."""


def spread(indices: Tensor, num: int) -> Tensor:
    """Choose so many images of those with these indices, or all: the same ones, however few are there to choose from.

    Image i has the place i φ modulo 1, where φ is the golden ratio, and those of the lowest places are taken. Multiples
    of it are equidistributed (Weyl, 1916), so each stretch of images, and each class of classes in turn, has its share.

    Args:
        indices: (N,) int64, at least 0, no two alike.
        num: How many at most.

    Returns:
        Where they are among the indices, in ascending order of these, (min(N, num),) int64.

    Example:
        >>> import torch
        >>> spread(torch.arange(10), 4)
        tensor([0, 2, 5, 7])
    """
    chosen = (indices.double() * GOLDEN % 1).argsort()[:num]
    return chosen[indices[chosen].argsort()]


def counts_of(data: object) -> list[int] | None:
    """How many training images each class has, by ``class_counts`` of a data module; None if it does not tell."""
    told = getattr(data, "class_counts", None)
    return None if told is None else [int(count) for count in told]


def class_shares(gan: object, data: object) -> list[int] | None:
    """In which proportions a GAN should draw classes to be compared with real images.

    Args:
        gan: What ``num_classes`` tells of it, 0 for an unconditional one.
        data: A data module, see :func:`counts_of`.

    Returns:
        These counts; where the data do not tell, a one for each class; None for an unconditional GAN.

    Raises:
        ValueError: If there are counts of more classes than the GAN has, or one is negative.
    """
    num_classes = getattr(gan, "num_classes", 0)
    if not num_classes:
        return None  # and no training image is read
    counts = counts_of(data) or []
    if len(counts) > num_classes or min(counts, default=0) < 0:
        raise ValueError(
            f"class_counts of {type(data).__name__} must be how many training images each of the {num_classes} classes "
            f"of {type(gan).__name__} has, at least 0; got {counts}."
        )
    return counts if any(counts) else [1] * num_classes


def in_shares(counts: Sequence[int], indices: Tensor) -> Tensor:
    """Classes for images, each as often as it should be, in any stretch of them as far as that can be.

    Image i gets the class at i √2 modulo 1, where classes lie side by side over [0, 1), each as wide as its share.

    Args:
        counts: Of each class, in proportion to its share, at least 0, not all of them 0.
        indices: (N,) int64, of the images, at least 0.

    Returns:
        (N,) int64 in [0, number of classes).

    Example:
        >>> in_shares([3, 0, 1], torch.arange(8)).tolist()
        [0, 0, 2, 0, 0, 0, 0, 2]
    """
    ends = torch.tensor(counts, dtype=torch.float64).cumsum(0)
    return torch.searchsorted(ends / ends[-1], indices.double() * SILVER % 1, right=True)
