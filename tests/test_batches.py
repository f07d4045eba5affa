"""Batches of a user's own loader: what is unambiguous trains, anything else is one message."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gan_lightning import CGAN, DCGAN, GAN, SNGAN
from gan_lightning.base import AdversarialModule
from gan_lightning.batches import read_batch, read_labels
from gan_lightning.images import check_range
from gan_lightning.losses import NonSaturatingLoss

SHAPE = (1, 8, 8)
IMAGES = torch.linspace(-1, 1, 6 * 64).reshape(6, *SHAPE)
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])

BuildTrainer = Callable[..., Any]


@pytest.mark.parametrize("batch", [IMAGES, [IMAGES], (IMAGES,)], ids=["tensor", "list", "tuple"])
def test_images_alone(batch: Any) -> None:
    images, labels = read_batch(batch)
    assert images is IMAGES
    assert labels is None
    assert read_labels(labels, images, 0).equal(torch.zeros(6, dtype=torch.int64))


def test_bytes_become_the_floats_that_they_stand_for() -> None:
    images, labels = read_batch((torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2), LABELS))
    assert images.flatten().tolist() == [-1, 1]
    assert labels is LABELS


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"image": IMAGES, "label": LABELS}, "a dictionary of image, label"),
        ((IMAGES, LABELS, LABELS), "a tuple of 3"),
        ([], "a list of 0"),
        (None, "a NoneType"),
        ("images", "a str of 6"),
        ((IMAGES.long(), LABELS), r"float in \[-1, 1\] or uint8, got torch.int64"),
        ((IMAGES.numpy(), LABELS), "got ndarray"),
    ],
)
def test_other_forms_are_named(batch: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        read_batch(batch)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (1, 8, 8), (6, 1, 1, 8, 8)])
def test_images_have_four_dimensions(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), got \("):
        read_batch(torch.zeros(shape))


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.int16, torch.uint8])
@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_labels_of_any_integers(kind: torch.dtype, shape: tuple[int, ...]) -> None:
    labels = read_labels(LABELS.to(kind).reshape(shape), IMAGES, 4)
    assert labels.dtype == torch.int64
    assert labels.equal(LABELS)


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        (None, TypeError, "needs labels, .* got none"),
        (LABELS.float(), TypeError, "got torch.float32"),
        (LABELS.tolist(), TypeError, "got list"),
        (LABELS[:5], ValueError, r"the shape \(6,\).*got \(5,\)"),
        (nn.functional.one_hot(LABELS), ValueError, r"got \(6, 4\)"),
        (LABELS + 1, ValueError, "from 0 to 3, .* got 1 to 4"),
        (LABELS - 1, ValueError, "got -1 to 2"),
    ],
)
def test_labels_that_name_no_class_are_refused(labels: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        read_labels(labels, IMAGES, 4)


def test_an_unconditional_gan_takes_any_labels() -> None:
    attributes = torch.rand(6, 40)
    assert read_labels(attributes, IMAGES, 0) is attributes
    for no_labels in (None, ["a.png"] * 6, {"id": 3}, torch.tensor(0)):  # what comes beside images and is no label
        assert read_labels(no_labels, IMAGES, 0).equal(torch.zeros(6, dtype=torch.int64))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("images", [IMAGES, 1.1 * IMAGES, torch.zeros(2, *SHAPE), -torch.ones(2, *SHAPE)])
def test_images_in_range_pass(images: Tensor) -> None:
    check_range(images)


@pytest.mark.parametrize(
    "images", [(IMAGES + 1) * 127.5, ((IMAGES + 1) / 2 - 0.1307) / 0.3081, IMAGES * float("nan"), IMAGES - 1]
)
def test_images_out_of_range_are_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"must be in \[-1, 1\], got values from .* to "):
        check_range(images)


def test_images_without_black_are_doubted() -> None:
    with pytest.warns(UserWarning, match=r"nothing below 0 \(from 0 to 1\), but -1 is black"):
        check_range((IMAGES + 1) / 2)


def fit(gan: AdversarialModule, trainer: BuildTrainer, *batches: Any) -> None:
    trainer(max_steps=len(batches)).fit(gan, DataLoader(list(batches), batch_size=None))


def test_a_gan_trains_on_each_form(tiny_gan: Any, trainer: BuildTrainer) -> None:
    for batch in (IMAGES, (IMAGES,), (IMAGES, LABELS), (IMAGES, LABELS[:, None]), (IMAGES, LABELS.int())):
        gan = tiny_gan("GAN")
        fit(gan, trainer, batch)
        assert gan.images_seen == len(IMAGES)


def test_forms_of_labels_train_a_conditional_gan_alike(tiny_gan: Any, trainer: BuildTrainer, identical: Any) -> None:
    states = []
    for labels in (LABELS, LABELS[:, None], LABELS.int()):
        torch.manual_seed(0)
        gan = tiny_gan("CGAN")
        fit(gan, trainer, (IMAGES, labels))
        states.append(gan.state_dict())
    assert identical(states[0], states[1])
    assert identical(states[0], states[2])


@pytest.mark.parametrize("kind", [GAN, CGAN, DCGAN, SNGAN])
def test_images_of_another_size_are_refused(kind: type[AdversarialModule], trainer: BuildTrainer) -> None:
    gan = kind(image_shape=(1, 28, 28))
    with pytest.raises(ValueError, match=rf"\(1, 32, 32\), but {kind.__name__} makes \(1, 28, 28\)"):
        fit(gan, trainer, (torch.zeros(4, 1, 32, 32), torch.zeros(4).long()))


def test_a_last_batch_of_one_image_is_refused_beside_batch_norm(trainer: BuildTrainer) -> None:
    gan = GAN(image_shape=SHAPE)
    with pytest.raises(ValueError, match=r"Batch norm cannot normalise a batch of one image. .*drop_last"):
        fit(gan, trainer, IMAGES, IMAGES[:1])
    assert gan.images_seen == len(IMAGES)


class Shaped(nn.Module):
    """A D whose logits have any shape for each image."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 2)
        self.shape = shape

    def forward(self, images: Tensor, labels: Tensor | None) -> Tensor:
        return self.layer(images.flatten(1)).mean(1).reshape(-1, *[1] * len(self.shape)).expand(-1, *self.shape)


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 2, 2)])
def test_logits_that_are_not_one_an_image_are_refused(tiny_gan: Any, trainer: BuildTrainer, shape: Any) -> None:
    gan = AdversarialModule(tiny_gan("GAN").generator, Shaped(*shape), NonSaturatingLoss(), latent_dim=12)
    with pytest.raises(ValueError, match=r"D gave logits of shape \(6, .* for 6 images; it must give one for each"):
        fit(gan, trainer, IMAGES)


def test_a_map_of_logits_counts_as_its_mean(tiny_gan: Any) -> None:
    gan = AdversarialModule(tiny_gan("GAN").generator, Shaped(1, 2, 3), NonSaturatingLoss(), latent_dim=12)
    logits = gan.judge(IMAGES).logits
    assert logits.shape == (len(IMAGES) * 6,)
    torch.testing.assert_close(logits.view(len(IMAGES), 6).mean(1), gan.discriminator(IMAGES, None)[:, 0, 0, 0])


def test_logits_in_a_row_of_several_an_image_are_refused(tiny_gan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gan = tiny_gan("GAN")
    monkeypatch.setattr(gan.discriminator, "forward", lambda images, labels: images.flatten())
    with pytest.raises(ValueError, match=r"shape \(256,\) for 4 images"):
        gan.judge(IMAGES[:4])


class Unreduced(NonSaturatingLoss):
    """A loss that forgets the mean."""

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return nn.functional.softplus(-fake)


def test_a_term_that_is_no_scalar_is_named(tiny_gan: Any, trainer: BuildTrainer) -> None:
    tiny = tiny_gan("GAN")
    gan = AdversarialModule(tiny.generator, tiny.discriminator, Unreduced(), latent_dim=12)
    with pytest.raises(ValueError, match=r"The term 'adversarial' of a loss has the shape \(6,\), but must be"):
        fit(gan, trainer, IMAGES)
