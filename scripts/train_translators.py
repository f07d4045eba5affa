"""Train Pix2Pix on edges of drawn faces, and CycleGAN on faces by day and by night, and make docs/translation.png.

    python -m scripts.train_translators --runs runs/translation

Draws the images (scripts/draw_pairs.py) unless they are there, goes through the command line of the package, and goes
on where it stopped. The picture has held-out images that were not chosen: of each, the source, its translation, and the
target of Pix2Pix or the translation back of CycleGAN.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image

from gan_lightning.commands.cli import GANCLI
from scripts.draw_pairs import draw

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "translation.png"
SMALL = ["--data.image_size=64", "--data.batch_size=4", "--last.every_n_steps=250"]
EXPERIMENTS = {
    "pix2pix": ("pairs", ("edges", "faces"), ["--model.width=32", "--trainer.max_steps=6000"]),
    "cyclegan": ("unpaired", ("day", "night"), ["--model.width=16", "--trainer.max_steps=4000"]),
}
"""Configuration of the data, sources and targets, and options."""


def train(name: str, runs: Path, images: Path) -> Path:
    """Train, and go on if there is a checkpoint; returns the last grid."""
    data, (sources, targets), own = EXPERIMENTS[name]
    files = [ROOT / "configs" / f"{file}.yaml" for file in (f"data/{data}", f"model/{name}")]
    configs = [word for file in files for word in ("--config", str(file))]
    folders = [f"--data.sources={images / sources}", f"--data.targets={images / targets}"]
    places = [f"--trainer.default_root_dir={runs}", f"--run_name={name}", "--ckpt_path=last"]
    run = GANCLI(["fit", *configs, *folders, *SMALL, *own, *places]).run_directory
    return max((run / "samples").glob("*.png"))


def main() -> None:
    """Draw, train, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/translation"), help="where images and runs are kept")
    parser.add_argument("--images", type=int, default=1_000, help="of each kind")
    parser.add_argument("--only", nargs="+", default=[*EXPERIMENTS], choices=[*EXPERIMENTS])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = arguments.runs / "images"
    draw(images, arguments.images)
    grids = [Image.open(train(name, arguments.runs, images)) for name in arguments.only]
    whole = Image.new("RGB", (max(grid.width for grid in grids), sum(grid.height for grid in grids)), "white")
    for k, grid in enumerate(grids):
        whole.paste(grid, (0, sum(other.height for other in grids[:k])))
    if arguments.only == [*EXPERIMENTS]:
        whole.save(PICTURE, optimize=True)
        print(f"Wrote {PICTURE}.")


if __name__ == "__main__":
    main()
