"""Is a run the same however it is cut? Largest differences between parameters, for every loss x penalty x n_critic.

    python benchmarks/equivalence.py            # every row: about two minutes on two cores
    python benchmarks/equivalence.py --quick    # every loss and every penalty, but not every pair: seconds

A row trains a small GAN without batch statistics in float64, for 20 updates of G, with 8 images of the MNIST sample in
each update of D. Columns: how far the run moved its parameters, for comparison; two processes of 4 images against one
of 8; a run stopped after 7 updates and resumed against one that never stopped; 4 micro-batches of 2 images against one
batch. Prints Markdown, and exits with status 1 when an entry exceeds its limit, or a run did not move.
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
from gan_lightning import losses
from gan_lightning.base import AdversarialModule
from gan_lightning.networks import MLPDiscriminator, MLPGenerator
from gan_lightning.strategies import GANDDPStrategy

LOSSES = sorted(name for name in losses.__all__ if name.endswith("Loss") and name != "AdversarialLoss")
PENALTIES: dict[str, dict[str, float]] = {
    "none": {},
    "gradient_penalty": {"gradient_penalty_weight": 10.0},
    "r1": {"r1_weight": 1.0},
    "r2": {"r2_weight": 1.0},
}
MOVED = 1e-3
LIMITS = {"2 processes": 1e-12, "resumed": 0.0, "accumulated": 1e-12}
UPDATES, STOP, BATCH = 20, 7, 8


class SmallGAN(AdversarialModule):
    """Two perceptrons without batch norm and dropout, and any loss by the name of its class."""

    def __init__(self, *, loss: str, **kwargs: Any) -> None:
        generator = MLPGenerator((1, 28, 28), 16, (32,), norm="none")
        discriminator = MLPDiscriminator(28 * 28, (32,), dropout_prob=0.0)
        super().__init__(generator, discriminator, getattr(losses, loss)(), latent_dim=16, **kwargs)


def trained(
    data: MNISTSampleDataModule, processes: int = 1, steps: int = UPDATES, ckpt_path: Path | None = None, **options: Any
) -> tuple[SmallGAN, Trainer]:
    """A run through the public path of the trainer."""
    seed_everything(0, verbose=False)
    gan = SmallGAN(**options).double()
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


def difference(a: SmallGAN, b: SmallGAN) -> float:
    """The largest between parameters of G, D and the average of G."""
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return max(float((p.detach() - q.detach()).abs().max()) for p, q in pairs)


def row(data: MNISTSampleDataModule, folder: Path, **options: Any) -> dict[str, float]:
    """The entries of a row by column."""
    start, _ = trained(data, steps=0, **options)
    whole, _ = trained(data, **options)
    _, stopped = trained(data, steps=STOP, **options)
    stopped.save_checkpoint(folder / "stop.ckpt")
    return {
        "moved": difference(start, whole),
        "2 processes": difference(whole, trained(data, processes=2, **options)[0]),
        "resumed": difference(whole, trained(data, ckpt_path=folder / "stop.ckpt", **options)[0]),
        "accumulated": difference(whole, trained(data, accumulate=4, **options)[0]),
    }


def cases(quick: bool) -> list[tuple[str, str, int]]:
    """(loss, penalty, n_critic) of each row; quick leaves most pairs out."""
    every = list(itertools.product(LOSSES, PENALTIES, (1, 5)))
    if not quick:
        return every
    return [case for case in every if case[1:] == ("none", 1) or (case[0] == "WassersteinLoss" and case[2] == 5)]


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
    print(f"| loss | penalty | n_critic | moved | {' | '.join(LIMITS)} |\n|{' --- |' * (4 + len(LIMITS))}", flush=True)
    exceeded = 0
    with tempfile.TemporaryDirectory() as folder:
        for loss, penalty, n_critic in cases(arguments.quick):
            entries = row(data, Path(folder), loss=loss, n_critic=n_critic, **PENALTIES[penalty])
            exceeded += sum(not entries[column] <= limit for column, limit in LIMITS.items())
            exceeded += not entries["moved"] >= MOVED
            texts = [f"{entry:.0e}" if entry else "0" for entry in entries.values()]
            print(f"| {loss} | {penalty} | {n_critic} | {' | '.join(texts)} |", flush=True)
    print(f"\nLimits: {LIMITS}, moved at least {MOVED}; {exceeded} entries are beyond theirs.")
    sys.exit(exceeded > 0)


if __name__ == "__main__":
    main()
