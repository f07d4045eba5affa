"""Train every GAN of the catalogue on the full MNIST under one protocol, and print one table.

    python benchmarks/mnist.py --root data                     # train and judge what is missing; go on where it stopped
    python benchmarks/mnist.py --root data --only dcgan wgan   # some of them
    python benchmarks/mnist.py --root data --seeds 0 1 2       # several runs each
    python benchmarks/mnist.py --root data --accelerator gpu   # on a GPU; each run says where it was made
    python benchmarks/mnist.py --root data --speed             # measure images/s and memory, the machine being idle
    python benchmarks/mnist.py --table                         # print what there is

The protocol is benchmarks/mnist.yaml: the same number of updates of G for all. The score is ``fid_mnist`` of 10,000
samples of the moving average of the last (never the best) checkpoint against the 10,000 test images. The accuracy is
the share of 1,000 samples of each class that the classifier of ``MNISTFeatures`` reads as the digit asked for; of
InfoGAN, whose categories have no names, that of 10,000 samples under the best assignment of digits to categories. A
result is one JSON file below benchmarks/results/mnist. The experiments are the models of configs/model at one base
width, in their papers' values, and the recipes of configs/experiment.
"""

import argparse
import csv
import json
import platform
import resource
import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from scipy.optimize import linear_sum_assignment

import gan_lightning
from gan_lightning.arguments import arguments_of
from gan_lightning.base import AdversarialModule
from gan_lightning.commands.cli import GANCLI
from gan_lightning.images import to_uint8
from gan_lightning.metrics import MNISTFeatures

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "mnist"

BARE: dict[str, Any] = {
    "max_epochs": -1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "limit_val_batches": 0,
}
"""Of a trainer that trains, and does nothing else."""
WIDTH = 32
"""Of every network that has one."""
TRANSLATORS = {name.lower() for name in gan_lightning.TRANSLATORS}
PAPER = sorted(path.stem for path in (ROOT / "configs" / "model").glob("*.yaml") if path.stem not in TRANSLATORS)
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


def train_and_test(
    name: str, root: str, runs: str, seed: int, accelerator: str, more: Sequence[str] = ()
) -> dict[str, Any]:
    """Train with more options (go on, if there is a checkpoint) and judge on the test images."""
    place = [f"--trainer.default_root_dir={runs}", f"--run_name={name}-{seed}", "--ckpt_path=last"]
    own = [f"--seed_everything={seed}", f"--trainer.accelerator={accelerator}", *more]
    common = [*options(name, root), *own, *place]
    command_line(["fit", *common])
    cli = command_line(["test", *common])
    report = cli.evaluation.report
    if report is None:
        raise RuntimeError(f"{name} was not evaluated.")
    players = {"generator": cli.model.generator, "discriminator": cli.model.discriminator}
    told = {
        "name": name,
        "gan": type(cli.model).__name__,
        "protocol": report.protocol(),
        "images_seen": int(cli.model.images_seen),
        "parameters": {player: sum(p.numel() for p in network.parameters()) for player, network in players.items()},
        "command": shlex.join(["gan-lightning", "fit", *options(name, "data")]),
    }
    run = {
        "score": report.value,
        "accuracy": accuracy(cli.model),
        "commit": git_commit(),
        "device": device(accelerator),
    }
    return told | {"runs": known(name).get("runs", {}) | {str(seed): run}}


def accuracy(gan: AdversarialModule) -> float | None:
    """How often samples show the digit asked for; None for a GAN that cannot be asked."""
    if not gan.num_classes and not isinstance(gan, gan_lightning.InfoGAN):
        return None
    count = 10_000
    asked = torch.arange(count) % 10
    latents = gan.sample_latent(count, torch.Generator().manual_seed(0))
    if isinstance(gan, gan_lightning.InfoGAN):
        asked = latents[:, 62:72].argmax(1)
    pixels = to_uint8(gan.sample_from(latents, asked if gan.num_classes else None)).cpu()
    classifier = MNISTFeatures()
    read = torch.cat([classifier.logits(classifier(batch)).argmax(1) for batch in pixels.split(500)])
    pairs = torch.bincount(10 * asked + read, minlength=100).view(10, 10)
    rows, columns = linear_sum_assignment(pairs, maximize=True) if not gan.num_classes else (range(10), range(10))
    return sum(int(pairs[row, column]) for row, column in zip(rows, columns, strict=True)) / count


def measure_speed(name: str, root: str, runs: str) -> dict[str, Any]:
    """Real images a second that D is trained on: the median of windows of 50 updates of G, the first left out.

    The memory is the largest that the process ever had, of which Python, its packages and the images are a part.
    """
    limits = ["--trainer.max_steps=150", f"--trainer.default_root_dir={runs}", "--trainer.limit_val_batches=0"]
    cli = command_line(["fit", *options(name, root), *limits])
    with (cli.run_directory / "metrics.csv").open() as file:
        rates = [float(row["train/images_per_second"]) for row in csv.DictReader(file)]
    rate = statistics.median(rates[1:])
    steps = yaml.safe_load((HERE / "mnist.yaml").read_text())["trainer"]["max_steps"]
    minutes = steps * cli.datamodule.batch_size * cli.model.n_critic / rate / 60
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speed = {"images_per_second": rate, "minutes": minutes, "peak_mib": memory}
    return {"speed": {**speed, "commit": git_commit(), "device": device()}}


def git_commit() -> str:
    """The commit that is checked out, marked if the tree differs from it in more than results."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changes = git("diff", "--name-only", "HEAD", "--", ".", ":!benchmarks/results")
    return git("describe", "--always", "--abbrev=12") + ("-dirty" if changes else "")


def device(accelerator: str = "cpu") -> str:
    """What computed, and on a CPU with how many threads."""
    if accelerator == "gpu":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, torch {torch.__version__}"


def known(name: str) -> dict[str, Any]:
    """The result of an experiment, as far as there is one."""
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def keep(name: str, values: dict[str, Any]) -> None:
    """Add values to the result of an experiment."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known(name) | values, indent=1) + "\n")


def spread(values: list[float], digits: int = 1) -> str:
    """Mean and, of several values, standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def table() -> str:
    """The results as Markdown, the best first."""
    results = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    titles = [
        "experiment",
        "GAN",
        "fid_mnist",
        "seeds",
        "accuracy, %",
        "images/s",
        "minutes",
        "MiB",
        "commit",
        "command",
    ]
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    for result in sorted(results, key=lambda result: statistics.mean(run["score"] for run in result["runs"].values())):
        runs = list(result["runs"].values())
        correct = [100 * run["accuracy"] for run in runs if run.get("accuracy") is not None]
        speed = result.get("speed", {})
        numbers = [f"{speed[key]:.0f}" if key in speed else "-" for key in ("images_per_second", "minutes", "peak_mib")]
        commits = ", ".join(sorted({run["commit"] for run in runs}))
        cells = [spread([run["score"] for run in runs]), str(len(runs)), spread(correct) if correct else "-", *numbers]
        lines.append(
            f"| {' | '.join([result['name'], result['gan'], *cells, commits, '`' + result['command'] + '`'])} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--runs", default="runs/benchmark", help="where runs are kept")
    parser.add_argument("--only", nargs="*", help="experiments to run")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--speed", action="store_true", help="measure images/s instead of training")
    parser.add_argument("--table", action="store_true", help="print the results there are")
    arguments = parser.parse_args()
    if arguments.table:
        print(table())
        return
    torch.set_num_threads(arguments.threads)
    names = arguments.only or [*PAPER, *TUNED]
    if arguments.speed and len(names) > 1:  # each in a process of its own, whose memory is its own
        for name in names:
            command = [sys.executable, __file__, "--root", arguments.root, "--runs", arguments.runs, "--only", name]
            subprocess.run([*command, "--threads", str(arguments.threads), "--speed"], check=True)
        return
    for name in names:
        if arguments.speed:
            keep(name, measure_speed(name, arguments.root, f"{arguments.runs}/speed"))
            continue
        for seed in [seed for seed in arguments.seeds if str(seed) not in known(name).get("runs", {})]:
            keep(name, train_and_test(name, arguments.root, arguments.runs, seed, arguments.accelerator))


if __name__ == "__main__":
    main()
