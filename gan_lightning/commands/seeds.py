"""The same command for several seeds, one after the other: ``gan-lightning fit --seeds 0,1,2``."""

import csv
import glob
import os
import shlex
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from gan_lightning.commands.generate import parse_integers

COMMANDS = ("fit", "test")
"""Those that may be given seeds."""
OPTION = "--seeds"
COLUMNS = {"fit": "val/", "test": "test/"}
"""How the names of what each command measures begin."""
LARGEST = 2**32 - 1
"""The largest seed that Lightning takes."""
ASKING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""Signals that ask a run to end."""


def run_seeds(command: str, text: str, options: Sequence[str]) -> None:
    """Run a command once a seed, each in its own process, and print mean and standard deviation of what they measured.

    Run k has the name NAME-seed<k>, NAME being that of ``--run_name``. One that has a checkpoint goes on from it; so
    the same command again goes on where it was stopped, and one with more seeds runs those alone.

    Args:
        command: "fit" or "test".
        text: Seeds with commas between.
        options: What else follows it, as it was given.

    Raises:
        ValueError: If seeds are no integers, out of range, or given twice in two ways.
        FileNotFoundError: If a run that is to be tested has no checkpoint.
    """
    seeds, rest = parse_integers("seeds", text), list(options)
    if len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) > LARGEST:
        raise ValueError(f"seeds must be different, none below 0 or above {LARGEST}, got '{text}'.")
    for word in ("--seed_everything", "--ckpt_path"):
        if without(word, rest)[0] is not None:
            raise ValueError(f"{OPTION} sets {word} for each run: leave it out.")
    root, name = _place(rest)
    rest = without("--run_name", rest)[1]
    if command == "test":
        _check_trained(root, name, seeds)
    name = name or f"seeds-{time.strftime('%Y%m%d-%H%M%S')}"
    found: dict[int, dict[str, float]] = {}
    for seed in seeds:
        own = f"{name}-seed{seed}"
        print(f"== seed {seed}: {root / own}", flush=True)
        # A run that goes on has its weights: it starts from no others, whatever the configuration says.
        resumed = ["--init_from=null", "--ckpt_path=last"] if _last(root, own).exists() else []
        status = _call([command, *rest, f"--seed_everything={seed}", f"--run_name={own}", *resumed])
        if status:
            sys.exit(status)
        found[seed] = _measured(root, own, command)
    has_any = any(found.values())
    print(f"\n{summary(found) if has_any else f'The runs have logged nothing that begins with {COLUMNS[command]}.'}\n")
    runs = [str(root / f"{name}-seed{seed}") for seed in seeds]
    print(f"Side by side: {shlex.join(['gan-lightning', 'report', *runs, '--out', f'{root / name}.html'])}")


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


def _place(options: Sequence[str]) -> tuple[Path, str | None]:
    """Where runs are kept and what they are called, by these options and the configurations among them.

    Raises:
        SystemExit: If they are wrong; what is wrong has been said.
    """
    command = [sys.executable, "-m", "gan_lightning", "fit", *options, "--print_config"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    config = yaml.safe_load(done.stdout)
    return Path(config["trainer"]["default_root_dir"]), config["run_name"]


def _last(root: Path, own: str) -> Path:
    """The last checkpoint of a run."""
    return root / own / "checkpoints" / "last.ckpt"


def _check_trained(root: Path, name: str | None, seeds: Sequence[int]) -> None:
    """Refuse to test what was not trained.

    Raises:
        ValueError: If no name is given.
        FileNotFoundError: If a run has no last checkpoint.
    """
    if name is None:
        raise ValueError(f"test {OPTION} needs --run_name: that of fit {OPTION}.")
    missing = [seed for seed in seeds if not _last(root, f"{name}-seed{seed}").exists()]
    if missing:
        raise FileNotFoundError(
            f"There is no checkpoint '{_last(root, f'{name}-seed{missing[0]}')}' to test. Train it by fit {OPTION} "
            f"{','.join(map(str, missing))}, or choose another --run_name."
        )


def _call(words: Sequence[str]) -> int:
    """Run a command in a process of its own, and return its status.

    What asks this process to end asks that one, which may then save its run; this one waits for it.

    Raises:
        SystemExit: If a signal arrived, with 128 + its number.
    """
    received: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def tell(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for process in started:
            _tell(process, number)

    with _handled_by(tell):
        started.append(subprocess.Popen([sys.executable, "-m", "gan_lightning", *words]))
        for number in received[:1]:  # it arrived before there was a process
            _tell(started[0], number)
        status = started[0].wait()
    if received:
        sys.exit(128 + received[0])
    return status if status >= 0 else 128 - status


def _tell(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Hand on a signal; Ctrl-C as SIGTERM, because a terminal sends it to both, and a second one would end a saving."""
    if number != signal.SIGINT:
        process.send_signal(number)
    elif os.name != "nt":  # where SIGTERM would end it at once
        process.terminate()


@contextmanager
def _handled_by(handler: Any) -> Iterator[None]:
    """Have a function called for signals that ask to end, unless they are ignored; only in the main thread."""
    numbers = [int(getattr(signal, name)) for name in ASKING if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {number: old for number in numbers if (old := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _measured(root: Path, name: str, command: str) -> dict[str, float]:
    """The last value of each metric that a run has logged."""
    folders = [root / name] if command == "fit" else sorted(root.glob(f"{glob.escape(name)}-test-*"))
    path = folders[-1] / "metrics.csv" if folders else root / name
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    begin = COLUMNS[command]
    return {key: float(value) for row in rows for key, value in row.items() if key.startswith(begin) and value}
