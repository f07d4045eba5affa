"""Validation images held out of a training set."""

import torch
from torch import Tensor


def held_out(count: int, val_size: int) -> Tensor:
    """Which training images are held out for validation: the first of a fixed permutation.

    It is a pure function of its arguments, not of the seed of the run, so that every run is judged on the same images.

    Args:
        count: Number of training images.
        val_size: Number of them to hold out, in [0, count].

    Returns:
        (count,) bool, True for a validation image.
    """
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[torch.randperm(count, generator=torch.Generator().manual_seed(0))[:val_size]] = True
    return chosen
