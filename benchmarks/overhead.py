"""What the trainer costs: images/s of ``Trainer.fit`` against a bare PyTorch loop of the same GAN, interleaved.

    python benchmarks/overhead.py --gan GAN DCGAN --threads 2

Both do the same work: the same networks, batches from the same uint8 tensor, fused Adam, fakes without graph, a frozen
opponent and a moving average of G. Prints the median ratio over the rounds, and each side's median.
"""

import argparse
import copy
import statistics
import time
import warnings
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.nn.functional import softplus

import gan_lightning
from datamodules import MNISTSampleDataModule
from gan_lightning.arguments import arguments_of
from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import Throughput

COMPARED = ("GAN", "DCGAN")


def build(name: str) -> AdversarialModule:
    """A GAN of the catalogue, at the base width of benchmarks/mnist.py."""
    kind = getattr(gan_lightning, name)
    gan: AdversarialModule = kind(**{"width": 32} if "width" in arguments_of(kind) else {})
    return gan


def bare(gan: AdversarialModule, data: MNISTSampleDataModule, steps: int) -> float:
    """Seconds of a loop that has nothing but the work in it."""
    g, d = gan.generator, gan.discriminator
    average = copy.deepcopy(g)
    optimizer_g, optimizer_d = (
        torch.optim.Adam(player.parameters(), 2e-4, (0.5, 0.999), fused=True) for player in (g, d)
    )
    averaged: list[Tensor] = list(average.parameters())
    current: list[Tensor] = list(g.parameters())
    images = data.dataset("train").pixels
    order = torch.randperm(len(images))
    size = data.batch_size
    started = time.perf_counter()
    for step in range(steps):
        chosen = order[step % (len(order) // size) * size :][:size]
        real = images.index_select(0, chosen).float().sub_(127.5).mul_(1 / 127.5)
        with torch.no_grad():
            fake = g(torch.randn(size, gan.latent_dim))
        loss: Tensor = softplus(-d(real).logits).mean() + softplus(d(fake).logits).mean()
        optimizer_d.zero_grad()
        loss.backward()
        optimizer_d.step()
        d.requires_grad_(False)
        loss = softplus(-d(g(torch.randn(size, gan.latent_dim))).logits).mean()
        optimizer_g.zero_grad()
        loss.backward()
        optimizer_g.step()
        d.requires_grad_(True)
        with torch.no_grad():
            torch._foreach_lerp_(averaged, current, 0.001)
    return time.perf_counter() - started


class Clock(Throughput):
    """Seconds of the training loop, from its first step to its last."""

    seconds = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start."""
        self.begun = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self.begun


def fitted(gan: AdversarialModule, data: MNISTSampleDataModule, steps: int) -> float:
    """Seconds of ``Trainer.fit``, with the logging and the callback of throughput that the command line has."""
    clock = Clock()
    options: dict[str, Any] = {"enable_checkpointing": False, "enable_progress_bar": False, "logger": False}
    trainer = Trainer(
        accelerator="cpu", max_steps=steps, limit_val_batches=0, enable_model_summary=False, callbacks=clock, **options
    )
    trainer.fit(gan, data)
    return clock.seconds


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gan", nargs="+", default=list(COMPARED), choices=list(COMPARED))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")
    data = MNISTSampleDataModule()
    images = arguments.steps * data.batch_size
    for name in arguments.gan:
        times: dict[str, list[float]] = {"bare": [], "fit": []}
        for _ in range(arguments.rounds + 1):  # the first round warms up
            times["bare"].append(bare(build(name), data, arguments.steps))
            times["fit"].append(fitted(build(name), data, arguments.steps))
        loops, fits = times["bare"][1:], times["fit"][1:]
        ratios = [loop / fit for loop, fit in zip(loops, fits, strict=True)]
        speeds = [images / statistics.median(side) for side in (loops, fits)]
        print(
            f"{name}: fit makes {statistics.median(ratios):.3f} of the bare loop's images/s "
            f"({min(ratios):.3f} to {max(ratios):.3f}; bare {speeds[0]:.0f}, fit {speeds[1]:.0f} images/s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
