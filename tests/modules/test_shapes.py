"""Images of every shape: what each convolutional GAN makes, judges and learns from."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import gan_lightning
from gan_lightning.arguments import arguments_of
from gan_lightning.base import AdversarialModule

Shape = tuple[int, int, int]
CATALOGUE = [getattr(gan_lightning, name) for name in gan_lightning.__all__]
CONVOLUTIONAL = [gan for gan in CATALOGUE if "width" in arguments_of(gan)]
every_gan = pytest.mark.parametrize("gan", CATALOGUE, ids=lambda gan: gan.__name__)
every_convolutional_gan = pytest.mark.parametrize("gan", CONVOLUTIONAL, ids=lambda gan: gan.__name__)
every_shape = pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 32, 32), (1, 64, 48), (3, 28, 56), (1, 24, 40), (2, 8, 50), (3, 128, 128)], ids=str
)


def small(gan: type[AdversarialModule], shape: Any, **overrides: Any) -> AdversarialModule:
    torch.manual_seed(0)
    legal = {"width": 4, "max_width": 8, "latent_dim": 12, "embedding_dim": 3, "num_classes": 3, "norm": "none"}
    if shape == (3, 128, 128):
        legal["attention"] = 2  # of 64 x 64 pixels each to all takes seconds
    return gan(image_shape=shape, **{k: v for k, v in legal.items() if k in arguments_of(gan)} | overrides)


def data_of(shape: Shape) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(10, *shape, generator=generator) * 2 - 1
    return DataLoader(TensorDataset(images, torch.arange(10) % 3), 10)


@every_gan
@every_shape
def test_images_have_the_shape_and_the_range_and_get_a_logit_each(gan: Any, shape: Shape) -> None:
    built = small(gan, shape)
    images = built.sample(4, seed=0)
    assert images.shape == (4, *shape)
    assert images.abs().max() <= 1
    assert len(images.unique(dim=0)) == 4
    assert built.judge(images, torch.arange(4) % 3).logits.shape == (4,)


@every_convolutional_gan
@every_shape
def test_every_parameter_gets_a_gradient_and_every_pixel_is_judged(
    gan: Any, shape: Shape, awaken: Callable[[nn.Module], None], stages: Callable[[nn.Module], Iterator[int]]
) -> None:
    built = small(gan, shape)
    awaken(built)
    labels = torch.arange(6) % 3
    for _ in stages(built):
        fake = built.generate(built.sample_latent(6), labels)
        fake.retain_grad()
        verdict = built.judge(fake, labels)
        torch.cat([output.flatten() for output in (verdict.logits, *verdict.heads.values())]).square().sum().backward()
    assert [n for n, p in built.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())] == []
    assert fake.grad is not None
    assert fake.grad.abs().sum((0, 1)).all()


@every_convolutional_gan
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 24, 32), (1, 28, 14)], ids=str)
def test_a_step_trains_both_players(gan: Any, shape: Shape, trainer: Callable[..., Trainer]) -> None:
    start, built = small(gan, shape, lr=1e-3), small(gan, shape, lr=1e-3)
    trainer(max_steps=1).fit(built, data_of(shape))
    pairs = zip(start.named_parameters(), built.named_parameters(), strict=True)
    moved = {name.partition(".")[0] for (name, before), (_, after) in pairs if not torch.equal(before, after)}
    assert moved == {"generator", "discriminator", "ema"}
    assert all(p.isfinite().all() for p in built.parameters())


@every_gan
def test_integers_of_numpy_are_a_shape(gan: Any) -> None:
    assert small(gan, tuple(np.uint8(side) for side in (3, 16, 24))).sample(2).shape == (2, 3, 16, 24)


@every_gan
@pytest.mark.parametrize(
    "shape", [(28, 28), (1, 28.0, 28), (1, 0, 28), (1, 28, -4), "28", (0, 28, 28), (True, 28, 28)], ids=repr
)
def test_what_is_no_shape_is_an_error_that_tells_it_and_the_legal_ones(gan: Any, shape: Any) -> None:
    with pytest.raises(ValueError, match=rf"image_shape must be \(C, H, W\), .*; got {re.escape(repr(shape))}\.$"):
        small(gan, shape)


@every_gan
def test_discriminators_refuse_images_of_another_size(gan: Any) -> None:
    built = small(gan, (1, 16, 24))
    with pytest.raises(ValueError, match=r"Discriminator was built for .*, got "):
        built.judge(torch.zeros(2, 1, 24, 32), torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize("gan", [g for g in CATALOGUE if "embedding_dim" in arguments_of(g)])
@pytest.mark.parametrize(("name", "value"), [("latent_dim", -2), ("embedding_dim", -2), ("latent_dim", 1.5)])
def test_a_number_that_is_added_to_another_is_named_itself(gan: Any, name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be an integer, at least 1, got {value}"):
        small(gan, (1, 8, 8), **{name: value})


@pytest.mark.parametrize("gan", [g for g in CATALOGUE if "num_classes" in arguments_of(g)])
def test_data_without_labels_are_an_error_that_tells_what_to_do(gan: Any) -> None:
    with pytest.raises(ValueError, match=r"num_classes must be .* got 0: .*data that .*, or an unconditional GAN"):
        small(gan, (1, 8, 8), num_classes=0)


@pytest.mark.parametrize("gan", [g for g in CATALOGUE if "num_classes" in arguments_of(g)])
def test_a_number_of_classes_may_be_numpys(gan: Any) -> None:
    built = small(gan, (1, 8, 8), num_classes=np.int64(3))
    assert type(built.num_classes) is int
    assert built.sample(4).shape == (4, 1, 8, 8)


def test_data_of_a_thousand_classes_can_be_learnt() -> None:
    built = small(gan_lightning.ConditionalDCGAN, (3, 16, 8), num_classes=1000)
    assert built.judge(built.sample(2, labels=[0, 999]), torch.tensor([0, 999])).logits.shape == (2,)
