"""Features of patches: against an independent derivation, and in the order of what was done to images."""

import itertools
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from gan_lightning.metrics import FrechetDistance, MNISTFeatures, PatchFeatures, PrecisionRecall, features_for
from gan_lightning.metrics.patch_features import EDGES, QUIET

DRAWING = Path(__file__).parents[1] / "datamodules" / "drawn_faces.py"


def test_features_are_those_of_their_definition() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (3, 32, 16), dtype=np.uint8)
    image = pixels / 255
    means = image.reshape(3, 8, 4, 8, 2).mean((2, 4)).ravel()
    luma = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    logs = []
    for colour in np.tensordot(luma, image, 1):
        for low, high in itertools.pairwise(EDGES):
            for top, left in ((0, 0), (0, 8), (16, 0), (16, 8)):
                blocks = [colour[top + down : top + down + 8, left : left + 8] for down in (0, 8)]
                energies = [
                    np.mean(
                        [
                            dctn(block, norm="ortho")[i, j] ** 2
                            for i in range(8)
                            for j in range(8)
                            if low < i + j <= high
                        ]
                    )
                    for block in blocks
                ]
                logs.append(math.log(np.mean(energies) + QUIET) / 4)
    features = PatchFeatures()(torch.from_numpy(pixels)[None])
    np.testing.assert_allclose(features[0].numpy(), np.concatenate([means, logs]), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 23), (28, 28), (64, 48), (33, 120)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_grey_images_are_taken(channels: int, height: int, width: int) -> None:
    pixels = torch.randint(0, 256, (3, channels, height, width), dtype=torch.uint8)
    features = PatchFeatures()(pixels)
    assert features.shape == (3, PatchFeatures.num_features)
    assert features.isfinite().all()
    assert torch.equal(features, PatchFeatures()(pixels.expand(-1, 3, -1, -1)))


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 16x16 pixels, got 15x40"):
        PatchFeatures()(torch.zeros(1, 3, 15, 40, dtype=torch.uint8))


def test_the_fingerprint_is_that_of_the_published_tables() -> None:
    assert PatchFeatures().fingerprint == "0684128a"  # docs/judging.md


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((1, 28, 28), MNISTFeatures),
        ((1, 32, 32), MNISTFeatures),
        ((3, 32, 32), PatchFeatures),
        ((1, 64, 64), PatchFeatures),
    ],
)
def test_images_have_features_that_suit_them(shape: tuple[int, ...], kind: type) -> None:
    assert type(features_for(shape)) is kind


@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 8, 8), (3, 15, 64)])
def test_small_images_have_none(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="PatchFeatures judges images of at least 16x16"):
        features_for(shape)


@pytest.fixture(scope="module")
def faces() -> tuple[Tensor, Tensor]:
    """Drawn faces at 32 px, and whether they have a hat."""
    drawing = runpy.run_path(str(DRAWING))
    column = drawing["ATTRIBUTES"].index("Wearing_Hat")
    pictures = [drawing["draw_face"](seed).resize((32, 32)) for seed in range(900)]
    hats = [drawing["draw_attributes"](seed)[column] > 0 for seed in range(900)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), torch.tensor(hats)


def test_faults_are_in_their_order_and_above_the_floor(faces: tuple[Tensor, Tensor]) -> None:
    images, hats = faces
    real, fakes, hats = images[:450], images[450:], hats[450:]
    metric = FrechetDistance(PatchFeatures(), reset_real_features=False)
    metric.update(real, real=True)

    def distance(pixels: Tensor) -> float:
        metric.reset()
        metric.update(pixels, real=False)
        return float(metric.compute())

    def noised(levels: int) -> Tensor:
        noise = levels * torch.randn(fakes.shape, generator=torch.Generator().manual_seed(0))
        return (fakes + noise).round().clamp(0, 255).to(torch.uint8)

    floor = distance(fakes)
    kinds = {
        "blur": [gaussian_blur(fakes, [9, 9], [sigma, sigma]) for sigma in (0.5, 1.0, 2.0)],
        "noise": [noised(levels) for levels in (10, 20, 40)],
        "few images": [fakes[torch.arange(450) % count] for count in (100, 20, 1)],
        "upside down": [fakes.flip(2)],
        "no hats": [fakes[~hats]],
    }
    for name, worse in kinds.items():
        distances = [floor, *map(distance, worse)]
        assert distances == sorted(distances), name
        assert distances[1] > 1.2 * floor, name


def test_a_few_faces_for_ever_have_precision_but_no_coverage(faces: tuple[Tensor, Tensor]) -> None:
    extractor, images = PatchFeatures(), faces[0]
    metric = PrecisionRecall()
    metric.update(extractor(images[:450]), real=True)
    metric.update(extractor(images[450:][torch.arange(450) % 9]), real=False)
    found = metric.compute()
    assert found["precision"] > 0.5
    assert found["recall"] < 0.1
    assert found["coverage"] < 0.2
