"""Where the time of a training goes, and how much memory it takes, for each GAN of benchmarks/speed.py.

    python -m benchmarks.anatomy --threads 1                # shares of the CPU time of ``fit``
    python -m benchmarks.anatomy --threads 1 --memory       # the most that a process had: ``fit``, and both loops
    python -m benchmarks.anatomy --gan DCGAN --batch 128    # another batch

Shares are of CPU seconds over some updates of G, each part timed where it is called: data; G's forward passes; D's of
reals and of fakes in its own updates, and in G's; the terms of stabilizers with their gradients; the backward passes of
both; optimizers; the moving average. The rest is Lightning, logging, and what the engine does between them. Every run
for memory is a process of its own, whose Python and packages are a part of the figure. Prints Markdown.
"""

import argparse
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything

from benchmarks import speed
from benchmarks.mnist import BARE, ROOT, device, git_commit
from benchmarks.speed import GANS, build, looped
from datamodules import MNISTSampleDataModule
from gan_lightning.base import AdversarialModule

PARTS = ["data", "G", "D of reals", "D of fakes", "D in G's update", "stabilizers", "backward", "optimizers", "average"]
SIDES = ("fit", "usual", "best")


class Anatomy(Callback):
    """Times the parts of a module's steps, after some that do not count."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys([*PARTS, "all"], 0.0)
        self.player = "d"
        self.judged = 0
        self.depth = 0
        self.begun = 0.0

    def of(self, part: str | Callable[[], str], work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed unless a function around it is."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            name = part if isinstance(part, str) else part()
            self.depth += 1
            begun = time.process_time()
            result = work(*args, **kwargs)
            self.depth -= 1
            if not self.depth:
                self.seconds[name] += time.process_time() - begun
            return result

        return timed

    def watch(self, gan: AdversarialModule) -> None:
        """Time the parts of a GAN."""
        anything: Any = gan
        for name, part in (("generate", "G"), ("manual_backward", "backward"), ("update_average", "average")):
            setattr(gan, name, self.of(part, getattr(gan, name)))
        anything.judge = self.of(self._side, gan.judge)
        update = gan._update

        def begin(player: str, *rest: Any) -> None:
            self.player, self.judged = player, 0
            update(player, *rest)  # type: ignore[arg-type]

        anything._update = begin
        for anything in gan.stabilizers:
            anything.terms = self.of("stabilizers", anything.terms)

    def _side(self) -> str:
        self.judged += 1
        if self.player == "g":
            return "D in G's update"
        return "D of reals" if self.judged == 1 else "D of fakes"

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Time the optimizers, too."""
        for optimizer in trainer.optimizers:
            optimizer.step = self.of("optimizers", optimizer.step)  # type: ignore[method-assign]

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Begin to count."""
        if trainer.global_step == speed.WARM:
            self.seconds = dict.fromkeys(self.seconds, 0.0)
            self.begun = time.process_time()

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Stop."""
        self.seconds["all"] = time.process_time() - self.begun


class TimedData(MNISTSampleDataModule):
    """Digits, whose batches are timed."""

    anatomy: Anatomy

    def train_dataloader(self) -> Any:
        """The usual loader, timed."""
        loader = super().train_dataloader()
        anatomy, batches = self.anatomy, type(loader).__iter__

        class Timed(type(loader)):  # type: ignore[misc]
            def __iter__(self) -> Iterator[Any]:
                iterator = batches(self)
                while (batch := anatomy.of("data", next)(iterator, None)) is not None:
                    yield batch

        loader.__class__ = Timed
        return loader


def shares(name: str, steps: int) -> dict[str, float]:
    """Of each part in the CPU time of ``fit``."""
    seed_everything(0, verbose=False)
    gan, anatomy, data = build(name), Anatomy(), TimedData(batch_size=speed.BATCH)
    data.anatomy = anatomy
    anatomy.watch(gan)
    options: dict[str, Any] = {"accelerator": "cpu", "use_distributed_sampler": False, "callbacks": [anatomy], **BARE}
    Trainer(max_steps=steps + speed.WARM, **options).fit(gan, data)
    whole = anatomy.seconds.pop("all")
    found = {part: seconds / whole for part, seconds in anatomy.seconds.items()}
    return {**found, "rest": 1 - sum(found.values())}


def peak_mib(name: str, side: str) -> float:
    """The most memory that this process has had when it has trained for three updates of G."""
    if side == "fit":
        speed.fitted(name, 3)
    else:
        looped(name, 3, is_best=side == "best")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_process(name: str, side: str, options: argparse.Namespace) -> float:
    """The memory of a process of its own."""
    own = ["--gan", name, "--only", side, "--threads", str(options.threads), "--batch", str(options.batch)]
    command = [sys.executable, "-m", "benchmarks.anatomy", "--memory", *own]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure, and print a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gan", nargs="+", default=GANS, choices=GANS)
    parser.add_argument("--steps", type=int, default=20, help="updates of G that are timed")
    parser.add_argument("--batch", type=int, default=speed.BATCH)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--only", choices=SIDES, help="in this process, and nothing but the figure")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    speed.BATCH = options.batch
    if options.only:
        print(peak_mib(options.gan[0], options.only))
        return
    columns = [f"{side}, MiB" for side in SIDES] if options.memory else [*PARTS, "rest"]
    print(f"{device()}, commit {git_commit()}, batch {options.batch}\n")
    print(f"| GAN | {' | '.join(columns)} |\n" + "| --- " * (1 + len(columns)) + "|", flush=True)
    for name in options.gan:
        if options.memory:
            cells = [f"{in_process(name, side, options):.0f}" for side in SIDES]
        else:
            cells = [f"{share:.0%}" for share in shares(name, options.steps).values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
