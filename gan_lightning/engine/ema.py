"""The exponential moving average of a network."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

SINGULAR_VECTORS = {"_u", "_v", "weight_u", "weight_v"}
"""Buffers of spectral norms, in torch's two forms: an average of unit vectors is not one."""


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move a copy of a network towards it: average its weights and buffers, copy integers and singular vectors.

    Args:
        average: A copy of the network, changed in place.
        network: The network.
        decay: Weight of the old average, in [0, 1).
        step: Updates so far. The decay is at most (1 + step) / (10 + step), the ramp of TensorFlow's
            ExponentialMovingAverage, so that early averages forget the initial weights.
    """
    old: list[Tensor] = list(average.parameters())
    new: list[Tensor] = list(network.parameters())
    for (name, mean), buffer in zip(average.named_buffers(), network.buffers(), strict=True):
        if mean.is_floating_point() and name.rpartition(".")[2] not in SINGULAR_VECTORS:
            old.append(mean)
            new.append(buffer)
        else:
            mean.copy_(buffer)
    if old:
        get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))(old, new, step)
