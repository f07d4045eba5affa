"""Pairs of resampling and convolution that become one layer, and those that must not."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils import spectral_norm as hooked_spectral_norm
from torch.nn.utils import weight_norm as hooked_weight_norm
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from gan_lightning.networks import DownConv2d, UpConv2d, fuse_resampling


class Loud(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


def conv(**options: Any) -> nn.Conv2d:
    return nn.Conv2d(4, 4, **{"kernel_size": 3, "padding": 1, **options})


def network(normalize: Any = lambda layer: layer) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        normalize(conv()),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.2),
        nn.Sequential(nn.Upsample(scale_factor=(2, 2)), conv(bias=False), conv(), nn.AvgPool2d(2)),
    )


def fused_of(module: nn.Module) -> list[type]:
    return [type(layer) for layer in module.modules() if isinstance(layer, UpConv2d | DownConv2d)]


@pytest.mark.parametrize("normalize", [lambda layer: layer, spectral_norm, hooked_spectral_norm, weight_norm])
def test_fused_network_is_the_same_function_of_the_same_parameters(normalize: Any) -> None:
    plain = network(normalize).double()
    fused = fuse_resampling(copy.deepcopy(plain))
    kinds = [kind.__bases__[0] if kind.__name__.startswith("Parametrized") else kind for kind in fused_of(fused)]
    assert kinds == [UpConv2d, UpConv2d, DownConv2d]
    assert list(plain.state_dict()) == list(fused.state_dict())
    images = torch.randn(3, 4, 6, 4, dtype=torch.float64, requires_grad=True)
    ends = []
    for module in (plain, fused):
        output = module(images)
        (slope,) = torch.autograd.grad(output.square().sum(), images, create_graph=True)
        (output.sum() + slope.square().sum()).backward()
        ends.append([output, slope, *(parameter.grad for parameter in module.parameters())])
        images.grad = None
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-9, atol=1e-9)


def test_a_parametrization_can_be_removed_afterwards() -> None:
    fused = fuse_resampling(network(spectral_norm))
    assert isinstance(fused[1], UpConv2d)
    parametrize.remove_parametrizations(fused[1], "weight")
    assert type(fused[1]) is UpConv2d


def hooked(layer: nn.Module) -> nn.Module:
    layer.register_forward_hook(lambda *_: None)  # records what passes, say
    return layer


def prehooked() -> nn.Conv2d:
    layer = conv()
    layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].cumsum(3),))  # between the two layers
    return layer


def replaced() -> nn.Conv2d:
    layer = conv()
    layer.forward = torch.square  # type: ignore[method-assign, assignment]
    return layer


class NoisyUpsample(nn.Upsample):
    """Differs in training only."""


class NoisyPool(nn.AvgPool2d):
    """Differs in training only."""


UP = nn.Upsample(scale_factor=2)
OTHERS = {
    "by 3": [nn.Upsample(scale_factor=3), conv()],
    "to a size": [nn.Upsample(size=8), conv()],
    "bilinear": [nn.Upsample(scale_factor=2, mode="bilinear"), conv()],
    "5x5": [UP, conv(kernel_size=5, padding=2)],
    "no padding": [UP, conv(padding=0)],
    "same": [UP, conv(padding="same")],
    "stride": [UP, conv(stride=2)],
    "dilation": [UP, conv(dilation=2)],
    "groups": [UP, conv(groups=2)],
    "reflected": [UP, conv(padding_mode="reflect")],
    "subclass": [UP, Loud(4, 4, 3, padding=1)],
    "hook": [UP, hooked(conv())],
    "hook before": [UP, prehooked()],
    "hook of the upsampling": [hooked(nn.Upsample(scale_factor=2)), conv()],
    "hook of the pool": [conv(), hooked(nn.AvgPool2d(2))],
    "method": [UP, replaced()],
    "kind of upsampling": [NoisyUpsample(scale_factor=2), conv()],
    "kind of pool": [conv(), NoisyPool(2)],
    "apart": [UP, nn.ReLU(), conv()],
    "pool of 3": [conv(), nn.AvgPool2d(3, 2)],
    "stride of 1": [conv(), nn.AvgPool2d(2, 1)],
    "padded pool": [conv(), nn.AvgPool2d(2, padding=1)],
    "largest": [conv(), nn.MaxPool2d(2)],
    "divisor": [conv(), nn.AvgPool2d(2, divisor_override=3)],
    "ceiling": [conv(), nn.AvgPool2d(2, ceil_mode=True)],
    "transposed": [UP, nn.ConvTranspose2d(4, 4, 3, padding=1)],
}


@pytest.mark.parametrize("layers", OTHERS.values(), ids=OTHERS)
def test_other_pairs_stay(layers: list[nn.Module]) -> None:
    plain = nn.Sequential(*layers)
    images = torch.randn(2, 4, 6, 6)
    expected = plain(images)
    kinds = [type(layer) for layer in layers]
    fuse_resampling(plain)
    assert [type(layer) for layer in plain] == kinds
    torch.testing.assert_close(plain(images), expected, rtol=0, atol=0)


def test_a_convolution_that_is_used_elsewhere_stays() -> None:
    shared = conv()
    both = nn.ModuleList([nn.Sequential(UP, shared), nn.Sequential(shared)])
    assert fused_of(fuse_resampling(both)) == []


def test_a_sequence_with_a_forward_of_its_own_stays() -> None:
    class Skipping(nn.Sequential):
        def forward(self, input: Tensor) -> Tensor:
            return self[1](input)

    assert fused_of(fuse_resampling(Skipping(UP, conv()))) == []


@pytest.mark.parametrize("normalize", [hooked_spectral_norm, hooked_weight_norm])
def test_hooks_of_torchs_norms_may_have_run_before(normalize: Any) -> None:
    """Then the weight is a tensor with a graph, which cannot be copied."""
    plain = network(normalize)
    images = torch.randn(3, 4, 6, 4)
    plain(images)
    expected = plain.eval()(images)
    assert len(fused_of(fuse_resampling(plain, images))) == 3
    torch.testing.assert_close(plain(images), expected)


def test_networks_without_values_are_fused() -> None:
    with torch.device("meta"):
        assert len(fused_of(fuse_resampling(network()))) == 3


class Reading(nn.Module):
    """Reads what each of its layers gives."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(spectral_norm(conv()), nn.AvgPool2d(2), nn.Dropout())

    def forward(self, images: Tensor) -> Tensor:
        total = torch.zeros(())
        for layer in self.layers:
            images = layer(images)
            total = total + images.abs().mean()
        return total


def test_a_network_that_reads_inner_layers_is_found_out_by_an_example_and_left_as_it_was() -> None:
    plain, images = Reading(), torch.randn(2, 4, 6, 6)
    plain.layers[0].eval()
    modes = [layer.training for layer in plain.modules()]
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    drawn = torch.get_rng_state()
    with pytest.raises(ValueError, match=r"Reading gives something else .* left as it was"):
        fuse_resampling(plain, images)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert [layer.training for layer in plain.modules()] == modes
    assert fused_of(plain) == []
    assert isinstance(plain.layers[1], nn.AvgPool2d)
    torch.testing.assert_close(plain.state_dict(), before, rtol=0, atol=0)
