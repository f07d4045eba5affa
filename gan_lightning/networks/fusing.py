"""Exact rewrites of layers in networks that others wrote."""

import copy
from collections import Counter
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_lightning.networks.layers import DownConv2d, UpConv2d


def fuse_resampling(network: nn.Module) -> nn.Module:
    """Make one layer of each nearest-neighbour upsampling by 2 and the 3x3 convolution behind it, or such pooling.

    Within each ``nn.Sequential``, ``Upsample(scale_factor=2), Conv2d(..., 3, padding=1)`` becomes one
    :class:`~gan_lightning.networks.UpConv2d`, and ``Conv2d(..., 3, padding=1), AvgPool2d(2)`` one
    :class:`~gan_lightning.networks.DownConv2d`: the same function of the same parameters, under the same names, in 16
    instead of 36 multiplications a pixel. A convolution may be parametrized, for example by a spectral norm. Each pair
    is compared with its layer on noise; one that gives something else, as one with hooks may, stays.

    Args:
        network: Changed in place.

    Returns:
        The network itself.

    Examples:
        >>> fuse_resampling(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, padding=1)))
        Sequential(
          (0): Identity()
          (1): UpConv2d(8, 3, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
        )
    """
    places = Counter(id(module) for _, module in network.named_modules(remove_duplicate=False))
    for layers in [module for module in network.modules() if type(module) is nn.Sequential]:
        for k, (first, second) in enumerate(pairwise(list(layers))):
            if _upsamples(first) and _convolves(second) and places[id(second)] == 1:
                _fuse(layers, k + 1, k, UpConv2d)
            elif _convolves(first) and _pools(second) and places[id(first)] == 1:
                _fuse(layers, k, k + 1, DownConv2d)
    return network


def _fuse(layers: nn.Sequential, place: int, other: int, kind: type[nn.Conv2d]) -> None:
    """Let the convolution at a place do what its neighbour does, too, unless it would do something else."""
    convolution = layers[place]
    expected = _on_noise(nn.Sequential(*(layers[k] for k in sorted((place, other)))))
    _become(convolution, kind)
    found = _on_noise(convolution)
    if found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-9, atol=1e-9):
        layers[other] = nn.Identity()
    else:
        _become(convolution, nn.Conv2d)


def _become(convolution: nn.Module, kind: type[nn.Conv2d]) -> None:
    if parametrize.is_parametrized(convolution):  # its class is made for it; copies of it have the same
        own = {
            name: value for name, value in vars(type(convolution)).items() if name not in ("__dict__", "__weakref__")
        }
        kind = type(type(convolution).__name__, (kind,), own)
    convolution.__class__ = kind


@torch.no_grad()
def _on_noise(module: nn.Module) -> Tensor:
    """What a copy makes of noise, in 64 bits."""
    convolution = next(layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
    noise = torch.randn(2, convolution.in_channels, 6, 4, generator=torch.Generator().manual_seed(0))
    output: Tensor = copy.deepcopy(module).cpu().double().eval()(noise.double())
    return output


def _convolves(layer: nn.Module) -> bool:
    """Whether it is a 3x3 convolution that keeps the size."""
    kind = type(layer).__bases__[0] if parametrize.is_parametrized(layer) else type(layer)
    if kind is not nn.Conv2d:
        return False
    numbers = [getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation", "groups")]
    return numbers == [(3, 3), (1, 1), (1, 1), (1, 1), 1] and layer.padding_mode == "zeros"


def _upsamples(layer: nn.Module) -> bool:
    doubles = isinstance(layer, nn.Upsample) and layer.mode == "nearest" and layer.size is None
    return doubles and layer.scale_factor in (2, (2, 2))


def _pools(layer: nn.Module) -> bool:
    if not isinstance(layer, nn.AvgPool2d) or layer.divisor_override is not None or layer.ceil_mode:
        return False
    sides = [side if isinstance(side, tuple) else (side, side) for side in (layer.kernel_size, layer.stride)]
    return sides == [(2, 2), (2, 2)] and layer.padding in (0, (0, 0))
