"""What an option that makes training faster does to quality: recipes of benchmarks/mnist.py with it, on three seeds.

    python -m benchmarks.options --root data                                  # train and judge what is missing
    python -m benchmarks.options --root data --only mnist_dcgan --option bf16
    python -m benchmarks.options --table                                      # print what there is

Protocol and score are those of the table. An option is harmless to a GAN if its mean is not worse than that of plain
runs, in 32 bits with fresh fakes, by more than one standard deviation of these. A result is one JSON file below
benchmarks/results/options; plain runs of a recipe without options are those of the table.
"""

import argparse
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from benchmarks.mnist import ROOT, TUNED, known, spread, train_and_test

RESULTS = Path(__file__).parent / "results" / "options"
PLAIN = ["--trainer.precision=32-true", "--model.reuse_latents=false"]
OPTIONS = {
    "plain": PLAIN,
    "bf16": [*PLAIN, "--trainer.precision=bf16-mixed"],
    "reuse_latents": [*PLAIN, "--model.reuse_latents=true"],
}
SEEDS = (0, 1, 2)


def file_of(name: str, option: str, seed: int) -> Path:
    """Where a result is kept."""
    return RESULTS / f"{name}-{option}-{seed}.json"


def run(name: str, option: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train (go on, if there is a checkpoint) and judge on the test images."""
    runs = f"{arguments.runs}/{option}"
    told = train_and_test(name, arguments.root, runs, seed, arguments.accelerator, OPTIONS[option])
    return dict(told["runs"][str(seed)])


def verdict(usual: list[float], changed: list[float]) -> str:
    """Whether an option is harmless, as far as three seeds of both tell."""
    if min(len(usual), len(changed)) < len(SEEDS):
        return "-"
    return "yes" if statistics.mean(changed) <= statistics.mean(usual) + statistics.stdev(usual) else "no"


def result(name: str, option: str, seed: int) -> dict[str, Any] | None:
    """What a run came to, if there was one."""
    path = file_of(name, option, seed)
    if option == "plain" and "reuse_latents" not in (ROOT / "configs" / "experiment" / f"{name}.yaml").read_text():
        return dict(known(name)["runs"][str(seed)]) if str(seed) in known(name).get("runs", {}) else None
    return dict(json.loads(path.read_text())) if path.exists() else None


def scores(name: str, option: str) -> list[float]:
    """Of the seeds that have been run."""
    return [float(told["score"]) for seed in SEEDS if (told := result(name, option, seed))]


def table() -> str:
    """The results as Markdown."""
    lines = ["| experiment | option | fid_mnist without | with | harmless |", "| --- " * 5 + "|"]
    for name, option in itertools.product(TUNED, list(OPTIONS)[1:]):
        usual, changed = scores(name, "plain"), scores(name, option)
        if usual and changed:
            lines.append(f"| {name} | {option} | {spread(usual)} | {spread(changed)} | {verdict(usual, changed)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--runs", default="runs/options", help="where runs are kept")
    parser.add_argument("--only", nargs="+", default=["mnist_dcgan"], choices=TUNED, metavar="EXPERIMENT")
    parser.add_argument("--option", nargs="+", default=[*OPTIONS], choices=[*OPTIONS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[*SEEDS])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--table", action="store_true", help="print the results there are")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, option, seed in itertools.product(arguments.only, arguments.option, arguments.seeds):
        if not arguments.table and result(name, option, seed) is None:
            told = run(name, option, seed, arguments)
            file_of(name, option, seed).write_text(json.dumps(told, indent=1) + "\n")
    print(table())


if __name__ == "__main__":
    main()
