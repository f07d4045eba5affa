"""What a second process brings: images/s on two processes of one thread each against one of one thread, interleaved.

    python benchmarks/processes.py --rounds 5

A DCGAN on the MNIST sample, 64 images a process and update. Two runs that know nothing of each other tell how much two
cores of the machine can do at all. Also compares gan_ddp with Lightning's ``ddp_find_unused_parameters_true``, which
reduces the gradients of both players at each backward.
"""

import argparse
import logging
import multiprocessing
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy

from datamodules import MNISTSampleDataModule
from gan_lightning import DCGAN
from gan_lightning.engine.strategies import GANDDPStrategy

WARM_UP = 10


class Clock(Callback):
    """Writes the seconds from the end of the warm-up to the end of training into a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Start the clock."""
        if trainer.global_step == WARM_UP:
            self.started = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop it."""
        if trainer.is_global_zero:
            self.path.write_text(str(time.perf_counter() - self.started))


def images_per_second(
    data: MNISTSampleDataModule, strategy: Any, processes: int, arguments: argparse.Namespace
) -> float:
    """Real images a second that D is trained on, over all processes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seconds"
        trainer = Trainer(
            accelerator="cpu",
            devices=processes,
            strategy=strategy,
            max_steps=arguments.steps + WARM_UP,
            callbacks=[Clock(path)],
            limit_val_batches=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(DCGAN(width=arguments.width), data)
        images: int = arguments.steps * data.batch_size * processes
        return images / float(path.read_text())


def unrelated(data: MNISTSampleDataModule, arguments: argparse.Namespace) -> float:
    """Real images a second of two runs at the same time, together."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.starmap(images_per_second, [(data, "auto", 1, arguments)] * 2))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    data = MNISTSampleDataModule(batch_size=arguments.batch_size)
    data.dataset("train")
    sides: dict[str, list[float]] = {"one": [], "unrelated": [], "gan_ddp": [], "find_unused": []}
    for _ in range(arguments.rounds):
        sides["one"].append(images_per_second(data, "auto", 1, arguments))
        sides["unrelated"].append(unrelated(data, arguments))
        sides["gan_ddp"].append(images_per_second(data, GANDDPStrategy(start_method="fork"), 2, arguments))
        unused = DDPStrategy(find_unused_parameters=True, start_method="fork")
        sides["find_unused"].append(images_per_second(data, unused, 2, arguments))
    print({name: round(statistics.median(rates)) for name, rates in sides.items()}, "images/s (medians)")
    for other in ("one", "unrelated", "find_unused"):
        ratios = [a / b for a, b in zip(sides["gan_ddp"], sides[other], strict=True)]
        print(f"gan_ddp / {other}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
