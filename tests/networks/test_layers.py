import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from gan_lightning.networks import (
    ConcatLabels,
    DownConv2d,
    LabelPlanes,
    ResNetDiscriminator,
    UpConv2d,
    spectral_normalize,
)
from gan_lightning.networks.layers import norm_layer


def upsample_then_convolve(layer, x):
    return conv2d(interpolate(x, scale_factor=2), layer.weight, layer.bias, padding=1)


def convolve_then_pool(layer, x):
    return avg_pool2d(conv2d(x, layer.weight, layer.bias, padding=1), 2)


fused_layers = pytest.mark.parametrize(
    ("kind", "reference"),
    [(UpConv2d, upsample_then_convolve), (DownConv2d, convolve_then_pool)],
    ids=["up", "down"],
)


@fused_layers
@pytest.mark.parametrize("size", [(2, 2), (4, 6), (8, 4)])
def test_fused_layer_is_the_two_layers(kind, reference, size):
    torch.manual_seed(0)
    layer, x = kind(3, 5).double(), torch.randn(2, 3, *size, dtype=torch.float64)
    output = layer(x)
    assert output.shape == (2, 5, *[side * 2 if kind is UpConv2d else side // 2 for side in size])
    torch.testing.assert_close(output, reference(layer, x), rtol=0, atol=1e-12)


def test_up_convolution_takes_odd_sizes():
    layer, x = UpConv2d(2, 2).double(), torch.randn(1, 2, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(x), upsample_then_convolve(layer, x), rtol=0, atol=1e-12)


def first_and_second_order(function, layer, x):
    """Gradients of a loss, and those of the squared norm of its gradient with respect to x: what penalties need."""
    wanted = [x, *layer.parameters()]
    loss = function(x).pow(3).sum()
    first = torch.autograd.grad(loss, wanted, create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), wanted)
    return [*first, *second]


@fused_layers
@pytest.mark.parametrize("spectral", [False, True], ids=["plain", "spectral"])
def test_fused_layer_has_the_gradients_of_the_two_layers_to_second_order(kind, reference, spectral):
    torch.manual_seed(0)
    layer = kind(3, 2).double()
    if spectral:
        layer = spectral_norm(layer).eval()  # in training mode each reading of the weight makes a power iteration
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(layer(x), reference(layer, x), rtol=0, atol=1e-12)
    found = first_and_second_order(layer, layer, x)
    expected = first_and_second_order(lambda x: reference(layer, x), layer, x)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


@fused_layers
def test_fused_layer_has_the_parameters_of_a_three_by_three_convolution(kind, reference):
    plain = {name: p.shape for name, p in nn.Conv2d(3, 5, 3, padding=1).named_parameters()}
    assert {name: p.shape for name, p in kind(3, 5).named_parameters()} == plain


@fused_layers
def test_fused_layer_gives_the_same_in_channels_last(kind, reference):
    torch.manual_seed(0)
    layer, x = kind(4, 6), torch.randn(2, 4, 8, 8)
    expected = layer(x)
    found = copy.deepcopy(layer).to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected)


def test_concatenated_vector_stands_after_the_flattened_input():
    layer = ConcatLabels(nn.Identity(), num_classes=3, embedding_dim=2)
    x, labels = torch.randn(4, 1, 2, 2), torch.tensor([0, 2, 2, 1])
    assert layer(x, labels).equal(torch.cat([x.flatten(1), layer.embedding.weight[labels]], dim=1))


def test_label_planes_are_the_last_channels():
    x, labels = torch.randn(2, 3, 2, 5), torch.tensor([2, 0])
    output = LabelPlanes(nn.Identity(), num_classes=3)(x, labels)
    assert output[:, :3].equal(x)
    assert output[:, 3:].unique(dim=2).unique(dim=3).flatten(1).tolist() == [[0, 0, 1], [1, 0, 0]]


def labelled_mlp():
    torch.manual_seed(0)
    return ConcatLabels(nn.Sequential(nn.Linear(4 + 4, 5), nn.Tanh(), nn.Linear(5, 1)), 3, 4)


def test_different_labels_give_different_outputs():
    layer, x = labelled_mlp(), torch.randn(1, 4).expand(3, 4)
    assert layer(x, torch.tensor([0, 1, 2])).unique().numel() == 3
    assert layer(x, torch.tensor([1, 1, 1])).unique().numel() == 1


def test_embedding_gets_a_gradient_for_the_labels_of_the_batch_alone():
    layer = labelled_mlp()
    layer(torch.randn(2, 4), torch.tensor([0, 2])).sum().backward()
    assert layer.embedding.weight.grad.abs().sum(1).ne(0).tolist() == [True, False, True]


def test_labelled_output_does_not_depend_on_the_other_items():
    layer = labelled_mlp().double()
    x, labels = torch.randn(4, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 2, 1, 0])
    together = layer(x, labels)
    alone = torch.cat([layer(x[k : k + 1], labels[k : k + 1]) for k in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-14)
    labels[1:], x[1:] = 1, 0
    torch.testing.assert_close(layer(x, labels)[0], together[0], rtol=0, atol=1e-14)


class EveryKind(nn.Module):
    """One layer of each kind that is normalised, and one that is not."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 9)
        self.convolution = nn.Conv2d(3, 5, 3)
        self.transposed = nn.ConvTranspose2d(5, 3, 4)
        self.embedding = nn.Embedding(7, 4)
        self.up = UpConv2d(2, 4)
        self.norm = nn.BatchNorm2d(3)


def normalised_layers(network):
    return {name: module for name, module in network.named_modules() if parametrize.is_parametrized(module)}


def as_matrix(layer):
    """The weight, flattened to (outputs, the rest): a transposed convolution has its outputs in dimension 1."""
    weight = layer.weight.detach()
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)


@pytest.mark.parametrize(
    "build", [EveryKind, lambda: ResNetDiscriminator((1, 8, 8), width=4), labelled_mlp], ids=["kinds", "resnet", "mlp"]
)
def test_largest_singular_value_of_each_normalised_weight_is_one(build):
    torch.manual_seed(0)
    network = spectral_normalize(build())
    layers = normalised_layers(network)
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)
    assert layers.keys() == {name for name, module in network.named_modules() if isinstance(module, kinds)}
    for layer in layers.values():
        for _ in range(300):
            layer.weight  # noqa: B018 -- each reading is a power iteration
    for name, layer in layers.items():
        assert torch.linalg.matrix_norm(as_matrix(layer), 2).item() == pytest.approx(1, abs=1e-3), name


def test_spectral_norm_does_not_see_the_scale_of_a_weight():
    torch.manual_seed(0)
    layer = spectral_normalize(nn.Linear(6, 9)).eval()
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.parametrizations.weight.original.mul_(7)
    torch.testing.assert_close(layer.weight, before)


def test_normalisation_is_in_place_and_keeps_the_number_of_parameters():
    network = EveryKind()
    count = sum(p.numel() for p in network.parameters())
    assert spectral_normalize(network) is network
    assert sum(p.numel() for p in network.parameters()) == count


def singular_vectors(network):
    return {name: buffer.clone() for name, buffer in network.named_buffers()}


def forget_singular_vectors(network):
    for buffer in network.buffers():
        buffer.copy_(nn.functional.normalize(torch.randn_like(buffer), dim=0))


def test_evaluation_makes_no_power_iteration_and_training_makes_one():
    torch.manual_seed(0)
    network = spectral_normalize(ResNetDiscriminator((1, 8, 8), width=4))
    forget_singular_vectors(network)
    x = torch.randn(2, 1, 8, 8)
    before = singular_vectors(network)
    network.eval()(x)
    assert all(buffer.equal(before[name]) for name, buffer in network.named_buffers())
    network.train()(x)
    # The last layer's matrix has one row, so that its left vector, ±1, is found at once.
    assert all(not buffer.equal(before[name]) for name, buffer in network.named_buffers() if buffer.numel() > 1)


def test_one_power_iteration_in_each_cached_block():
    torch.manual_seed(0)
    network = spectral_normalize(ResNetDiscriminator((1, 8, 8), width=4))
    forget_singular_vectors(network)
    once, thrice = copy.deepcopy(network), copy.deepcopy(network)
    x = torch.randn(2, 1, 8, 8)
    once(x)
    with parametrize.cached():
        outputs = [network(x).logits for _ in range(3)]
    assert outputs[0].equal(outputs[2])
    after_one = singular_vectors(once)
    assert all(buffer.equal(after_one[name]) for name, buffer in network.named_buffers())
    for _ in range(3):
        thrice(x)
    assert not all(buffer.equal(after_one[name]) for name, buffer in thrice.named_buffers())


def test_an_unknown_norm_is_an_error_that_names_the_legal_ones():
    with pytest.raises(ValueError, match="norm must be one of batch, none, got 'layer'"):
        norm_layer("layer", 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embedding_dim": 1.5}, "embedding_dim must be an integer, at least 1, got 1.5"),
        ({"init_std": -0.1}, "init_std must be finite and at least 0, got -0.1"),
    ],
)
def test_an_illegal_number_of_an_embedding_is_an_error_that_names_it(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConcatLabels(nn.Identity(), **{"num_classes": 3, "embedding_dim": 2, **arguments})


@fused_layers
def test_a_fused_layer_of_no_channels_is_an_error_that_names_them(kind, reference):
    with pytest.raises(ValueError, match="in_channels must be an integer, at least 1, got 0"):
        kind(0, 3)
    with pytest.raises(ValueError, match=r"out_channels must be an integer, at least 1, got 1\.5"):
        kind(3, 1.5)
