"""Why SNGAN and its heirs were slow to learn on MNIST: one thing or two changed at a time, 1,000 updates of G each.

    python -m benchmarks.sngan --root data                       # run what is missing
    python -m benchmarks.sngan --root data --only "lr 5e-4"
    python -m benchmarks.sngan --table

Width 16 to 128, 64 real images in each update of D, seed 0. The figures are ``fid_mnist`` of 2,000 samples of the
moving average against the validation images. A result is one JSON file below benchmarks/results/sngan.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import torch

from benchmarks.mnist import HERE, command_line, device, git_commit

RESULTS = HERE / "results" / "sngan"
UPDATES = (500, 1_000)
WIDTHS = ["--model.width=16", "--model.max_width=128"]
QUICK = ["--model.lr=1e-3", "--model.betas=[0.5, 0.99]"]
GENERATORS = {
    "DCGAN": "{class_path: DCGANGenerator, init_args: {image_shape: [1, 28, 28], width: 32}}",
    "residual": "{class_path: ResNetGenerator, init_args: {image_shape: [1, 28, 28], latent_dim: 100, width: 16, "
    "max_width: 128}}",
}
JUDGE = "{class_path: DCGANDiscriminator, init_args: {image_shape: [1, 28, 28], width: 32}}"


def sngan(*options: str, d_lr: str | None = None, gan: str = "sngan") -> list[str]:
    """SNGAN, or another GAN, with options, and with a learning rate of D's own."""
    own = [] if d_lr is None else ["--model.discriminator_optimizer=Adam", f"--model.discriminator_optimizer.lr={d_lr}"]
    return ["--config", f"configs/model/{gan}.yaml", *WIDTHS, *options, *own]


def judged_by_dcgan(generator: str) -> list[str]:
    """Another G in DCGAN's game, with DCGAN's D."""
    networks = [f"--model.generator={GENERATORS[generator]}", f"--model.discriminator={JUDGE}"]
    return ["--model=AdversarialModule", *networks, "--model.loss=NonSaturatingLoss", *QUICK]


LR, THREE, STRIDED = "--model.lr=5e-4", "--model.n_critic=3", "--model.networks=strided"
FIRST = [LR, "--model.n_critic=2"]  # the first recipes of all, with D's lr 2e-3
BEST = [STRIDED, "--model.lr=1e-3", "--model.n_critic=1"]  # with D's lr 4e-3
ROWS = {
    "lr 2e-4, betas (0, 0.9), n_critic 1 (the paper's)": sngan(),
    "D's lr 8e-4": sngan(d_lr="8e-4"),
    "lr 1e-3, betas (0.5, 0.99), D's lr 4e-3": sngan(*QUICK, d_lr="4e-3"),
    "lr 5e-4": sngan(LR),
    "lr 5e-4, n_critic 3": sngan(LR, THREE),
    "lr 5e-4, n_critic 3, non-saturating loss": sngan(LR, THREE, "--model.loss=NonSaturatingLoss"),
    "lr 5e-4, n_critic 3, betas (0.5, 0.99)": sngan(LR, THREE, "--model.betas=[0.5, 0.99]"),
    "lr 5e-4, n_critic 2, D's lr 2e-3 (the first recipe)": sngan(LR, "--model.n_critic=2", d_lr="2e-3"),
    "lr 1e-3, D's lr 2e-3": sngan("--model.lr=1e-3", d_lr="2e-3"),
    "D's convolutions strided, lr 5e-4, D's lr 2e-3": sngan(STRIDED, LR, d_lr="2e-3"),
    "D's convolutions strided, lr 1e-3, D's lr 2e-3": sngan(STRIDED, "--model.lr=1e-3", d_lr="2e-3"),
    "D's convolutions strided, lr 1e-3, D's lr 4e-3 (the recipe)": sngan(STRIDED, "--model.lr=1e-3", d_lr="4e-3"),
    "another game: DCGAN, lr 1e-3, betas (0.5, 0.99)": judged_by_dcgan("DCGAN"),
    "the same, with SNGAN's G": judged_by_dcgan("residual"),
    "SAGAN, lr 5e-4, n_critic 2, D's lr 2e-3 (its first recipe)": sngan(*FIRST, d_lr="2e-3", gan="sagan"),
    "SAGAN, lr 1e-3, D's lr 4e-3": sngan("--model.lr=1e-3", d_lr="4e-3", gan="sagan"),
    "SAGAN, D's convolutions strided, lr 1e-3, D's lr 4e-3 (the recipe)": sngan(*BEST, d_lr="4e-3", gan="sagan"),
    "projection, lr 5e-4, n_critic 2, D's lr 2e-3 (its first recipe)": sngan(
        *FIRST, d_lr="2e-3", gan="projection_cgan"
    ),
    "projection, D's convolutions strided, lr 1e-3, D's lr 4e-3": sngan(*BEST, d_lr="4e-3", gan="projection_cgan"),
    "BigGAN, lr 5e-4, n_critic 2, D's lr 2e-3 (its first recipe)": sngan(*FIRST, d_lr="2e-3", gan="biggan"),
    "BigGAN, D's convolutions strided, lr 1e-3, D's lr 4e-3": sngan(*BEST, d_lr="4e-3", gan="biggan"),
}
"""Options by what they change."""


def file_of(row: str) -> Path:
    """Where the result of a row is kept."""
    return RESULTS / f"{list(ROWS).index(row)}.json"


def run(row: str, root: str, runs: str) -> dict[str, Any]:
    """Train, and read what was logged."""
    size = ["--data.batch_size=64", "--trainer.max_steps=1000"]
    checks = ["--trainer.val_check_interval=500", "--trainer.check_val_every_n_epoch=null"]
    place = [f"--data.root={root}", f"--trainer.default_root_dir={runs}", "--trainer.accelerator=cpu"]
    quiet = ["--trainer.enable_progress_bar=false", "--seed_everything=0"]
    data = ["--config", "configs/data/mnist.yaml"]
    cli = command_line(["fit", *data, *ROWS[row], *size, *checks, *place, *quiet])
    with (cli.run_directory / "metrics.csv").open() as file:
        logged = {int(line["step"]): line["val/fid_mnist"] for line in csv.DictReader(file) if line["val/fid_mnist"]}
    values = {str(step): float(logged[step]) for step in UPDATES}
    return {"row": row, "fid_mnist": values, "commit": git_commit(), "device": device()}


def table() -> str:
    """The results as Markdown."""
    lines = ["| SNGAN with | 500 updates | 1,000 updates | commit |", "| --- | --- | --- | --- |"]
    for row in ROWS:
        if file_of(row).exists():
            result = json.loads(file_of(row).read_text())
            values = [f"{result['fid_mnist'][str(step)]:.0f}" for step in UPDATES]
            lines.append(f"| {row} | {' | '.join(values)} | {result['commit']} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--runs", default="runs/sngan", help="where runs are kept")
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--table", action="store_true", help="print the results there are")
    arguments = parser.parse_args()
    if arguments.table:
        print(table())
        return
    torch.set_num_threads(arguments.threads)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for row in arguments.only:
        if not file_of(row).exists():
            file_of(row).write_text(json.dumps(run(row, arguments.root, arguments.runs), indent=1) + "\n")
            print(file_of(row).read_text(), end="", flush=True)


if __name__ == "__main__":
    main()
