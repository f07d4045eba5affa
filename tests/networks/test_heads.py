"""Heads of discriminators and the projection of the class, against their formulas."""

import pytest
import torch
from torch import nn

from gan_lightning.game import Verdict
from gan_lightning.networks import DCGANDiscriminator, Projection, ResNetDiscriminator, WithHeads, spectral_normalize


class Features(nn.Module):
    """A discriminator whose features are the pixels, and whose logit is their sum."""

    num_features = 6

    def forward(self, images, labels=None):
        features = images.flatten(1)
        return Verdict(features.sum(1), {"features": features, "labels": labels})


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_heads_are_linear_in_the_features_and_leave_the_rest_as_it_is():
    network, images, labels = WithHeads(Features(), {"classes": 3, "codes": 2}).double(), draw(4, 1, 2, 3), draw(4)
    verdict = network(images, labels)
    assert verdict.logits.equal(images.flatten(1).sum(1))
    assert verdict.heads["labels"] is labels
    for name, outputs in (("classes", 3), ("codes", 2)):
        layer = network.linear[name]
        expected = images.flatten(1) @ layer.weight.T + layer.bias
        assert expected.shape == (4, outputs)
        torch.testing.assert_close(verdict.heads[name], expected, rtol=0, atol=1e-12)
    assert network.num_features == 6


def test_projection_adds_the_product_of_embedding_and_features_to_the_logit():
    network, images = Projection(Features(), num_classes=3).double(), draw(4, 1, 2, 3)
    labels = torch.tensor([2, 0, 2, 1])
    logits = network(images, labels).logits.tolist()
    for k in range(4):  # eq. 4: f(x, y) = yᵀ V φ(x) + ψ(φ(x))
        pixels = images[k].flatten()
        expected = float(network.embedding.weight[labels[k]] @ pixels + pixels.sum())
        assert logits[k] == pytest.approx(expected, rel=1e-12)


def test_spectral_norm_reaches_the_embedding_of_a_projection():
    network = spectral_normalize(Projection(ResNetDiscriminator((1, 8, 8), 4), 5))
    network.train()
    for _ in range(50):
        network(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]))
    network.eval()
    assert torch.linalg.matrix_norm(network.embedding.weight, 2).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("wrap", [lambda network: WithHeads(network, {"a": 2}), lambda network: Projection(network, 3)])
def test_network_without_features_is_an_error_that_names_them(wrap):
    with pytest.raises(TypeError, match="Identity does not return its features: let it return"):
        wrap(nn.Identity())


def test_head_without_outputs_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="classes must be an integer, at least 1, got 0"):
        WithHeads(DCGANDiscriminator((1, 8, 8), 2), {"classes": 0})
