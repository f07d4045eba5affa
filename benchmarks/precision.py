"""Does training in bfloat16 cost quality? The same short runs in 32-true and in bf16-mixed, with three seeds each.

    python -m benchmarks.precision --root data      # train and judge what is missing
    python -m benchmarks.precision --table          # print what there is

The score is ``fid_mnist`` of 10,000 samples of the moving average of the last checkpoint against the test images. The
runs are those of benchmarks/mnist.py, cut short: 1,000 updates of G for DCGAN, 300 (and half the width) for WGAN-GP.
"""

import argparse
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from benchmarks.mnist import ROOT, command_line, device, git_commit

RESULTS = ROOT / "benchmarks" / "results" / "precision.json"
RUNS: dict[str, list[str]] = {
    "dcgan": ["--model.width=32", "--trainer.max_steps=1000"],
    "wgangp": ["--model.width=16", "--model.max_width=16", "--trainer.max_steps=300"],
}
PRECISIONS = ("32-true", "bf16-mixed")
SEEDS = (0, 1, 2)


def train_and_test(gan: str, precision: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train (go on, if there is a checkpoint) and judge on the test images."""
    files = ["configs/data/mnist.yaml", f"configs/model/{gan}.yaml", "benchmarks/mnist.yaml"]
    numbers = [*RUNS[gan], f"--trainer.precision={precision}", f"--seed_everything={seed}"]
    place = [f"--trainer.default_root_dir={arguments.runs}", f"--run_name={gan}-{precision}-{seed}", "--ckpt_path=last"]
    common = [*(word for file in files for word in ("--config", file)), *numbers, f"--data.root={arguments.root}"]
    command_line(["fit", *common, *place])
    report = command_line(["test", *common, *place]).evaluation.report
    if report is None:
        raise RuntimeError(f"{gan} was not evaluated.")
    return {"score": report.value, "commit": git_commit(), "device": device()}


def table(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["| GAN | precision | fid_mnist, by seed | mean |", "| --- | --- | --- | --- |"]
    for gan, precision in itertools.product(RUNS, PRECISIONS):
        keys = [f"{gan} {precision} {seed}" for seed in SEEDS]
        scores = [results[key]["score"] for key in keys if key in results]
        if scores:
            texts = ", ".join(f"{score:.1f}" for score in scores)
            lines.append(f"| {gan} | {precision} | {texts} | {statistics.mean(scores):.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--runs", default="runs/precision", help="where runs are kept")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--table", action="store_true", help="print the results there are")
    arguments = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    torch.set_num_threads(arguments.threads)
    for gan, seed, precision in itertools.product(RUNS, SEEDS, PRECISIONS):
        key = f"{gan} {precision} {seed}"
        if not arguments.table and key not in results:
            results[key] = train_and_test(gan, precision, seed, arguments)
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            Path(RESULTS).write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
