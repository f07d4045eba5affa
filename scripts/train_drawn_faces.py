"""Train GANs at 64 px on drawn faces in CelebA's layout, and make docs/faces.png: drawings, and samples of each GAN.

    python -m scripts.train_drawn_faces --runs runs/faces             # train what is missing, judge all, draw
    python -m scripts.train_drawn_faces --runs runs/faces --export    # ship the best that has at most 1 MB, too

The drawings, 5,000 by default, are those of the tests (tests/datamodules/drawn_faces.py). Everything goes through
the command line of the package, and goes on where it stopped. Samples are not chosen; those of the conditional GAN are
the four classes in turn: neither attribute, fair hair, a hat, both. The score is ``fid_patches``, of the validation
images here, and of the test images in the card of what is shipped.
"""

import argparse
import runpy
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

import gan_lightning
from benchmarks.mnist import git_commit
from datamodules import CelebADataModule
from gan_lightning.commands.cli import GANCLI
from gan_lightning.metrics import PatchFeatures
from gan_lightning.pretrained import save_generator
from scripts.export_pretrained import judged, ship
from scripts.make_gallery import COLUMNS, ROWS, draw_sheet, sample_pixels

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "faces.png"
DRAWING = ROOT / "tests" / "datamodules" / "drawn_faces.py"
FALLING = [f"--model.{player}_optimizer.lr_schedule=linear" for player in ("generator", "discriminator")]
TRAINING = ["--trainer.max_steps=4000", "--last.every_n_steps=250"]
AUGMENTED = ["--model.stabilizers=[{class_path: DiffAugment}]"]
"""5,000 images are few: without it D soon tells the backgrounds, which are noise, from G's, and G learns no more."""
DCGAN = ["--model.width=16", "--model.lr=5e-4", "--model.betas=[0.5, 0.99]"]
ADAM = [f"--model.{player}_optimizer=Adam" for player in ("generator", "discriminator")]
EXPERIMENTS = {
    "dcgan": ("model/dcgan", [*DCGAN, *ADAM, *FALLING, *AUGMENTED]),
    "resnet": (
        "experiment/celeba_resnet",
        ["--model.generator.width=8", "--model.generator.max_width=64", "--model.discriminator.width=16", *AUGMENTED],
    ),
    "conditional_dcgan": (
        "model/conditional_dcgan",
        [*DCGAN, *ADAM, *FALLING, *AUGMENTED, "--data.attributes=[Blond_Hair, Wearing_Hat]"],
    ),
    "sngan": (
        "experiment/mnist_sngan",
        [
            *(*AUGMENTED, "--model.networks=residual", "--model.lr=5e-4", "--model.n_critic=2"),
            *("--model.discriminator_optimizer.lr=5e-4", "--data.flip=false", "--trainer.max_steps=2000"),
        ],
    ),
    "wgangp": ("experiment/mnist_wgangp", ["--data.flip=false", "--trainer.max_steps=1000"]),
}
"""A configuration, and options."""
MAX_SIZE = 2**20
"""Bytes of a generator that may come with the package."""


def options(name: str, root: Path) -> list[str]:
    """What follows ``gan-lightning fit``."""
    config, own = EXPERIMENTS[name]
    files = ["data/celeba", config]
    configs = [str(ROOT / "configs" / f"{file}.yaml") for file in files]
    return [word for file in configs for word in ("--config", file)] + [f"--data.root={root}", *TRAINING, *own]


def train(name: str, root: Path, runs: Path) -> Path:
    """Train, and go on if there is a checkpoint; returns the last one."""
    places = [f"--trainer.default_root_dir={runs}", f"--run_name={name}", "--ckpt_path=last"]
    return GANCLI(["fit", *options(name, root), *places]).run_directory / "checkpoints" / "last.ckpt"


def judge(path: Path, root: Path) -> dict[str, Any]:
    """The score on the validation images, and the size of the generator in a file of its own."""
    data = CelebADataModule(str(root), image_size=64, batch_size=250)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "g.safetensors"
        save_generator(gan_lightning.load(path), file, {})
        return {**judged(file, data, PatchFeatures(), "validate"), "bytes": file.stat().st_size}


def main() -> None:
    """Draw, train, judge, sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/faces"), help="where drawings and runs are kept")
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--only", nargs="+", default=[*EXPERIMENTS], choices=[*EXPERIMENTS])
    parser.add_argument("--export", action="store_true", help="ship the best of those that are small enough")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    root = arguments.runs / "data"
    if not (root / "list_eval_partition.txt").exists():  # written last
        shutil.rmtree(root, ignore_errors=True)
        runpy.run_path(str(DRAWING))["write_celeba"](root, arguments.images)
    checkpoints = {name: train(name, root, arguments.runs) for name in arguments.only}
    scores = {name: judge(path, root) for name, path in checkpoints.items()}
    for name, score in scores.items():
        print(f"{name}: {score['metric']} {score['value']}, {score['bytes'] / MAX_SIZE:.2f} MiB")
    if arguments.export:
        small = [name for name in scores if scores[name]["bytes"] < MAX_SIZE and "conditional" not in name]
        best = min(small, key=lambda name: scores[name]["value"])
        card = {
            "data": f"{arguments.images:,} drawn faces",
            "command": f"python -m scripts.train_drawn_faces --only {best}",
            "seed": 0,
            "commit": git_commit(),
        }
        data = CelebADataModule(str(root), image_size=64, batch_size=250)
        ship(f"{best}-faces", gan_lightning.load(checkpoints[best]), card, data, PatchFeatures())
    drawn = CelebADataModule(str(root), image_size=64).dataset("train").pixels[: COLUMNS * ROWS]
    draw_sheet({"drawn": drawn, **{name: sample_pixels(path) for name, path in checkpoints.items()}}, PICTURE)


if __name__ == "__main__":
    main()
