"""Train GANs at 64 px on drawn faces in CelebA's layout, and make docs/faces.png: drawings, and samples of each GAN.

    python -m scripts.train_drawn_faces --runs runs/faces

The drawings, 5,000 by default, are those of the tests (tests/datamodules/drawn_faces.py). Everything goes through
the command line of the package, and goes on where it stopped. Samples are not chosen; those of the conditional GAN are
the four classes in turn: neither attribute, fair hair, a hat, both.
"""

import argparse
import runpy
import shutil
from pathlib import Path

import torch

from gan_lightning.commands.cli import GANCLI
from scripts.make_gallery import COLUMNS, ROWS, draw_sheet, sample_pixels

ROOT = Path(__file__).parents[1]
DRAWING = ROOT / "tests" / "datamodules" / "drawn_faces.py"
TRAINING = ["--model.lr=5e-4", "--model.betas=[0.5, 0.99]", "--trainer.max_steps=4000", "--trainer.max_epochs=-1"]
WIDTH = ["--model.width=32"]
EXPERIMENTS = {
    "dcgan": WIDTH,
    "sngan": ["--model.width=16", "--model.max_width=128"],
    "conditional_dcgan": [*WIDTH, "--trainer.max_steps=3000", "--data.attributes=[Blond_Hair, Wearing_Hat]"],
}


def train(name: str, root: Path, runs: Path) -> GANCLI:
    """Train, and go on if there is a checkpoint."""
    files = ["configs/data/celeba.yaml", f"configs/model/{name}.yaml", "configs/trainer/no_evaluation.yaml"]
    configs = [word for file in files for word in ("--config", str(ROOT / file))]
    places = [f"--data.root={root}", f"--trainer.default_root_dir={runs}", f"--run_name={name}", "--ckpt_path=last"]
    return GANCLI(["fit", *configs, *TRAINING, *EXPERIMENTS[name], *places])


def main() -> None:
    """Draw, train, sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/faces"), help="where drawings and runs are kept")
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--only", nargs="+", default=[*EXPERIMENTS], choices=[*EXPERIMENTS])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    root = arguments.runs / "data"
    if not (root / "list_eval_partition.txt").exists():  # written last
        shutil.rmtree(root, ignore_errors=True)
        runpy.run_path(str(DRAWING))["write_celeba"](root, arguments.images)
    for name in arguments.only:
        cli = train(name, root, arguments.runs)
    drawn = cli.datamodule.dataset("train").pixels[: COLUMNS * ROWS]
    checkpoints = {name: arguments.runs / name / "checkpoints" / "last.ckpt" for name in EXPERIMENTS}
    samples = {name: sample_pixels(path) for name, path in checkpoints.items() if path.exists()}
    draw_sheet({"drawn": drawn, **samples}, ROOT / "docs" / "faces.png")


if __name__ == "__main__":
    main()
