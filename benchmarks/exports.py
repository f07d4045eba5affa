"""What an ONNX export of each GAN's generator costs, and by how much its images differ from PyTorch's.

    python -m benchmarks.exports --threads 1

The networks are those of benchmarks/speed.py, 28 px, with random weights; ProGAN's is fully grown; those that translate
images have their own sizes at 128 px. Prints Markdown: the largest difference of a pixel in [-1, 1] over 1,000 latents,
or 10 images, and milliseconds of one image at a time, medians of eleven.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import torch

import gan_lightning
from benchmarks.mnist import device, git_commit
from benchmarks.speed import GANS, build
from gan_lightning.commands.export import CHECKED, WRITERS, compare
from gan_lightning.modules.cyclegan import CycleGAN
from gan_lightning.modules.pix2pix import Pix2Pix
from gan_lightning.networks import grow

FOREVER = 10**9
"""Images after which any network has grown."""
TRANSLATORS = {"CycleGAN": CycleGAN, "Pix2Pix": Pix2Pix}
SHAPE = (3, 128, 128)
"""Of what they translate."""


def row(name: str, folder: Path) -> str:
    """Of the table."""
    torch.manual_seed(0)
    kind = TRANSLATORS.get(name)
    gan = (kind(image_shape=SHAPE) if kind else build(name)).eval()
    if isinstance(gan, gan_lightning.ProGAN):
        grow(gan, FOREVER)
    path = folder / f"{name}.onnx"
    found = compare(gan, WRITERS[".onnx"](gan, path), CHECKED[name in TRANSLATORS])
    size = path.stat().st_size / 2**20
    return f"| {name} | {size:.1f} | {found.difference:.1e} | {found.milliseconds:.2f} | {found.in_torch:.2f} |"


def main() -> None:
    """Print a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    warnings.simplefilter("ignore")
    print(f"{device()}, commit {git_commit()}\n")
    print("| GAN | MiB | difference | ONNX Runtime, ms | PyTorch, ms |\n" + "| --- " * 5 + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for name in sorted([*GANS, *TRANSLATORS, "ProGAN"]):
            print(row(name, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
