"""Some images of many, from all along their order, which may be class by class, or classes in turn."""

from torch import Tensor

GOLDEN = (5**0.5 - 1) / 2


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
