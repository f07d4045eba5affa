"""Layers that compare the images of a batch, built into D: what D is then, and that they learn."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_lightning.game import Verdict
from gan_lightning.networks.minibatch import MinibatchDiscriminationLayer, MinibatchStdDevLayer, WithMinibatchLayer
from gan_lightning.stabilizers import MinibatchDiscrimination, MinibatchStdDev

Build = Callable[..., Any]


def test_discrimination_is_built_into_d_with_the_sizes_told(smooth_gan: Build) -> None:
    gan = smooth_gan(stabilizers=[MinibatchDiscrimination(kernels=4, kernel_dim=2)])
    assert isinstance(gan.discriminator, WithMinibatchLayer)
    assert isinstance(gan.discriminator.layer, MinibatchDiscriminationLayer)
    assert gan.discriminator.layer.projection.shape == (5, 4 * 2)
    assert gan.discriminator.linear.weight.shape == (1, 4)
    assert gan.discriminator.num_features == 5 + 4


def test_std_dev_is_built_into_d_with_the_group_told(smooth_gan: Build) -> None:
    gan = smooth_gan(stabilizers=[MinibatchStdDev(group_size=2)])
    assert isinstance(gan.discriminator, WithMinibatchLayer)
    assert isinstance(gan.discriminator.layer, MinibatchStdDevLayer)
    assert gan.discriminator.layer.group_size == 2
    assert gan.discriminator.num_features == 5 + 1


def test_both_may_be_built_in_and_the_second_sees_the_features_of_the_first(smooth_gan: Build, draw: Build) -> None:
    gan = smooth_gan(stabilizers=[MinibatchDiscrimination(4), MinibatchStdDev(2)])
    outer = gan.discriminator
    inner = outer.network
    images = draw(4, 1, 8, 8)
    features = inner(images).heads["features"]
    deviation = torch.stack([features[0::2], features[1::2]], 1).var(0, correction=0).add(1e-8).sqrt().mean(1)
    expected = inner(images).logits + outer.linear.weight.squeeze() * deviation.repeat(2)
    torch.testing.assert_close(gan.judge(images).logits, expected, rtol=1e-12, atol=1e-14)
    assert outer.num_features == 5 + 4 + 1


@pytest.mark.parametrize("part", [MinibatchDiscrimination(), MinibatchStdDev()], ids=["discrimination", "std_dev"])
def test_what_is_learned_is_in_ds_optimizer_and_moves_with_d_alone(smooth_gan: Build, fit: Build, part: Any) -> None:
    gan = smooth_gan(stabilizers=[part])
    added = [gan.discriminator.linear.weight, *gan.discriminator.layer.parameters()]
    generator, discriminator = gan.configure_optimizers()[0]
    of_d, of_g = ([id(p) for p in o.param_groups[0]["params"]] for o in (discriminator, generator))
    assert all(id(p) in of_d and id(p) not in of_g for p in added)
    before = [p.detach().clone() for p in added]
    fit(gan, max_steps=2)
    assert all((p != old).any() for p, old in zip(added, before, strict=True))


def test_kernels_get_the_gradient_of_ds_loss(smooth_gan: Build, draw: Build) -> None:
    gan = smooth_gan(stabilizers=[MinibatchDiscrimination(2, 2)])
    real, fake = draw(2, 6, 1, 8, 8)
    projection = gan.discriminator.layer.projection

    def loss() -> Tensor:
        return gan.loss.discriminator(gan.judge(real).logits, gan.judge(fake).logits)

    (gradient,) = torch.autograd.grad(loss(), projection)
    numeric, step = torch.empty_like(gradient), 1e-6
    for k in range(projection.numel()):
        values = []
        for shift in (step, -2 * step, step):
            projection.data.view(-1)[k] += shift
            values.append(loss().item())
        numeric.view(-1)[k] = (values[0] - values[1]) / (2 * step)
    torch.testing.assert_close(gradient, numeric, rtol=1e-5, atol=1e-9)
    assert gradient.abs().min() > 0


def test_d_notices_when_fakes_are_alike(smooth_gan: Build, draw: Build) -> None:
    gan = smooth_gan(stabilizers=[MinibatchStdDev(), MinibatchDiscrimination()])
    several = draw(4, 1, 8, 8)
    alike = several[:1].expand(4, -1, -1, -1)
    features, same = (gan.judge(images).heads["features"] for images in (several, alike))
    torch.testing.assert_close(same[0, :5], features[0, :5], rtol=1e-12, atol=0)  # of an image by itself
    torch.testing.assert_close(same[:, 5], torch.full((4,), 1e-4, dtype=torch.float64), rtol=1e-9, atol=0)
    assert features[0, 5] > 0.05
    torch.testing.assert_close(same[:, 6:], torch.ones(4, 5, dtype=torch.float64), rtol=1e-12, atol=0)
    assert features[0, 6:].max() < 0.975


class Silent(nn.Module):
    """A discriminator that tells nothing but logits."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        return Verdict(images.sum((1, 2, 3)))


@pytest.mark.parametrize("part", [MinibatchDiscrimination(), MinibatchStdDev()], ids=["discrimination", "std_dev"])
def test_discriminator_that_tells_no_features_is_an_error_that_says_how_to(smooth_gan: Build, part: Any) -> None:
    with pytest.raises(TypeError, match=r"Silent does not return its features: let it return .* set its attribute"):
        smooth_gan(Silent(), stabilizers=[part])


def test_illegal_sizes_are_errors_that_name_them() -> None:
    with pytest.raises(ValueError, match="kernels must be an integer, at least 1, got 0"):
        MinibatchDiscrimination(kernels=0)
    with pytest.raises(ValueError, match="kernel_dim must be an integer, at least 1, got 0"):
        MinibatchDiscrimination(kernel_dim=0)
    with pytest.raises(ValueError, match="group_size must be an integer, at least 2, got 1"):
        MinibatchStdDev(group_size=1)
