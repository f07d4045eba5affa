"""Layers that compare the images of a batch, against loops over pairs and groups."""

import math

import pytest
import torch
from torch import Tensor, nn

from gan_lightning.game import Verdict
from gan_lightning.networks.minibatch import (
    MinibatchDiscriminationLayer,
    MinibatchStdDevLayer,
    StdDevMap,
    WithMinibatchLayer,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Features(nn.Module):
    """A discriminator that tells its features, and one thing more."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(6, 1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        features = images.flatten(1).tanh()
        return Verdict(self.last(features).squeeze(1), {"features": features, "labels": labels})


def test_discrimination_is_the_mean_similarity_of_projections_over_the_batch() -> None:
    layer, features = MinibatchDiscriminationLayer(6, kernels=4, kernel_dim=3).double(), draw(5, 6)
    projected = torch.einsum("na,abc->nbc", features, layer.projection.detach().view(6, 4, 3)).tolist()
    output = layer(features)
    assert output.shape == (5, 4)
    for i in range(5):
        for b in range(4):
            similarities = []
            for j in range(5):
                distance = sum(abs(projected[i][b][c] - projected[j][b][c]) for c in range(3))
                similarities.append(math.exp(-distance))
            assert output[i, b].item() == pytest.approx(sum(similarities) / 5, rel=1e-12)
    assert 1 / 5 < output.min() < output.max() < 1


def test_discrimination_is_1_for_a_batch_of_equals_and_a_share_of_it_for_strangers() -> None:
    layer = MinibatchDiscriminationLayer(6).double()
    torch.testing.assert_close(layer(draw(1, 6).expand(7, 6)), torch.ones(7, 5, dtype=torch.float64))
    torch.testing.assert_close(layer(1e4 * draw(7, 6)), torch.full((7, 5), 1 / 7, dtype=torch.float64))


def test_discrimination_follows_a_permutation_of_the_batch() -> None:
    layer, features = MinibatchDiscriminationLayer(6).double(), draw(5, 6)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(layer(features[order]), layer(features)[order], rtol=1e-12, atol=0)


def test_discrimination_has_gradients_for_its_projection_and_the_features() -> None:
    layer, features = MinibatchDiscriminationLayer(3, kernels=2, kernel_dim=2).double(), draw(4, 3).requires_grad_()

    def output(features: Tensor, projection: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"projection": projection}, features)

    assert torch.autograd.gradcheck(output, (features, layer.projection))
    assert torch.autograd.gradgradcheck(output, (features, layer.projection))


def test_projection_begins_with_the_variance_of_its_input() -> None:
    features = draw(50, 400)
    projected = features @ MinibatchDiscriminationLayer(400, kernels=100).double().projection
    assert projected.std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("count", "group_size"), [(8, 4), (8, 2), (6, 3), (4, 4), (7, 4), (3, 4), (9, 2)])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 2)], ids=str)
def test_std_dev_is_the_mean_over_features_of_deviations_over_a_group(
    count: int, group_size: int, shape: tuple[int, ...]
) -> None:
    features = draw(count, *shape)
    output = MinibatchStdDevLayer(group_size)(features)
    assert output.shape == (count, 1)
    is_split = count % group_size == 0  # else all are of one group
    groups = count // group_size if is_split else 1
    flat = features.flatten(1).tolist()
    for group in range(groups):
        members = [i for i in range(count) if i % groups == group]
        assert len(members) == (group_size if is_split else count)
        deviations = []
        for k in range(len(flat[0])):
            values = [flat[i][k] for i in members]
            mean = sum(values) / len(values)
            deviations.append(math.sqrt(sum((x - mean) ** 2 for x in values) / len(values) + 1e-8))
        for i in members:
            assert output[i, 0].item() == pytest.approx(sum(deviations) / len(deviations), rel=1e-12)


def test_std_dev_of_images_that_are_alike_is_the_root_of_epsilon_and_has_a_gradient() -> None:
    features = draw(1, 5).expand(8, 5).clone().requires_grad_()
    output = MinibatchStdDevLayer()(features)
    assert output.flatten().tolist() == pytest.approx([1e-4] * 8, rel=1e-12)
    output.sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_std_dev_has_two_derivatives() -> None:
    features = draw(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(MinibatchStdDevLayer(2), features)
    assert torch.autograd.gradgradcheck(MinibatchStdDevLayer(2), features)


@pytest.mark.parametrize(
    ("layer", "out_features"), [(MinibatchDiscriminationLayer(6, 4), 4), (MinibatchStdDevLayer(2), 1)]
)
def test_logit_is_that_of_one_last_layer_on_features_with_those_of_the_layer_behind(
    layer: nn.Module, out_features: int
) -> None:
    network = WithMinibatchLayer(Features(), layer, out_features).double()
    images, labels = draw(8, 1, 2, 3), torch.arange(8)
    whole = nn.Linear(6 + out_features, 1).double()
    whole.weight.data = torch.cat([network.network.last.weight.data, network.linear.weight.data], dim=1)
    whole.bias.data = network.network.last.bias.data
    verdict = network(images, labels)
    features = torch.cat([images.flatten(1).tanh(), layer(images.flatten(1).tanh())], dim=1)
    assert verdict.logits.shape == (8,)
    torch.testing.assert_close(verdict.logits, whole(features).squeeze(1), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(verdict.heads["features"], features, rtol=1e-12, atol=0)
    assert verdict.heads["labels"] is labels  # other heads stay, and labels are passed on
    assert network.num_features == features.shape[1]
    assert (verdict.logits - network.network(images, labels).logits).abs().min() > 1e-6


@pytest.mark.parametrize("layer", [MinibatchDiscriminationLayer(6), MinibatchStdDevLayer(2)])
def test_features_in_16_bits_are_compared_in_32(layer: nn.Module) -> None:
    features = draw(4, 6).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(features)
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, layer(features.float()), rtol=1e-6, atol=0)


def test_std_dev_of_images_that_are_alike_in_16_bits_has_a_finite_gradient() -> None:
    features = torch.zeros(4, 6, dtype=torch.float16, requires_grad=True)
    output = MinibatchStdDevLayer()(features)
    assert output.flatten().tolist() == pytest.approx([1e-4] * 4, rel=1e-6)
    output.sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("name", ["in_features", "kernels", "kernel_dim"])
def test_illegal_sizes_are_errors_that_name_them(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be an integer, at least 1, got 0"):
        MinibatchDiscriminationLayer(**{"in_features": 6, name: 0})


def test_a_group_of_one_compares_nothing() -> None:
    assert MinibatchStdDevLayer(1)(draw(3, 5)).unique().tolist() == pytest.approx([1e-4])
    with pytest.raises(ValueError, match="group_size must be an integer, at least 1, got 0"):
        MinibatchStdDevLayer(0)


def test_a_map_of_the_deviation_is_put_behind_the_others() -> None:
    maps = draw(4, 3, 2, 2)
    output = StdDevMap(2)(maps)
    assert output[:, :3].equal(maps)
    expected = MinibatchStdDevLayer(2)(maps).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    torch.testing.assert_close(output[:, 3:], expected)


def test_a_network_that_does_not_tell_its_features_cannot_be_given_a_layer() -> None:
    with pytest.raises(TypeError, match="Identity does not return its features"):
        WithMinibatchLayer(nn.Identity(), MinibatchStdDevLayer(), 1)
    with pytest.raises(ValueError, match="out_features must be an integer, at least 1, got 0"):
        WithMinibatchLayer(Features(), MinibatchStdDevLayer(), 0)
