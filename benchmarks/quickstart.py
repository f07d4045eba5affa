"""Quality per minute: which recipe has the best samples after 75, 150 and 300 s of training on this machine.

    python -m benchmarks.quickstart --root data                  # try every candidate that has no result
    python -m benchmarks.quickstart --root data --only base resnet_g8 --seeds 0 1 2
    python -m benchmarks.quickstart --table

Each candidate trains on the 9,000 digits of `--config quickstart`. The score is ``fid_mnist`` of 10,000 samples (the
moving average's) against the 5,000 validation images of MNIST. The clock stands still while they are judged; a
candidate whose training ends before a time is judged at its end. Give it a machine that does nothing else. A result is
one JSON file below benchmarks/results/quickstart.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torchmetrics.image.fid import FrechetInceptionDistance

from benchmarks.mnist import BARE, device, git_commit, spread
from datamodules import MNISTDataModule, MNISTSampleDataModule
from gan_lightning import DCGAN, LSGAN, ConditionalDCGAN
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.optimizers import Adam
from gan_lightning.images import to_uint8
from gan_lightning.losses import NonSaturatingLoss
from gan_lightning.metrics import MNISTFeatures
from gan_lightning.networks import DCGANDiscriminator, DCGANGenerator, ResNetGenerator
from gan_lightning.stabilizers import DiffAugment

RESULTS = Path(__file__).parent / "results" / "quickstart"
TIMES = (75, 150, 300)
"""Seconds of training after which samples are judged."""
SHAPE = (1, 28, 28)
RECIPE: dict[str, Any] = {"lr": 1e-3, "betas": (0.5, 0.99)}
SHIFTS = {"brightness": 0.0, "saturation": 0.0, "contrast": 0.0, "cutout": 0.0}
"""Of DiffAugment: translation alone."""


def dcgan(width: int = 32, **options: Any) -> AdversarialModule:
    """DCGAN in the recipe of the quickstart."""
    return DCGAN(width=width, **{**RECIPE, **options})


def mixed(generator: Any, width: int = 32, **options: Any) -> AdversarialModule:
    """Another generator with DCGAN's discriminator."""
    judge = DCGANDiscriminator(SHAPE, width)
    return AdversarialModule(generator, judge, NonSaturatingLoss(), latent_dim=100, **{**RECIPE, **options})


class Candidate(NamedTuple):
    """A recipe."""

    make: Callable[[], AdversarialModule]
    batch_size: int = 64
    steps: int = -1
    """Updates of G after which training ends, if time has not run out; -1 for no end."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"


def falling() -> dict[str, Any]:
    """Optimizers whose learning rates fall to 0."""
    return {f"{player}_optimizer": Adam(lr_schedule="linear") for player in ("generator", "discriminator")}


def conditional(**options: Any) -> AdversarialModule:
    """ConditionalDCGAN in the recipe of the quickstart."""
    return ConditionalDCGAN(width=32, **{**RECIPE, **options})


CANDIDATES = {
    "base": Candidate(dcgan),
    "width16": Candidate(lambda: dcgan(16)),
    "width24": Candidate(lambda: dcgan(24)),
    "batch32": Candidate(dcgan, 32),
    "batch128": Candidate(dcgan, 128),
    "lr2e-3": Candidate(lambda: dcgan(lr=2e-3)),
    "lr5e-4": Candidate(lambda: dcgan(lr=5e-4)),
    "ema0.99": Candidate(lambda: dcgan(ema_decay=0.99)),
    "ema0.995": Candidate(lambda: dcgan(ema_decay=0.995)),
    "translation": Candidate(lambda: dcgan(stabilizers=[DiffAugment(**SHIFTS)])),
    "lsgan": Candidate(lambda: LSGAN(width=32, **RECIPE)),
    "narrow_g": Candidate(lambda: mixed(DCGANGenerator(SHAPE, 100, 16))),
    "resnet_g8": Candidate(lambda: mixed(ResNetGenerator(SHAPE, 100, 8, 64))),
    "resnet_g16": Candidate(lambda: mixed(ResNetGenerator(SHAPE, 100, 16, 128))),
    "resnet_g8_d16": Candidate(lambda: mixed(ResNetGenerator(SHAPE, 100, 8, 64), width=16)),
    "linear": Candidate(lambda: dcgan(**falling()), steps=6_000),
    "conditional": Candidate(conditional),
    "conditional_linear": Candidate(lambda: conditional(**falling()), steps=5_000),
    "conditional_linear_bf16": Candidate(lambda: conditional(**falling()), steps=5_000, precision="bf16-mixed"),
    "conditional_lr2e-3": Candidate(lambda: conditional(lr=2e-3, **falling()), steps=5_000),
}


class Clock(Callback):
    """Judges samples when training has taken so long, and stops it after the last time."""

    def __init__(self, metric: FrechetInceptionDistance) -> None:
        self.metric = metric
        self.values: dict[str, float] = {}
        self.updates: dict[str, int] = {}
        self.trained = 0.0
        """Seconds."""

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Start the clock."""
        self.begun = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Look at the clock."""
        due = [str(seconds) for seconds in TIMES[len(self.values) :]]
        now = time.perf_counter()
        is_last = trainer.global_step == trainer.max_steps
        if self.trained + now - self.begun < int(due[0]) and not is_last:
            return
        self.trained += now - self.begun
        self.metric.reset()
        for images, _ in pl_module.stream(10_000, seed=0):
            self.metric.update(to_uint8(images), real=False)
        value = round(self.metric.compute().item(), 2)
        for seconds in due if is_last else due[:1]:
            self.values[seconds] = value
            self.updates[seconds] = trainer.global_step
        trainer.should_stop = len(self.values) == len(TIMES)
        self.begun = time.perf_counter()


def run(name: str, seed: int, root: str) -> dict[str, Any]:
    """Train a candidate and judge it as time goes by."""
    metric = FrechetInceptionDistance(MNISTFeatures(), reset_real_features=False)
    for pixels in MNISTDataModule(root).dataset("val").pixels.split(500):
        metric.update(pixels, real=True)
    seed_everything(seed, verbose=False)
    candidate = CANDIDATES[name]
    gan, clock = candidate.make(), Clock(metric)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            accelerator="cpu",
            default_root_dir=folder,
            callbacks=[clock],
            max_steps=candidate.steps,
            precision=candidate.precision,
            **BARE,
        ).fit(gan, MNISTSampleDataModule(batch_size=candidate.batch_size))
    told = {"candidate": name, "seed": seed, "commit": git_commit(), "device": device()}
    return {**told, "fid_mnist": clock.values, "updates": clock.updates, "seconds": round(clock.trained)}


def table() -> str:
    """Means and deviations over the seeds as Markdown, the best at the last time first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text())
        found.setdefault(result["candidate"], []).append(result)
    rows = []
    for name, runs in found.items():
        scores = [[float(result["fid_mnist"][str(seconds)]) for result in runs] for seconds in TIMES]
        updates = statistics.mean(result["updates"][str(TIMES[-1])] for result in runs)
        cells = [name, *(spread(values) for values in scores), f"{updates:.0f}", str(len(runs))]
        rows.append((statistics.mean(scores[-1]), cells))
    lines = [f"| candidate | {' | '.join(f'{seconds} s' for seconds in TIMES)} | updates | seeds |", "|" + " --- |" * 6]
    return "\n".join(lines + [f"| {' | '.join(cells)} |" for _, cells in sorted(rows)])


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--only", nargs="*", default=list(CANDIDATES), choices=list(CANDIDATES), metavar="CANDIDATE")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--table", action="store_true", help="print the results there are")
    arguments = parser.parse_args()
    if arguments.table:
        print(table())
        return
    torch.set_num_threads(arguments.threads)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for name in arguments.only:
            path = RESULTS / f"{name}-{seed}.json"
            if not path.exists():
                path.write_text(json.dumps(run(name, seed, arguments.root)) + "\n")
                print(path.read_text(), end="", flush=True)


if __name__ == "__main__":
    main()
