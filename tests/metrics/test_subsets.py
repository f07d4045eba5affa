"""Some images of many, and classes in given shares."""

from types import SimpleNamespace

import pytest
import torch

from datamodules import GaussianDataModule, MNISTSampleDataModule
from gan_lightning import GAN
from gan_lightning.metrics.classes import InceptionScore
from gan_lightning.metrics.subsets import class_shares, in_shares, spread


@pytest.mark.parametrize("counts", [[1] * 10, [5, 0, 3, 2], [1, 1000], [0, 7], [5421, 6265, 5300]], ids=str)
def test_classes_have_their_shares_in_any_stretch(counts: list[int]) -> None:
    shares = torch.tensor(counts) / sum(counts)
    for start, num in ((0, 2_000), (777, 250), (10**6, 100)):
        found = in_shares(counts, torch.arange(start, start + num)).bincount(minlength=len(counts))
        assert ((found - num * shares).abs() < 3).all()
        assert not found[shares == 0].any()


def test_some_images_have_the_shares_of_all() -> None:
    indices = torch.arange(10_000)
    classes = in_shares([1] * 10, indices)
    for num in (500, 1_000, 3_000):
        assert ((classes[spread(indices, num)].bincount(minlength=10) / num - 0.1).abs() < 0.02).all()
    logits = torch.nn.functional.one_hot(classes, 10) * 20.0
    score = InceptionScore(num_classes=10)  # whose splits are chosen by such a sequence, too
    score.update(logits)
    values = score.compute()
    assert values["inception_score"] == pytest.approx(10, rel=0.01)


def test_an_image_has_its_class_whatever_is_drawn_beside_it() -> None:
    indices = torch.arange(100)
    whole = in_shares([2, 3, 5], indices)
    assert torch.equal(torch.cat([in_shares([2, 3, 5], part) for part in indices.split(7)]), whole)


def test_shares_are_those_of_the_training_images_or_equal_or_of_no_gan_that_has_no_classes() -> None:
    class Conditional:
        num_classes = 10

    data = MNISTSampleDataModule()
    counts = class_shares(Conditional(), data)
    assert counts == data.class_counts and sum(counts) == len(data.dataset("train"))
    assert class_shares(Conditional(), None) == class_shares(Conditional(), object()) == [1] * 10
    assert class_shares(Conditional(), SimpleNamespace(class_counts=[0] * 10)) == [1] * 10  # none but test images
    assert class_shares(Conditional(), SimpleNamespace(class_counts=torch.tensor([3, 0, 4]))) == [3, 0, 4]
    unread = MNISTSampleDataModule()
    assert class_shares(GAN(), unread) is None and not unread._datasets
    assert GaussianDataModule().class_counts is None


@pytest.mark.parametrize("counts", [[1] * 11, [3, -1]], ids=str)
def test_counts_that_are_none_of_the_gan_are_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match=r"class_counts of SimpleNamespace must be .* the 10 classes of .* got"):
        class_shares(SimpleNamespace(num_classes=10), SimpleNamespace(class_counts=counts))
