"""The exponential moving average of a network."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

SINGULAR_VECTORS = ("_u", "_v")
"""Buffers of spectral norm: an average of unit vectors is not one."""


class MovingAverage:
    """Moves a copy of a network towards it: averages its weights and buffers, copies integers and singular vectors.

    It keeps references to the tensors of both, which must not be replaced.

    Args:
        average: A copy of the network, changed in place.
        network: The network.
        decay: Weight of the old average, in [0, 1).
    """

    def __init__(self, average: nn.Module, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.averaged: list[tuple[Tensor, Tensor]] = []
        self.copied: list[tuple[Tensor, Tensor]] = []
        for (name, old), new in zip(_tensors(average).items(), _tensors(network).values(), strict=True):
            smooth = old.is_floating_point() and not name.endswith(SINGULAR_VECTORS)
            (self.averaged if smooth else self.copied).append((old.detach(), new.detach()))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Make one step.

        Args:
            step: Updates so far. The decay is at most (1 + step) / (10 + step), the ramp of TensorFlow's
                ExponentialMovingAverage, so that early averages forget the initial weights.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        if self.averaged:
            old, new = zip(*self.averaged, strict=True)
            get_ema_multi_avg_fn(decay)(old, new, step)
        for target, source in self.copied:
            target.copy_(source)


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return dict([*network.named_parameters(), *network.named_buffers()])
