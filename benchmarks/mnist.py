"""Train every GAN of the catalogue on the full MNIST under one protocol, and print one table.

    python benchmarks/mnist.py --root data                     # train and judge what is missing; go on where it stopped
    python benchmarks/mnist.py --root data --only dcgan wgan   # some of them
    python benchmarks/mnist.py --root data --speed             # measure images/s again, the machine being idle
    python benchmarks/mnist.py --table                         # print what there is

The protocol is benchmarks/mnist.yaml: the same number of updates of G for all. The score is ``fid_mnist`` of 10,000
samples of the moving average of the last (never the best) checkpoint against the 10,000 test images. A result is one
JSON file below benchmarks/results/mnist. The experiments are the models of configs/model at one base width, in their
papers' values, and the recipes of configs/experiment.
"""

import argparse
import csv
import json
import platform
import shlex
import statistics
import subprocess
from pathlib import Path
from typing import Any

import torch
import yaml

import gan_lightning
from gan_lightning.arguments import arguments_of
from gan_lightning.commands.cli import GANCLI

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "mnist"

WIDTH = 32
"""Of every network that has one."""
PAPER = sorted(path.stem for path in (ROOT / "configs" / "model").glob("*.yaml"))
TUNED = sorted(path.stem for path in (ROOT / "configs" / "experiment").glob("mnist_*.yaml"))


def options(name: str, root: str) -> list[str]:
    """What follows ``gan-lightning fit`` for an experiment, from the root of the repository."""
    kind = "model" if name in PAPER else "experiment"
    files = ["configs/data/mnist.yaml", f"configs/{kind}/{name}.yaml", "benchmarks/mnist.yaml"]
    class_path = yaml.safe_load((ROOT / files[1]).read_text())["model"]["class_path"]
    legal = arguments_of(getattr(gan_lightning, class_path)) if kind == "model" else {}
    widths = [f"--model.{argument}={WIDTH}" for argument in ("width", "max_width") if argument in legal]
    return [word for file in files for word in ("--config", file)] + [*widths, f"--data.root={root}"]


def command_line(arguments: list[str]) -> GANCLI:
    """Run a command from the root of the repository."""
    return GANCLI([str(ROOT / word) if word.endswith(".yaml") else word for word in arguments])


def train_and_test(name: str, root: str, runs: str) -> dict[str, Any]:
    """Train (go on, if there is a checkpoint) and judge on the test images."""
    common = [*options(name, root), f"--trainer.default_root_dir={runs}", f"--run_name={name}", "--ckpt_path=last"]
    command_line(["fit", *common])
    cli = command_line(["test", *common])
    report = cli.evaluation.report
    if report is None:
        raise RuntimeError(f"{name} was not evaluated.")
    players = {"generator": cli.model.generator, "discriminator": cli.model.discriminator}
    return {
        "name": name,
        "gan": type(cli.model).__name__,
        "score": report.value,
        "protocol": report.protocol(),
        "images_seen": int(cli.model.images_seen),
        "parameters": {player: sum(p.numel() for p in network.parameters()) for player, network in players.items()},
        "seed": 0,
        "commit": git_commit(),
        "device": device(),
        "command": shlex.join(["gan-lightning", "fit", *options(name, "data")]),
    }


def measure_speed(name: str, root: str, runs: str) -> dict[str, Any]:
    """Real images a second that D is trained on: the median of windows of 50 updates of G, the first left out."""
    limits = ["--trainer.max_steps=150", f"--trainer.default_root_dir={runs}", "--trainer.limit_val_batches=0"]
    cli = command_line(["fit", *options(name, root), *limits])
    with (cli.run_directory / "metrics.csv").open() as file:
        rates = [float(row["train/images_per_second"]) for row in csv.DictReader(file)]
    rate = statistics.median(rates[1:])
    steps = yaml.safe_load((HERE / "mnist.yaml").read_text())["trainer"]["max_steps"]
    minutes = steps * cli.datamodule.batch_size * cli.model.n_critic / rate / 60
    return {"images_per_second": rate, "minutes": minutes, "speed_device": device()}


def git_commit() -> str:
    """The commit that is checked out, marked if the tree differs from it."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def device() -> str:
    """What computed, and with how many threads."""
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, torch {torch.__version__}"


def keep(name: str, values: dict[str, Any]) -> None:
    """Add values to the result of an experiment."""
    path = RESULTS / f"{name}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known | values, indent=1) + "\n")


def table() -> str:
    """The results as Markdown, the best first."""
    results = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    lines = [
        "| experiment | GAN | fid_mnist | images/s | minutes | commit | command |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for result in sorted(results, key=lambda result: result.get("score", float("inf"))):
        speed = f"{result['images_per_second']:.0f} | {result['minutes']:.0f}" if "minutes" in result else "- | -"
        score = f"{result['score']:.1f}"
        row = [result["name"], result["gan"], score, speed, result["commit"], f"`{result['command']}`"]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--runs", default="runs/benchmark", help="where runs are kept")
    parser.add_argument("--only", nargs="*", help="experiments to run")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--speed", action="store_true", help="measure images/s instead of training")
    parser.add_argument("--table", action="store_true", help="print the results there are")
    arguments = parser.parse_args()
    if arguments.table:
        print(table())
        return
    torch.set_num_threads(arguments.threads)
    for name in arguments.only or [*PAPER, *TUNED]:
        if arguments.speed:
            keep(name, measure_speed(name, arguments.root, f"{arguments.runs}/speed"))
        elif not (RESULTS / f"{name}.json").exists():
            keep(name, train_and_test(name, arguments.root, arguments.runs))


if __name__ == "__main__":
    main()
