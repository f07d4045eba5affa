"""Train every GAN of the catalogue on the full MNIST under one protocol and print one table.

    python benchmarks/mnist.py --root data --threads 2                 # all that is missing; go on where it stopped
    python benchmarks/mnist.py --root data --only dcgan wgangp         # some of them
    python benchmarks/mnist.py --speed                                 # measure images/s, the machine being idle
    python benchmarks/mnist.py --table                                 # print what there is

A result is one JSON file below benchmarks/results/mnist; runs are kept below --runs. The score is ``fid_mnist`` of
10,000 samples of the last (never the best) checkpoint's moving average against the 10,000 test images.
"""

import argparse
import json
import platform
import shlex
import subprocess
from pathlib import Path

import torch

from gan_lightning.cli import GANCLI

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "mnist"
MODELS = HERE.parent / "configs" / "model"
EXPERIMENTS = HERE.parent / "configs" / "experiment"

DCGAN_WIDTH = ["--model.init_args.width=32"]
RESNET_WIDTH = ["--model.init_args.width=32", "--model.init_args.max_width=32"]
PAPER = {
    "gan": [],
    "dcgan": DCGAN_WIDTH,
    "lsgan": DCGAN_WIDTH,
    "wgan": DCGAN_WIDTH,
    "wgangp": RESNET_WIDTH,
    "sngan": RESNET_WIDTH,
    "cgan": [],
    "conditional_dcgan": DCGAN_WIDTH,
}


def options(name: str, root: str) -> list[str]:
    """The command line of an experiment: a model's config at the base width, or a tuned pair."""
    config = ["--config", str(HERE.parent / "configs" / "data" / "mnist.yaml")]
    if name in PAPER:
        config += ["--config", str(MODELS / f"{name}.yaml")]
    else:
        config += ["--config", str(EXPERIMENTS / f"{name}.yaml")]
    return [*config, "--config", str(HERE / "mnist.yaml"), *PAPER.get(name, []), "--data.root", root]


def train_and_test(name: str, root: str, runs: str) -> None:
    """Train (go on, if there is a checkpoint), judge on the test images, keep the result."""
    common = [*options(name, root), "--trainer.default_root_dir", runs, "--run_name", name]
    fit = ["fit", *common, "--ckpt_path", "last"]
    GANCLI(fit)
    cli = GANCLI(["test", *common, "--ckpt_path", "last"])
    report = cli.evaluation.report
    if report is None:
        raise RuntimeError(f"{name} was not evaluated.")
    result = {
        "score": report.value,
        "protocol": report.protocol(),
        "images_seen": int(cli.model.images_seen),
        "parameters": {player: count(getattr(cli.model, player)) for player in ("generator", "discriminator")},
        "seed": 0,
        "commit": git_commit(),
        "device": device(),
        "command": shlex.join(["gan-lightning", "fit", *options(name, "data")]).replace(f"{HERE.parent}/", ""),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def count(network: torch.nn.Module) -> int:
    """Parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def git_commit() -> str:
    """The commit that is checked out, marked if the tree differs from it."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def device() -> str:
    """What computed, and with how many threads."""
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, torch {torch.__version__}"


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--runs", default="runs/benchmark", help="where runs are kept")
    parser.add_argument("--only", nargs="*", help="experiments to run")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for name in arguments.only or PAPER:
        if not (RESULTS / f"{name}.json").exists():
            train_and_test(name, arguments.root, arguments.runs)


if __name__ == "__main__":
    main()
