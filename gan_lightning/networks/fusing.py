"""Exact rewrites of layers in networks that others wrote."""

from collections import Counter
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_lightning.networks.layers import DownConv2d, UpConv2d

Swap = tuple[nn.Sequential, int, nn.Module, nn.Module]
"""Layers, the place of a resampling among them, the resampling, and the convolution that does its work."""


def fuse_resampling(network: nn.Module, *inputs: Tensor) -> nn.Module:
    """Make one layer of each nearest-neighbour upsampling by 2 and the 3x3 convolution behind it, or such pooling.

    Within each ``nn.Sequential``, ``Upsample(scale_factor=2), Conv2d(..., 3, padding=1)`` becomes one
    :class:`~gan_lightning.networks.UpConv2d`, and ``Conv2d(..., 3, padding=1), AvgPool2d(2)`` one
    :class:`~gan_lightning.networks.DownConv2d`: the same function of the same parameters, under the same names, in 16
    instead of 36 multiplications a pixel. A convolution may be parametrized, for example by a spectral norm. Subclasses
    of these layers, and layers with hooks other than those of torch's norms, stay.

    What a ``nn.Sequential`` gives stays the same, but not what a layer within it gives, as feature matching may read.

    Args:
        network: Changed in place.
        inputs: An example of its arguments, with which it is asked before and afterwards, in evaluation mode.

    Returns:
        The network itself.

    Raises:
        ValueError: If it answers the example otherwise than before; it is then left as it was.

    Examples:
        >>> layers = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, padding=1))
        >>> fuse_resampling(layers, torch.randn(1, 8, 4, 4))
        Sequential(
          (0): Identity()
          (1): UpConv2d(8, 3, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
        )
    """
    before = _answer(network, inputs)
    places = Counter(id(module) for _, module in network.named_modules(remove_duplicate=False))
    swaps: list[Swap] = []
    for layers in [module for module in network.modules() if type(module) is nn.Sequential]:
        for k, (first, second) in enumerate(pairwise(list(layers))):
            if _upsamples(first) and _convolves(second) and places[id(second)] == 1:
                swaps.append((layers, k, first, second))
                _become(second, UpConv2d)
            elif _convolves(first) and _pools(second) and places[id(first)] == 1:
                swaps.append((layers, k + 1, second, first))
                _become(first, DownConv2d)
            else:
                continue
            layers[swaps[-1][1]] = nn.Identity()
    try:
        torch.testing.assert_close(_answer(network, inputs), before, rtol=1e-3, atol=1e-5)
    except (AssertionError, RuntimeError) as error:
        for layers, place, resampling, convolution in swaps:
            layers[place] = resampling
            _become(convolution, nn.Conv2d)
        raise ValueError(
            f"{type(network).__name__} gives something else once resampling is part of its convolutions: does it read "
            "what a layer within a nn.Sequential gives? It was left as it was."
        ) from error
    return network


def _answer(network: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """What the network makes of an example, in evaluation mode and without a trace; nothing of no example."""
    if not inputs:
        return ()
    modes = [(layer, layer.training) for layer in network.modules()]
    network.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return network(*inputs)
    finally:
        for layer, mode in modes:
            layer.training = mode


def _become(convolution: nn.Module, kind: type[nn.Conv2d]) -> None:
    if parametrize.is_parametrized(convolution):  # its class is made for it; copies of it have the same
        own = {
            name: value for name, value in vars(type(convolution)).items() if name not in ("__dict__", "__weakref__")
        }
        kind = type(type(convolution).__name__, (kind,), own)
    convolution.__class__ = kind


def _is_plain(layer: nn.Module) -> bool:
    """Whether it does what its class does: no forward pass of its own, and no hooks but those of torch's norms."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooks = [hook for kind in kinds for hook in getattr(layer, kind).values()]
    return "forward" not in vars(layer) and all(type(hook).__module__.startswith("torch.nn.utils.") for hook in hooks)


def _convolves(layer: nn.Module) -> bool:
    """Whether it is a plain 3x3 convolution that keeps the size."""
    kind = type(layer).__bases__[0] if parametrize.is_parametrized(layer) else type(layer)
    if kind is not nn.Conv2d or not _is_plain(layer):
        return False
    numbers = [getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation", "groups")]
    return numbers == [(3, 3), (1, 1), (1, 1), (1, 1), 1] and layer.padding_mode == "zeros"


def _upsamples(layer: nn.Module) -> bool:
    if type(layer) is not nn.Upsample or not _is_plain(layer):
        return False
    return layer.mode == "nearest" and layer.size is None and layer.scale_factor in (2, (2, 2))


def _pools(layer: nn.Module) -> bool:
    if type(layer) is not nn.AvgPool2d or not _is_plain(layer) or layer.divisor_override or layer.ceil_mode:
        return False
    sides = [side if isinstance(side, tuple) else (side, side) for side in (layer.kernel_size, layer.stride)]
    return sides == [(2, 2), (2, 2)] and layer.padding in (0, (0, 0))
