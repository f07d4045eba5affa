"""The exponential moving average of a network."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the average towards a network: weights and buffers are averaged, integers copied.

    Args:
        average: A copy of the network, changed in place.
        network: The network.
        decay: Weight of the old average, in [0, 1).
        step: Updates so far. The decay is at most (1 + step) / (10 + step), the ramp of TensorFlow's
            ExponentialMovingAverage, so that early averages forget the initial weights.
    """
    old, new = _state(average), _state(network)
    floats = [k for k, tensor in enumerate(old) if tensor.is_floating_point()]
    update = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))
    update([old[k] for k in floats], [new[k] for k in floats], step)
    for k, tensor in enumerate(old):
        if not tensor.is_floating_point():
            tensor.copy_(new[k])


def _state(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
