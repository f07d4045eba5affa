"""Networks of Pix2Pix and CycleGAN: shapes, the papers' layers, patches and what is refused."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gan_lightning.networks import (
    CycleGANGenerator,
    PatchDiscriminator,
    TwoWayDiscriminator,
    TwoWayGenerator,
    UNetGenerator,
)

NO_LATENTS = torch.zeros(2, 1)


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 28, 28), (3, 32, 48), (3, 24, 40)])
@pytest.mark.parametrize("build", [UNetGenerator, CycleGANGenerator])
def test_translations_have_the_shape_and_range_of_their_sources(
    build: Callable[..., nn.Module], shape: tuple[int, int, int]
) -> None:
    sources = torch.rand(2, *shape) * 2 - 1
    images = build(shape, 4)(NO_LATENTS, sources)
    assert images.shape == sources.shape
    assert images.abs().max() <= 1


def test_a_unet_has_the_papers_layers() -> None:
    network = UNetGenerator((3, 256, 256))
    downs = [layer.out_channels for layer in network.downs.modules() if isinstance(layer, nn.Conv2d)]
    ups = [layer.out_channels for layer in network.ups.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert downs == [64, 128, 256, 512, 512, 512, 512, 512]
    assert ups == [512, 512, 512, 512, 256, 128, 64, 3]
    drops = [drop.p for drop in network.ups.modules() if isinstance(drop, nn.Dropout)]
    assert drops == [0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0]
    normed = [any(isinstance(layer, nn.InstanceNorm2d) for layer in block) for block in network.downs]
    assert normed == [False, *[True] * 6, False]


def test_skips_carry_what_the_bottleneck_does_not() -> None:
    network = UNetGenerator((3, 32, 32), 4).eval()
    nn.init.zeros_(network.ups[0][1].weight)
    one, other = torch.rand(2, 1, 3, 32, 32)
    assert not torch.allclose(network(NO_LATENTS[:1], one), network(NO_LATENTS[:1], other))


@pytest.mark.parametrize(("side", "blocks"), [(256, 9), (128, 6)])
def test_cyclegans_generator_has_the_papers_layers(side: int, blocks: int) -> None:
    network = CycleGANGenerator((3, side, side))
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 128, 64, 3]
    assert sum(type(layer).__name__ == "_Block" for layer in network.layers) == blocks


@pytest.mark.parametrize(("halvings", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_patch(halvings: int, patch: int) -> None:
    network = PatchDiscriminator((1, 128, 128), 2, halvings, norm="none", sees_source=False)
    for weight in network.parameters():
        nn.init.constant_(weight, 0.01)
    images = torch.rand(1, 1, 128, 128, requires_grad=True)
    logits = network(images).logits
    assert logits.shape[:2] == (1, 1)
    middle = logits.shape[2] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], images)
    rows = gradient[0, 0].abs().sum(1).nonzero().flatten()
    assert int(rows.max() - rows.min()) + 1 == patch


def test_d_judges_a_translation_beside_its_source() -> None:
    network = PatchDiscriminator((3, 32, 32), 4)
    images, sources = torch.rand(2, 2, 3, 32, 32)
    assert not torch.equal(network(images, sources).logits, network(images, images).logits)


def two_ways() -> tuple[TwoWayGenerator, Tensor, Tensor]:
    network = TwoWayGenerator(*(CycleGANGenerator((3, 16, 16), 4, blocks=1) for _ in range(2)))
    sources, targets = torch.rand(2, 2, 3, 16, 16)
    return network, sources, targets


def test_two_ways_of_pairs_and_of_sources() -> None:
    network, sources, targets = two_ways()
    pairs = network(NO_LATENTS, torch.cat([sources, targets], 1))
    torch.testing.assert_close(pairs[:, :3], network.to_source(NO_LATENTS, targets))
    torch.testing.assert_close(pairs[:, 3:], network.to_target(NO_LATENTS, sources))
    torch.testing.assert_close(network(NO_LATENTS, sources), pairs[:, 3:])


def test_a_judge_for_each_domain() -> None:
    judges = [PatchDiscriminator((3, 24, 24), 4, sees_source=False) for _ in range(2)]
    sources, targets = torch.rand(2, 2, 3, 24, 24)
    logits = TwoWayDiscriminator(*judges)(torch.cat([sources, targets], 1)).logits
    expected = [judge(images).logits for judge, images in zip(judges, (sources, targets), strict=True)]
    torch.testing.assert_close(logits.flatten(), torch.stack(expected, 1).flatten())


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: UNetGenerator((3, 30, 30)), ValueError, "multiples of 4"),
        (lambda: CycleGANGenerator((3, 30, 32)), ValueError, "multiples of 4"),
        (lambda: UNetGenerator((3, 32, 32), norm="layer"), ValueError, "norm"),
        (lambda: UNetGenerator((3, 32, 32), dropout_prob=1.0), ValueError, "dropout_prob"),
        (lambda: CycleGANGenerator((3, 32, 32), blocks=0), ValueError, "blocks"),
        (lambda: PatchDiscriminator((3, 20, 32)), ValueError, "24 pixels or more"),
        (lambda: UNetGenerator((3, 32, 32), 4)(NO_LATENTS), TypeError, "translates images"),
        (lambda: UNetGenerator((3, 32, 32), 4)(NO_LATENTS, torch.zeros(2).long()), TypeError, r"shape \(2,\)"),
        (lambda: UNetGenerator((3, 32, 32), 4)(NO_LATENTS, torch.zeros(2, 3, 16, 16)), ValueError, "was built for"),
    ],
)
def test_what_is_wrong_is_named(build: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()
