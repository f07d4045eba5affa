"""Is a run the same however it is cut? Largest differences between parameters, for losses, stabilizers, n_critic.

    python benchmarks/equivalence.py            # every row: about two minutes on two cores
    python benchmarks/equivalence.py --quick    # every loss and every stabilizer, but not every pair: one minute

A row trains a small GAN without batch statistics in float64, for 20 updates of G, with 8 images of the MNIST sample in
each update of D. Columns: how far the run moved its parameters, for comparison; two processes of 4 images against one
of 8; a run stopped after 7 updates and resumed against one that never stopped; 4 micro-batches of 2 images against one
batch. Prints Markdown, and exits with status 1 when an entry exceeds its limit, or a run did not move. Stabilizers that
compare the images of a batch see that of their own process and micro-batch, so that these columns do not apply: "-".
"""

import argparse
import itertools
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything

from datamodules import MNISTSampleDataModule
from gan_lightning import losses, stabilizers
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.strategies import GANDDPStrategy
from gan_lightning.networks import MLPDiscriminator, MLPGenerator
from gan_lightning.parts import describe

LOSSES = sorted(name for name in losses.__all__ if name != "AdversarialLoss")
EACH = ("R1", "R2", "GradientPenalty")
"""Stabilizers that are tried with every loss; the others with one."""
SMALL: dict[str, dict[str, Any]] = {
    "R1": {"weight": 1.0},
    "R2": {"weight": 1.0},
    "ADA": {"images": 50, "initial_prob": 0.3},
    "InstanceNoise": {"steps": 15},
    "PathLength": {"every": 4},
    "Unrolled": {"steps": 2},
    "WeightClipping": {"clip_value": 0.05},
}
"""Arguments with which something happens within the run."""
LAZY = {"lazy R1": [("R1", {"weight": 1.0, "every": 3})]}
SEVERAL = {"R1, DiffAugment, InstanceNoise, NoisyLabels": ["R1", "DiffAugment", "InstanceNoise", "NoisyLabels"]}
MIXING = {"FeatureMatching", "MinibatchDiscrimination", "MinibatchStdDev"}
OTHERS = [name for name in stabilizers.__all__ if name not in EACH]
MOVED = 1e-3
LIMITS = {"2 processes": 1e-12, "resumed": 0.0, "accumulated": 1e-12}
UPDATES, STOP, BATCH = 20, 7, 8


Case = tuple[str, str, int]
"""Loss, stabilizers and n_critic of a row."""


def build(loss: str, added: str, n_critic: int, accumulate: int = 1) -> AdversarialModule:
    """A GAN of two perceptrons without batch norm and dropout."""
    chosen = LAZY.get(added) or [(name, SMALL.get(name, {})) for name in SEVERAL.get(added, [added])]
    parts: Any = [{"class_path": name, "init_args": options} for name, options in chosen if name != "none"]
    networks = MLPGenerator((1, 28, 28), 16, (32,), norm="none"), MLPDiscriminator(28 * 28, (32,), dropout_prob=0.0)
    numbers: dict[str, Any] = {"latent_dim": 16, "n_critic": n_critic, "accumulate": accumulate}
    return AdversarialModule(*networks, describe(getattr(losses, loss)), stabilizers=parts, **numbers).double()


def trained(
    case: Case,
    data: MNISTSampleDataModule,
    processes: int = 1,
    steps: int = UPDATES,
    ckpt_path: Path | None = None,
    accumulate: int = 1,
) -> tuple[AdversarialModule, Trainer]:
    """A run through the public path of the trainer."""
    seed_everything(0, verbose=False)
    gan = build(*case, accumulate)
    data.batch_size = BATCH // processes
    strategy = GANDDPStrategy(start_method="fork") if processes > 1 else "auto"
    trainer = Trainer(
        accelerator="cpu",
        devices=processes,
        strategy=strategy,
        precision="64-true",
        max_steps=steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(gan, data, ckpt_path=ckpt_path)
    return gan, trainer


def difference(a: AdversarialModule, b: AdversarialModule, state: bool = True) -> float:
    """The largest between parameters of G, D and the average of G, and perhaps the state of stabilizers."""
    one, other = ([*gan.parameters(), *(gan.stabilizers.buffers() if state else [])] for gan in (a, b))
    return max(float((p.detach() - q.detach()).abs().max()) for p, q in zip(one, other, strict=True))


def row(case: Case, data: MNISTSampleDataModule, folder: Path) -> dict[str, float | None]:
    """The entries of a row by column; None where one does not apply."""
    start, _ = trained(case, data, steps=0)
    whole, _ = trained(case, data)
    _, stopped = trained(case, data, steps=STOP)
    stopped.save_checkpoint(folder / "stop.ckpt")
    mixes = case[1] in MIXING
    return {
        "moved": difference(start, whole, state=False),
        "2 processes": None if mixes else difference(whole, trained(case, data, processes=2)[0]),
        "resumed": difference(whole, trained(case, data, ckpt_path=folder / "stop.ckpt")[0]),
        "accumulated": None if mixes else difference(whole, trained(case, data, accumulate=4)[0]),
    }


def cases(quick: bool) -> list[Case]:
    """The rows; quick leaves most pairs of loss and penalty out."""
    pairs = list(itertools.product(LOSSES, ["none", *EACH], (1, 5)))
    if quick:
        pairs = [case for case in pairs if case[1:] == ("none", 1) or (case[0] == "WassersteinLoss" and case[2] == 5)]
    others = itertools.product(["NonSaturatingLoss"], [*OTHERS, *LAZY, *SEVERAL], (1,) if quick else (1, 5))
    return [*pairs, *others]


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave most pairs out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    data = MNISTSampleDataModule()
    print(
        f"| loss | stabilizers | n_critic | moved | {' | '.join(LIMITS)} |\n|{' --- |' * (4 + len(LIMITS))}", flush=True
    )
    exceeded = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(arguments.quick):
            entries = row(case, data, Path(folder))
            found = {column: entries[column] for column in LIMITS}
            exceeded += sum(entry is not None and not entry <= LIMITS[column] for column, entry in found.items())
            exceeded += not (entries["moved"] or 0.0) >= MOVED
            texts = ["-" if entry is None else f"{entry:.0e}" if entry else "0" for entry in entries.values()]
            print(f"| {' | '.join(map(str, case))} | {' | '.join(texts)} |", flush=True)
    print(f"\nLimits: {LIMITS}, moved at least {MOVED}; {exceeded} entries are beyond theirs.")
    sys.exit(exceeded > 0)


if __name__ == "__main__":
    main()
