"""Why some GANs were slow to learn on MNIST: one thing or two changed at a time, each row a short training.

    python -m benchmarks.why sngan --root data                       # run what is missing
    python -m benchmarks.why sngan --root data --only "lr 5e-4"
    python -m benchmarks.why sngan --table

64 real images in each update of D, seed 0. The figures are ``fid_mnist`` of 2,000 samples of the moving average against
the validation images. A result is one JSON file below benchmarks/results/why.
"""

import argparse
import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.mnist import HERE, command_line, device, git_commit

RESULTS = HERE / "results" / "why"
QUICK = ["--model.lr=1e-3", "--model.betas=[0.5, 0.99]"]


@dataclass(frozen=True)
class Study:
    """Rows of a table, each the options of a training.

    Attributes:
        rows: Options by what they change.
        updates: Those of G after which samples are judged; the last ends the training.
    """

    rows: Mapping[str, list[str]]
    updates: tuple[int, ...] = (500, 1_000)


def narrow(gan: str, *options: str, d_lr: str | None = None) -> list[str]:
    """A residual GAN of width 16 to 128, with options, and with a learning rate of D's own."""
    own = [] if d_lr is None else ["--model.discriminator_optimizer=Adam", f"--model.discriminator_optimizer.lr={d_lr}"]
    widths = ["--model.width=16", "--model.max_width=128"]
    return ["--config", f"configs/model/{gan}.yaml", *widths, *options, *own]


def sngan(*options: str, d_lr: str | None = None) -> list[str]:
    """SNGAN, as :func:`narrow` says."""
    return narrow("sngan", *options, d_lr=d_lr)


def judged_by_dcgan(generator: str) -> list[str]:
    """A generator in DCGAN's game, with DCGAN's D."""
    judge = "{class_path: DCGANDiscriminator, init_args: {image_shape: [1, 28, 28], width: 32}}"
    networks = [f"--model.generator={generator}", f"--model.discriminator={judge}"]
    return ["--model=AdversarialModule", *networks, "--model.loss=NonSaturatingLoss", *QUICK]


LR, THREE, STRIDED = "--model.lr=5e-4", "--model.n_critic=3", "--model.networks=strided"
DCGAN = "{class_path: DCGANGenerator, init_args: {image_shape: [1, 28, 28], width: 32}}"
RESIDUAL = (
    "{class_path: ResNetGenerator, init_args: {image_shape: [1, 28, 28], latent_dim: 100, width: 16, max_width: 128}}"
)
SNGAN = {
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
    "another game: DCGAN, lr 1e-3, betas (0.5, 0.99)": judged_by_dcgan(DCGAN),
    "the same, with SNGAN's G": judged_by_dcgan(RESIDUAL),
}

HEIRS = {
    f"{name}, {what}": narrow(gan, *options, d_lr=d_lr)
    for name, gan in {"SAGAN": "sagan", "projection": "projection_cgan", "BigGAN": "biggan"}.items()
    for what, options, d_lr in [
        ("lr 5e-4, n_critic 2, D's lr 2e-3 (the first recipe)", [LR, "--model.n_critic=2"], "2e-3"),
        ("lr 1e-3, n_critic 1, D's lr 4e-3", ["--model.lr=1e-3", "--model.n_critic=1"], "4e-3"),
        (
            "D's convolutions strided, lr 1e-3, n_critic 1, D's lr 4e-3",
            [STRIDED, "--model.lr=1e-3", "--model.n_critic=1"],
            "4e-3",
        ),
    ]
}


def began(*options: str, diversity: float = 0.95, step: float = 0.1) -> list[str]:
    """BEGAN with a controller, γ and λ, and options."""
    loss = f"{{class_path: BoundaryEquilibriumLoss, init_args: {{diversity: {diversity}, step: {step}}}}}"
    return ["--config", "configs/model/began.yaml", f"--model.loss={loss}", *QUICK, *options]


def coded(hidden_dim: int, *options: str, diversity: float = 0.95, step: float = 0.1) -> list[str]:
    """BEGAN with DCGAN's networks and a code of so many numbers."""
    networks = ["--model.networks=dcgan", f"--model.hidden_dim={hidden_dim}", "--model.width=32"]
    return began(*networks, *options, diversity=diversity, step=step)


OWN, SLOW = "--model.width=16", ["--model.discriminator_optimizer=Adam", "--model.discriminator_optimizer.lr=2e-4"]
BEGAN = {
    "the paper's": began(OWN),
    "the paper's, γ 0.5": began(OWN, diversity=0.5),
    "the paper's, γ 0.75": began(OWN, diversity=0.75),
    "the paper's, γ 1.3": began(OWN, diversity=1.3),
    "the paper's, λ 0.001": began(OWN, step=0.001),
    "the paper's, D's lr 2e-4": began(OWN, *SLOW),
    "the paper's, feature matching": began(OWN, "--model.stabilizers+=FeatureMatching"),
    "the paper's, code of 16": began(OWN, "--model.hidden_dim=16"),
    "DCGAN's, code of 64": coded(64),
    "DCGAN's, code of 32": coded(32),
    "DCGAN's, code of 16 (the recipe)": coded(16),
    "DCGAN's, code of 10": coded(10),
    "DCGAN's, code of 16, γ 0.75": coded(16, diversity=0.75),
    "DCGAN's, code of 16, λ 0.001": coded(16, step=0.001),
    "DCGAN's, code of 16, betas (0.5, 0.999)": coded(16, "--model.betas=[0.5, 0.999]"),
}

STUDIES = {"sngan": Study(SNGAN), "heirs": Study(HEIRS), "began": Study(BEGAN, (500, 1_500))}


def file_of(study: str, row: str) -> Path:
    """Where the result of a row is kept."""
    words = row.lower().replace("'", "").replace("γ", "gamma").replace("λ", "lambda")
    return RESULTS / study / f"{re.sub(r'[^a-z0-9.]+', '-', words).strip('-')}.json"


def run(study: str, row: str, root: str, runs: str) -> dict[str, Any]:
    """Train, and read what was logged."""
    updates = STUDIES[study].updates
    size = ["--data.batch_size=64", f"--trainer.max_steps={updates[-1]}"]
    checks = ["--trainer.val_check_interval=500", "--trainer.check_val_every_n_epoch=null"]
    place = [f"--data.root={root}", f"--trainer.default_root_dir={runs}", "--trainer.accelerator=cpu"]
    quiet = ["--trainer.enable_progress_bar=false", "--seed_everything=0"]
    data = ["--config", "configs/data/mnist.yaml"]
    cli = command_line(["fit", *data, *STUDIES[study].rows[row], *size, *checks, *place, *quiet])
    with (cli.run_directory / "metrics.csv").open() as file:
        logged = {int(line["step"]): line["val/fid_mnist"] for line in csv.DictReader(file) if line["val/fid_mnist"]}
    values = {str(step): float(logged[step]) for step in updates}
    return {"row": row, "fid_mnist": values, "commit": git_commit(), "device": device()}


def table(study: str) -> str:
    """The results of a study as Markdown."""
    updates = STUDIES[study].updates
    lines = [f"| {study} | {' | '.join(f'{step:,} updates' for step in updates)} | commit |"]
    lines += ["| --- " * (len(updates) + 2) + "|"]
    for row in STUDIES[study].rows:
        if file_of(study, row).exists():
            result = json.loads(file_of(study, row).read_text())
            values = [f"{result['fid_mnist'][str(step)]:.0f}" for step in updates]
            lines.append(f"| {row} | {' | '.join(values)} | {result['commit']} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=[*STUDIES])
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--runs", default="runs/why", help="where runs are kept")
    parser.add_argument("--only", nargs="*", metavar="ROW", help="rows of the study")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--table", action="store_true", help="print the results there are")
    arguments = parser.parse_args()
    study = arguments.study
    if arguments.table:
        print(table(study))
        return
    unknown = [row for row in arguments.only or [] if row not in STUDIES[study].rows]
    if unknown:
        parser.error(f"{study} has no rows {unknown}; its rows: {[*STUDIES[study].rows]}")
    torch.set_num_threads(arguments.threads)
    for row in arguments.only or STUDIES[study].rows:
        path = file_of(study, row)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(run(study, row, arguments.root, arguments.runs), indent=1) + "\n")
            print(path.read_text(), end="", flush=True)


if __name__ == "__main__":
    main()
