"""Make the sample of MNIST that the package bundles: two contact sheets of digits, ordered by class.

Of each class it takes 1,000 training and 250 test digits, evenly spaced in the order of MNIST's files, so that
early and late writers are equally present. The same files give the same pixels. Run it with the package installed:

    python scripts/make_mnist_sample.py --root ../shared/data --out datamodules/mnist_sample
"""

import argparse
import hashlib
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from datamodules.mnist import SHEETS, MNISTDataModule


def evenly_spaced(count: int, chosen: int) -> Tensor:
    """Indices of `chosen` out of `count` things, evenly spaced.

    Example:
        >>> evenly_spaced(10, 4)
        tensor([0, 2, 5, 7])
    """
    return torch.arange(chosen) * count // chosen


def balanced(labels: Tensor, per_class: int) -> Tensor:
    """Indices of `per_class` images of each of the ten classes, class by class.

    Args:
        labels: (N,) in [0, 10).
        per_class: At most as many as the rarest class has.

    Returns:
        (10 * per_class,) int64, ascending within each class.
    """
    members = ((labels == digit).nonzero().flatten() for digit in range(10))
    return torch.cat([images[evenly_spaced(len(images), per_class)] for images in members])


def contact_sheet(pixels: Tensor, side: int) -> Tensor:
    """Lay side * side images of shape (28, 28) out row by row, without gaps: (side * 28, side * 28)."""
    return pixels.view(side, side, 28, 28).transpose(1, 2).reshape(side * 28, side * 28)


def make_sample(root: str, out: Path) -> None:
    """Write both sheets and print the checksums that `datamodules/mnist.py` holds."""
    data = MNISTDataModule(root)
    out.mkdir(parents=True, exist_ok=True)
    for source, sheet in SHEETS.items():
        pixels, labels = data.read_digits(source)
        chosen = pixels[balanced(labels, sheet.side**2 // 10)]
        path = out / sheet.name
        Image.fromarray(contact_sheet(chosen, sheet.side).numpy()).save(path, optimize=True)
        print(path, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder that holds MNIST/raw")
    parser.add_argument("--out", type=Path, default=Path("datamodules/mnist_sample"), help="folder of the sheets")
    arguments = parser.parse_args()
    make_sample(arguments.root, arguments.out)
