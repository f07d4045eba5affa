"""What values of `fid_mnist` and its relatives mean: known corruptions of MNIST against its 10,000 test images.

    python benchmarks/fid_mnist_scale.py --root DIR

DIR holds MNIST in torchvision's layout (`DIR/MNIST/raw/*`). Fakes are training images, shuffled once; prints a Markdown
table. Takes some minutes.
"""

import argparse

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchvision.datasets import MNIST
from torchvision.transforms.v2.functional import gaussian_blur

from gan_lightning.metrics import FeatureSets, KernelDistance, MNISTFeatures, PrecisionRecall

FAKES = 10_000


class Features(nn.Identity):
    """What torchmetrics takes for an extractor, where images are features already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def read_pixels(root: str, train: bool) -> tuple[Tensor, Tensor]:
    """Pixels, uint8 (N, 1, 28, 28), and labels (N,)."""
    split = MNIST(root, train=train, download=False)
    return split.data[:, None], split.targets


def blur(pixels: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of a standard deviation in pixels."""
    blurred: Tensor = gaussian_blur(pixels, [2 * round(3 * sigma) + 1] * 2, [sigma] * 2)
    return blurred


def corruptions(pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Fakes by name, in the order of the table."""
    sets = {f"{n} training images (the floor)": pixels[:n] for n in (100, 500, 1_000, 2_000, 5_000, 10_000)}
    some = pixels[:FAKES]
    salt = torch.rand(some.shape) < 0.1
    return sets | {
        "1,000 training images repeated x10": pixels[:1_000].repeat(10, 1, 1, 1),
        "one class missing (the 5)": pixels[labels != 5][:FAKES],
        "five classes missing (5 to 9)": pixels[labels < 5][:FAKES],
        "only 1s": pixels[labels == 1][:FAKES],
        "one digit repeated": pixels[:1].repeat(FAKES, 1, 1, 1),
        **{f"blur, sigma {sigma}": blur(some, sigma) for sigma in (0.5, 1.0, 2.0)},
        "salt noise, 10 % of the pixels": some.masked_fill(salt, 255),
        "uniform noise": torch.randint(256, some.shape, dtype=torch.uint8),
    }


def judged(reals: Tensor, fakes: Tensor) -> list[float | None]:
    """The columns of the table, of features (N, F); None for the kernel distance of too few."""
    distance = FrechetInceptionDistance(Features(reals.shape[1]))
    metrics: list[FeatureSets] = [PrecisionRecall(), *([KernelDistance()] if len(fakes) >= 1_000 else [])]
    for metric in (distance, *metrics):
        metric.update(reals, real=True)
        metric.update(fakes, real=False)
    found = {name: float(value) for metric in metrics for name, value in metric.compute().items()}
    names = ["kid_mean", "precision", "recall", "density", "coverage"]
    return [float(distance.compute()), *(found.get(name) for name in names)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="folder that holds MNIST/raw")
    root = parser.parse_args().root
    torch.manual_seed(0)
    extractor = MNISTFeatures()
    reals = extractor(read_pixels(root, train=False)[0])
    pixels, labels = read_pixels(root, train=True)
    order = torch.randperm(len(pixels))
    titles = [f"fid_mnist (MNISTFeatures {extractor.fingerprint})", "KID", "precision", "recall", "density", "coverage"]
    print(f"| fakes | {' | '.join(titles)} |\n| --- {'| --- ' * len(titles)}|")
    for name, fakes in corruptions(pixels[order], labels[order]).items():
        values = judged(reals, torch.cat([extractor(chunk) for chunk in fakes.split(1_000)]))
        print(f"| {name} | {' | '.join('-' if value is None else f'{value:.3f}' for value in values)} |", flush=True)


if __name__ == "__main__":
    main()
