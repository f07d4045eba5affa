import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.image.fid import FrechetInceptionDistance

from gan_lightning.metrics import MNISTFeatures, PrecisionRecall, mnist_features
from gan_lightning.metrics.image_set import ImageSet
from gan_lightning.metrics.scores import Judge

ROOT = Path(os.environ.get("GAN_LIGHTNING_MNIST", Path(__file__).parents[2] / ".." / "shared" / "data"))
needs_mnist = pytest.mark.skipif(not (ROOT / "MNIST" / "raw").is_dir(), reason=f"MNIST is not below {ROOT}")


@pytest.fixture
def pixels() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (16, 1, 28, 28), dtype=torch.uint8, generator=generator)


def test_features_have_the_promised_shape_and_all_vary(pixels):
    features = MNISTFeatures()(pixels)
    assert features.shape == (16, MNISTFeatures.num_features)
    assert features.dtype == torch.float32
    assert (features.std(dim=0) > 0).all()


def test_padding_to_32_pixels_changes_nothing(pixels):
    extractor = MNISTFeatures()
    assert torch.equal(extractor(pixels), extractor(F.pad(pixels, (2, 2, 2, 2))))


def test_features_of_an_image_do_not_depend_on_its_batch(pixels):
    extractor = MNISTFeatures()
    torch.testing.assert_close(extractor(pixels)[3:5], extractor(pixels[3:5]))


@pytest.mark.parametrize("shape", [(1, 27, 27), (1, 28, 32), (1, 64, 64), (3, 28, 28)])
def test_other_sizes_and_colours_are_refused_by_name(shape):
    channels, height, width = shape
    with pytest.raises(ValueError, match=f"got {channels} channels of {height}x{width}: evaluate with PatchFeatures"):
        MNISTFeatures()(torch.zeros(1, *shape, dtype=torch.uint8))


def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    content = bytearray(mnist_features.WEIGHTS.read_bytes())
    content[-1] ^= 1
    damaged = tmp_path / "weights.safetensors"
    damaged.write_bytes(content)
    monkeypatch.setattr(mnist_features, "WEIGHTS", damaged)
    extractor = MNISTFeatures()
    with pytest.raises(ValueError, match=r"is damaged .* sha256"):
        extractor.load()


def test_loading_leaves_the_random_state_alone(pixels):
    before = torch.get_rng_state()
    MNISTFeatures()(pixels)
    assert torch.equal(before, torch.get_rng_state())


def test_weights_are_small_and_their_header_states_the_recorded_accuracy():
    assert mnist_features.WEIGHTS.stat().st_size <= 300_000
    with safe_open(mnist_features.WEIGHTS, framework="pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    assert recipe["test_accuracy"] == mnist_features.TEST_ACCURACY >= 0.992
    assert {"seed", "epochs", "command"} < recipe.keys()


def read_pixels(train: bool) -> tuple[Tensor, Tensor]:
    from torchvision.datasets import MNIST

    split = MNIST(ROOT, train=train, download=False)
    return split.data[:, None], split.targets


@needs_mnist
@pytest.mark.slow
def test_recorded_accuracy_is_reached_and_no_feature_is_dead():
    pixels, labels = read_pixels(train=False)
    extractor = MNISTFeatures()
    features = torch.cat([extractor(chunk) for chunk in torch.split(pixels, 1000)])
    accuracy = (extractor.logits(features).argmax(dim=1) == labels).double().mean().item()
    assert accuracy == pytest.approx(mnist_features.TEST_ACCURACY, abs=2e-4)  # a tie or two on other hardware
    assert features.std(dim=0).min() > 1e-3


@needs_mnist
@pytest.mark.slow
def test_distance_orders_what_is_missing_and_what_is_blurred():
    from torchvision.transforms.v2.functional import gaussian_blur

    metric = FrechetInceptionDistance(MNISTFeatures(), reset_real_features=False)
    reals, _ = read_pixels(train=False)
    for chunk in torch.split(reals, 1000):
        metric.update(chunk, real=True)
    pixels, labels = read_pixels(train=True)
    sets = {
        "same": reals,
        "training images": pixels[:10_000],
        "one class missing": pixels[labels != 5][:10_000],
        "five missing": pixels[labels < 5][:10_000],
        "only ones": pixels[labels == 1],
        "blur 1": gaussian_blur(pixels[:10_000], 7, 1.0),
        "blur 2": gaussian_blur(pixels[:10_000], 13, 2.0),
        "noise": torch.randint(256, (10_000, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
    }
    distance = {}
    for name, fakes in sets.items():
        metric.reset()
        for chunk in torch.split(fakes, 1000):
            metric.update(chunk, real=False)
        distance[name] = metric.compute().item()
    assert distance["same"] == pytest.approx(0, abs=1e-3)
    orders = [
        ["same", "training images", "one class missing", "five missing", "only ones", "noise"],
        ["training images", "blur 1", "blur 2", "noise"],
    ]
    for order in orders:
        values = [distance[name] for name in order]
        assert values == sorted(values)
        assert all(low < high / 1.5 for low, high in pairwise(values))


@needs_mnist
@pytest.mark.slow
def test_recall_and_coverage_see_what_the_distance_hardly_does():
    from torchvision.transforms.v2.functional import gaussian_blur

    extractor, count = MNISTFeatures(), 3_000
    reals = extractor(read_pixels(train=False)[0][:count])
    pixels, labels = read_pixels(train=True)
    noise = torch.randint(256, (count, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def judged(fakes):
        metric = PrecisionRecall()
        metric.update(reals, real=True)
        metric.update(extractor(fakes[:count]), real=False)
        return {name: value.item() for name, value in metric.compute().items()}

    same, five, ones = judged(pixels), judged(pixels[labels < 5]), judged(pixels[labels == 1])
    repeated, blurred, broken = (
        judged(pixels[:300].repeat(10, 1, 1, 1)),
        judged(gaussian_blur(pixels[:count], 7, 1.0)),
        judged(noise),
    )
    assert min(same.values()) > 0.75
    for memorised_or_missing in (five, ones, repeated):
        assert memorised_or_missing["precision"] > 0.75
        assert memorised_or_missing["coverage"] < 0.6 * same["coverage"]
        assert memorised_or_missing["recall"] < 0.7 * same["recall"]
    assert repeated["recall"] < 0.01 and ones["coverage"] < 0.2
    assert blurred["recall"] < 0.1 and blurred["coverage"] < 0.4 * same["coverage"]
    assert max(broken.values()) == 0


@needs_mnist
@pytest.mark.slow
def test_each_metric_sees_the_fault_that_it_is_for():
    from torchvision.transforms.v2.functional import gaussian_blur

    extractor, count = MNISTFeatures(), 8_000

    def image_set(pixels, labels):
        return ImageSet.of(zip(pixels.split(1_000), labels.split(1_000), strict=True), extractor)

    real, training = (image_set(*read_pixels(train)) for train in (False, True))
    known = training[-count:]
    judge = Judge(extractor, real, known, num_classes=10)
    honest = training[:count]
    noise = torch.randint(256, honest.pixels.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sets = {
        "honest": honest,
        "repeated": known[torch.arange(count) % 1_000],
        "five missing": training[training.labels < 5][:count],
        "blurred": image_set(gaussian_blur(honest.pixels, 7, 1.0), honest.labels),
        "noise": image_set(noise, honest.labels),
        "wrong labels": ImageSet(honest.pixels, (honest.labels + 1) % 10, honest.features),
    }
    found = {name: judge.scores(fakes)[0] for name, fakes in sets.items()}

    def ratio(metric, name):
        return float(found[name][metric] / found["honest"][metric])

    assert ratio("mifid", "repeated") > 100 and ratio("memorization_distance", "repeated") < 0.01
    assert ratio("kid_mean", "five missing") > 50 and ratio("kid_mean", "blurred") > 50
    assert ratio("inception_score", "five missing") < 0.6 and ratio("inception_score", "noise") < 0.2
    assert ratio("class_coverage", "five missing") == 0.5 and float(found["five missing"]["class_kl"]) > 0.6
    assert ratio("diversity", "noise") < 0.6 and ratio("diversity", "five missing") < 0.99
    assert float(found["honest"]["accuracy"]) > 0.99 and float(found["wrong labels"]["accuracy"]) < 0.01
    assert ratio("intra_fid", "wrong labels") > 50 and ratio("intra_fid", "blurred") > 10
    assert float(found["honest"]["downstream_accuracy"]) > 0.95
    assert float(found["noise"]["downstream_accuracy"]) < 0.3
    assert float(found["wrong labels"]["downstream_accuracy"]) < 0.05
