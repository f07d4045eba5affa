"""The same command for several seeds, one after the other: ``gan-lightning fit --seeds 0,1,2``."""

import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from gan_lightning.commands.generate import parse_integers

COMMANDS = ("fit", "test")
"""Those that may be given seeds."""
OPTION = "--seeds"
COLUMNS = {"fit": "val/", "test": "test/"}
"""How the names of what each command measures begin."""


def run_seeds(command: str, text: str, options: Sequence[str]) -> None:
    """Run a command once a seed, each in its own process, and print mean and standard deviation of what they measured.

    Run k has the name NAME-seed<k>, NAME being that of ``--run_name``. One that has a checkpoint goes on from it; so
    the same command again goes on where it was stopped, and one with more seeds runs those alone.

    Args:
        command: "fit" or "test".
        text: Seeds with commas between.
        options: What else follows it.

    Raises:
        ValueError: If seeds are no integers, or given twice in two ways.
    """
    seeds, rest = parse_integers("seeds", text), list(options)
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds must be different, and none below 0, got '{text}'.")
    for word in ("--seed_everything", "--ckpt_path"):
        if without(word, rest)[0] is not None:
            raise ValueError(f"{OPTION} sets {word} for each run: leave it out.")
    name, rest = without("--run_name", rest)
    name = name or f"seeds-{time.strftime('%Y%m%d-%H%M%S')}"
    root = _root(rest)
    found: dict[int, dict[str, float]] = {}
    for seed in seeds:
        own = f"{name}-seed{seed}"
        print(f"== seed {seed}: {root / own}", flush=True)
        has_begun = (root / own / "checkpoints" / "last.ckpt").exists()
        resumed = ["--ckpt_path=last"] if has_begun else []
        status = _call([command, *rest, f"--seed_everything={seed}", f"--run_name={own}", *resumed])
        if status:
            sys.exit(status)
        found[seed] = _measured(root, own, command)
    print(f"\n{summary(found)}\n")
    runs = " ".join(str(root / f"{name}-seed{seed}") for seed in seeds)
    print(f"Side by side: gan-lightning report {runs} --out {root / name}.html")


def summary(found: dict[int, dict[str, float]]) -> str:
    """What was measured as Markdown: a row each metric, a column each seed, mean and standard deviation."""
    seeds = list(found)
    titles = ["metric", *(f"seed {seed}" for seed in seeds), "mean ± standard deviation"]
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for metric in dict.fromkeys(metric for each in found.values() for metric in each):
        values = [each[metric] for each in found.values() if metric in each]
        deviation = f" ± {statistics.stdev(values):.3g}" if len(values) > 1 else ""
        cells = [
            *(f"{each[metric]:.4g}" if metric in each else "-" for each in found.values()),
            f"{statistics.fmean(values):.4g}{deviation}",
        ]
        lines.append(f"| {metric} | {' | '.join(cells)} |")
    return "\n".join(lines)


def without(name: str, options: Sequence[str]) -> tuple[str | None, list[str]]:
    """The value of an option, None if it is not there, and the other options."""
    rest = list(options)
    for place, word in enumerate(rest):
        if word.startswith(f"{name}="):
            del rest[place]
            return word.partition("=")[2], rest
        if word == name:
            value = rest[place + 1] if place + 1 < len(rest) else ""
            del rest[place : place + 2]
            return value, rest
    return None, rest


def _root(options: Sequence[str]) -> Path:
    """Where runs are kept, by these options and the configurations among them.

    Raises:
        SystemExit: If they are wrong; what is wrong has been said.
    """
    command = [sys.executable, "-m", "gan_lightning", "fit", *options, "--print_config"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return Path(yaml.safe_load(done.stdout)["trainer"]["default_root_dir"])


def _call(words: Sequence[str]) -> int:
    return subprocess.run([sys.executable, "-m", "gan_lightning", *words], check=False).returncode


def _measured(root: Path, name: str, command: str) -> dict[str, float]:
    """The last value of each metric that a run has logged."""
    folders = [root / name] if command == "fit" else sorted(root.glob(f"{name}-test-*"))
    path = folders[-1] / "metrics.csv" if folders else root / name
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    begin = COLUMNS[command]
    return {key: float(value) for row in rows for key, value in row.items() if key.startswith(begin) and value}
