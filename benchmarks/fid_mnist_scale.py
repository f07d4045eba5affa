"""What values of `fid_mnist` and its relatives mean: known corruptions of MNIST against its 10,000 test images.

    python benchmarks/fid_mnist_scale.py --root DIR

DIR holds MNIST in torchvision's layout (`DIR/MNIST/raw/*`). Fakes are training images, shuffled once; whether they
repeat training images is asked of 10,000 others, among them the thousand that one row repeats. Prints two Markdown
tables. Takes ten minutes.
"""

import argparse
from collections.abc import Iterator

import torch
from torch import Tensor
from torchvision.datasets import MNIST
from torchvision.transforms.v2.functional import gaussian_blur

from gan_lightning.metrics import MNISTFeatures
from gan_lightning.metrics.image_set import ImageSet
from gan_lightning.metrics.scores import Judge

FAKES = 10_000
TABLES = (
    ("fid_mnist", "kid_mean", "precision", "recall", "density", "coverage", "diversity"),
    (
        "mifid",
        "memorization_distance",
        "inception_score",
        "class_coverage",
        "class_kl",
        "certainty",
        "intra_fid",
        "downstream_accuracy",
    ),
)


def read_images(root: str, train: bool, extractor: MNISTFeatures) -> ImageSet:
    """A split of MNIST with its features."""
    split = MNIST(root, train=train, download=False)
    parts = zip(split.data[:, None].split(1_000), split.targets.split(1_000), strict=True)
    return ImageSet.of(parts, extractor)


def blur(pixels: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of a standard deviation in pixels."""
    blurred: Tensor = gaussian_blur(pixels, [2 * round(3 * sigma) + 1] * 2, [sigma] * 2)
    return blurred


def corruptions(images: ImageSet, repeated: ImageSet, extractor: MNISTFeatures) -> Iterator[tuple[str, ImageSet]]:
    """Fakes by name, in the order of the table."""

    def changed(pixels: Tensor) -> ImageSet:
        return ImageSet.of(zip(pixels.split(1_000), images.labels.split(1_000), strict=False), extractor)

    for count in (100, 500, 1_000, 2_000, 5_000, 10_000):
        yield f"{count:,} training images (the floor)", images[:count]
    yield "1,000 training images repeated x10", repeated[torch.arange(FAKES) % len(repeated)]
    classes = [(images.labels == digit).nonzero().flatten()[: FAKES // 10] for digit in range(10)]
    yield "1,000 training images of each class", images[torch.cat(classes)]
    yield "one class missing (the 5)", images[images.labels != 5][:FAKES]
    yield "five classes missing (5 to 9)", images[images.labels < 5][:FAKES]
    yield "only 1s", images[images.labels == 1][:FAKES]
    yield "one digit repeated", images[torch.zeros(FAKES, dtype=torch.int64)]
    some = images.pixels[:FAKES]
    for sigma in (0.5, 1.0, 2.0):
        yield f"blur, sigma {sigma}", changed(blur(some, sigma))
    yield "salt noise, 10 % of the pixels", changed(some.masked_fill(torch.rand(some.shape) < 0.1, 255))
    yield "uniform noise", changed(torch.randint(256, some.shape, dtype=torch.uint8))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="folder that holds MNIST/raw")
    root = parser.parse_args().root
    torch.manual_seed(0)
    extractor = MNISTFeatures()
    real, images = (read_images(root, train, extractor) for train in (False, True))
    images = images[torch.randperm(len(images))]
    judge = Judge(extractor, real, training=images[-FAKES:], num_classes=10)
    rows = []
    for name, fakes in corruptions(images[:-FAKES], images[-1_000:], extractor):
        values, _ = judge.scores(fakes)
        rows.append((name, {metric: float(value) for metric, value in values.items()}))
    print(f"MNISTFeatures {extractor.fingerprint}")
    for metrics in TABLES:
        print(f"\n| fakes | {' | '.join(metrics)} |\n| --- {'| --- ' * len(metrics)}|")
        for name, found in rows:
            cells = (f"{found[metric]:.4g}" if metric in found else "-" for metric in metrics)
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
