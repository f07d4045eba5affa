"""Which features judge colour images rightly where Inception is not at hand? Known corruptions, for several candidates.

    pip install scikit-image scikit-learn    # for their photographs
    python -m benchmarks.rgb_features

Two data sets, 3,000 images to judge, as many others to compare with, and 3,000 to train on or to learn by heart:
crops of ten photographs at 32 px, a class each, and drawn faces at 64 px, of four classes. Prints a Markdown table for
each: the Fréchet distance of each corruption in multiples of the floor, which is what 3,000 uncorrupted images score,
and how far images are from training images (the mean distance to the nearest in angle) where they are copies that were
shifted by a pixel and hardly visibly noised, in multiples of what unseen images are. Takes ten minutes.
"""

import itertools
import math
import runpy
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2.functional import gaussian_blur

from gan_lightning.metrics import MemorizationInformedDistance, PatchFeatures
from gan_lightning.metrics.frechet import frechet, moments_of

COUNT = 3_000
PHOTOS = {
    "skimage": (
        *("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "ihc.png"),
        *("motorcycle_left.png", "retina.jpg", "rocket.jpg"),
    ),
    "sklearn": ("china.jpg", "flower.jpg"),
}
FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
DRAWING = Path(__file__).parents[1] / "tests" / "datamodules" / "drawn_faces.py"
EPOCHS = 8
Features = Callable[[Tensor], Tensor]
Labelled = tuple[Tensor, Tensor]


def photos(count: int, seed: int, side: int = 32) -> Labelled:
    """Square crops of photographs, of any place and size, half of them mirrored."""
    found = {package: find_spec(package) for package in PHOTOS}
    paths = [
        Path(str(found[package].origin)).parent / FOLDERS[package] / name  # type: ignore[union-attr]
        for package, names in PHOTOS.items()
        for name in names
    ]
    pictures = [Image.open(path).convert("RGB") for path in paths]
    random = np.random.default_rng(seed)
    crops = []
    for number in range(count):
        picture = pictures[number % len(pictures)]
        size = int(random.integers(2 * side, min(picture.size) // 2))
        left, top = (int(random.integers(0, whole - size)) for whole in picture.size)
        crop = np.asarray(picture.crop((left, top, left + size, top + size)).resize((side, side), Image.Resampling.BOX))
        crops.append(crop[:, ::-1] if random.random() < 0.5 else crop)
    return _tensor(crops), torch.arange(count) % len(pictures)


def faces(count: int, seed: int, side: int = 64) -> Labelled:
    """Drawn faces; the class says whether the hair is fair and whether there is a hat."""
    drawing = runpy.run_path(str(DRAWING))
    columns = [drawing["ATTRIBUTES"].index(name) for name in ("Blond_Hair", "Wearing_Hat")]
    numbers = range(seed * 10**6, seed * 10**6 + count)
    pictures = [drawing["draw_face"](number).crop((0, 20, 178, 198)) for number in numbers]
    signs = torch.tensor([[drawing["draw_attributes"](number)[column] > 0 for column in columns] for number in numbers])
    return _tensor(
        [picture.resize((side, side), Image.Resampling.BOX) for picture in pictures]
    ), signs.long() @ torch.tensor([1, 2])


def _tensor(pictures: list[Any]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(picture).transpose(2, 0, 1) for picture in pictures]))


class Convolutions(nn.Module):
    """A small network: (N, 3, 32, 32) in [-1, 1] -> (N, 128), and the classifier on it."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 64)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)]
            layers += [nn.AvgPool2d(2)]
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 128), nn.LeakyReLU(0.1))
        self.classes = nn.Linear(128, num_classes)


def trained(images: Tensor, labels: Tensor | None) -> Convolutions:
    """A network that tells classes, or, without labels, turned images (Gidaris et al., 2018, arXiv:1803.07728)."""
    torch.manual_seed(0)
    network = Convolutions(4 if labels is None else int(labels.max()) + 1)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    inputs = small(images)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(inputs)).split(128):
            batch = inputs[rows]
            goals = torch.randint(4, (len(rows),)) if labels is None else labels[rows]
            if labels is None:
                batch = torch.stack(
                    [image.rot90(int(turns), (1, 2)) for image, turns in zip(batch, goals, strict=True)]
                )
            loss = F.cross_entropy(network.classes(network.features(batch)), goals)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


def small(pixels: Tensor) -> Tensor:
    """Images of 32 px in [-1, 1]."""
    return F.adaptive_avg_pool2d(pixels.float(), 32) / 127.5 - 1


def random_features() -> Features:
    """Means and deviations of the maps of a network that nobody trained."""
    torch.manual_seed(0)
    widths = (3, 32, 64, 128)
    kernels = [
        torch.randn(after, before, 3, 3) * math.sqrt(2 / (9 * before)) for before, after in itertools.pairwise(widths)
    ]

    def features(pixels: Tensor) -> Tensor:
        maps, found = small(pixels), []
        for kernel in kernels:
            maps = F.leaky_relu(F.conv2d(maps, kernel, padding=1), 0.2)
            found += [maps.std((2, 3))]
            maps = F.avg_pool2d(maps, 2)
        return torch.cat([*found, maps.mean((2, 3))], 1)

    return features


def candidates(images: Tensor, labels: Tensor) -> dict[str, Features]:
    """Features by name; some are trained on these images."""
    patches = PatchFeatures()
    turned, told = trained(images, None), trained(images, labels)
    return {
        "thumbnails": lambda pixels: patches(pixels)[:, :192],
        "band energies": lambda pixels: patches(pixels)[:, 192:],
        "PatchFeatures": patches,
        "random network": random_features(),
        "turns (self-supervised)": lambda pixels: turned.features(small(pixels)),
        "classifier": lambda pixels: told.features(small(pixels)),
    }


def noised(pixels: Tensor, deviation: float) -> Tensor:
    """With normal noise, in grey levels."""
    random = torch.Generator().manual_seed(1)
    noise = deviation * torch.randn(pixels.shape, generator=random)
    return (pixels.float() + noise).round().clamp(0, 255).to(torch.uint8)


def blurred(pixels: Tensor, sigma: float) -> Tensor:
    """By a Gaussian, in pixels."""
    found: Tensor = gaussian_blur(pixels, [2 * round(3 * sigma) + 1] * 2, [sigma] * 2)
    return found


def shuffled(pixels: Tensor, cells: int) -> Tensor:
    """With the cells of a grid in random order."""
    side = pixels.shape[2] // cells
    parts = pixels.unflatten(3, (cells, side)).unflatten(2, (cells, side)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    random = torch.Generator().manual_seed(1)
    parts = torch.stack([image[torch.randperm(cells**2, generator=random)] for image in parts])
    whole: Tensor = parts.unflatten(1, (cells, cells)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
    return whole


def checkered(pixels: Tensor, levels: int) -> Tensor:
    """With the pattern that transposed convolutions leave (Odena et al., 2016)."""
    height, width = pixels.shape[2:]
    signs = (torch.arange(height)[:, None] + torch.arange(width)) % 2 * 2 - 1
    changed: Tensor = (pixels.int() + levels * signs).clamp(0, 255).to(torch.uint8)
    return changed


def corruptions(images: Tensor, labels: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Fakes by name; those of a kind come from the slightest to the worst."""
    classes = int(labels.max()) + 1
    yield "nothing (the floor)", images
    for sigma in (0.5, 1.0, 2.0):
        yield f"blur, sigma {sigma}", blurred(images, sigma)
    for deviation in (5, 10, 20, 40):
        yield f"noise of {deviation} grey levels", noised(images, deviation)
    for levels in (4, 8, 16):
        yield f"checkerboard of {levels} grey levels", checkered(images, levels)
    for present in (classes - 1, classes // 2, 1):
        yield f"{present} of {classes} classes", images[labels < present]
    for count in (500, 100, 20):
        yield f"{count} images repeated", images[torch.arange(len(images)) % count]
    for cells in (2, 4):
        yield f"{cells}x{cells} parts in random order", shuffled(images, cells)


@torch.no_grad()
def table(images: Tensor, labels: Tensor, real: Tensor) -> str:
    """Markdown."""
    learnt = images[COUNT:]
    with torch.enable_grad():
        found = candidates(images, labels)
    rows: dict[str, list[str]] = {}
    for extract in found.values():
        features = batched(extract)
        target, floor = moments_of(features(real)), None
        for name, fakes in corruptions(images[:COUNT], labels[:COUNT]):
            distance = float(frechet(target, moments_of(features(fakes))))
            floor = floor or distance
            rows.setdefault(name, []).append(f"{distance / floor:.2f}")
        nearness = [from_training(features, learnt, fakes) for fakes in (noised(learnt[:1_000].roll(1, 3), 4), real)]
        rows.setdefault("copies, shifted and noised: distance", []).append(f"{nearness[0] / nearness[1]:.2f}")
    lines = [f"| fakes | {' | '.join(found)} |", f"| --- {'| --- ' * len(found)}|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())])


def batched(extract: Features) -> Features:
    """The same, a few images at a time."""
    return lambda pixels: torch.cat([extract(part) for part in pixels.split(500)])


def from_training(features: Features, learnt: Tensor, fakes: Tensor) -> float:
    """How far fakes are from training images."""
    metric = MemorizationInformedDistance()
    metric.update(features(learnt), real=True)
    metric.update(features(fakes), real=False)
    return float(metric.compute()["memorization_distance"])


def main() -> None:
    """Print the tables."""
    print(f"PatchFeatures {PatchFeatures().fingerprint}")
    for name, draw in (("Crops of photographs, 32 px", photos), ("Drawn faces, 64 px", faces)):
        (images, labels), (real, _) = draw(2 * COUNT, 0), draw(COUNT, 1)
        print(f"\n{name}:\n\n{table(images, labels, real)}", flush=True)


if __name__ == "__main__":
    main()
