"""How fast ``Trainer.fit`` is on each GAN: against the loop that one usually writes, and against the best that we can.

    python -m benchmarks.speed --threads 1                          # all; some minutes each for the large ones
    python -m benchmarks.speed --gan DCGAN WGANGP --rounds 5 --batch 128 --out speed.json

All three play the same game with the same networks, losses, penalties and moving average, and take turns in one
process. The usual loop reads MNIST as torchvision does, image by image, with the transforms of most scripts; its
networks are as PyTorch makes them, its optimizers are the default ones, and it makes its fakes once for both players.
The best loop takes batches from a tensor of bytes; its networks have channels last, its optimizers are fused, D's fakes
have no graph, the opponent is frozen, and spectral norms are computed once an update. ``fit`` is the trainer with what
logs images/s. Times are CPU seconds. Prints Markdown: images/s of ``fit`` (real images that D sees), the ratios
(median, and the extremes of the rounds), the work of an image as torch counts it, and the share of the speed at which
this machine convolves (the best of three 3x3 convolutions).
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from PIL import Image
from torch import Tensor
from torch.nn.functional import conv2d
from torch.nn.utils import parametrize
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count
from torchvision import transforms

import gan_lightning
from benchmarks.mnist import device, git_commit
from datamodules import MNISTSampleDataModule
from gan_lightning.arguments import arguments_of
from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import Throughput
from gan_lightning.engine.ema import move_average
from gan_lightning.game import Letter, Move, total
from gan_lightning.images import to_float
from gan_lightning.modules import __all__ as CATALOGUE

GANS = [name for name in CATALOGUE if name != "ProGAN"]
"""Those whose networks stay as they are."""
BATCH = 64
WARM = 2
"""Steps that are not timed."""
LAZY = 16
"""Steps in which each lazy term is due once."""
Batch = tuple[Tensor, Tensor]


def build(name: str) -> AdversarialModule:
    """A GAN of the catalogue with its default numbers, for MNIST."""
    kind = getattr(gan_lightning, name)
    names = arguments_of(kind)
    numbers = {"image_shape": (1, 28, 28), "num_classes": 10, "width": 32}
    gan: AdversarialModule = kind(**{key: value for key, value in numbers.items() if key in names})
    return gan


class Pictures(Dataset[Batch]):
    """Digits as torchvision's ``MNIST`` gives them."""

    def __init__(self, data: MNISTSampleDataModule) -> None:
        split = data.dataset("train")
        self.pixels, self.labels = split.pixels.numpy(), split.labels.tolist()
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Batch:
        """One image in [-1, 1], and its class."""
        return self.transform(Image.fromarray(self.pixels[index, 0])), self.labels[index]


def usual_batches(data: MNISTSampleDataModule) -> Iterator[Batch]:
    """For ever."""
    while True:
        yield from DataLoader(Pictures(data), BATCH, shuffle=True, drop_last=True)


def best_batches(data: MNISTSampleDataModule) -> Iterator[Batch]:
    """For ever."""
    split = data.dataset("train")
    while True:
        for rows in torch.randperm(len(split.pixels)).split(BATCH)[:-1]:
            yield to_float(split.pixels.index_select(0, rows)), split.labels.index_select(0, rows)


class Loop:
    """A game without a trainer.

    Args:
        gan: Its networks, losses and penalties.
        data: The images.
        is_best: Whether everything is done that makes it faster.
    """

    def __init__(self, gan: AdversarialModule, data: MNISTSampleDataModule, is_best: bool) -> None:
        self.gan = gan
        self.is_best = is_best
        self.batches = best_batches(data) if is_best else usual_batches(data)
        if not is_best:
            gan.to(memory_format=torch.contiguous_format)
        networks = (gan.generator, gan.discriminator)
        makers = zip(gan.players.both, networks, strict=True)
        self.optimizers = [
            player.make([{"params": list(network.parameters())}], gan.players.lr, gan.players.betas, is_best)
            for player, network in makers
        ]

    def run(self, first: int, steps: int) -> float:
        """CPU seconds of some updates of G."""
        started = time.process_time()
        for step in range(first, first + steps):
            for number in range(self.gan.n_critic):
                real, labels = next(self.batches)
                latents, fake = self._fakes(labels, with_graph=not self.is_best)
                self._update("d", step, number, real, labels, latents, fake.detach())
            if self.is_best:
                latents, fake = self._fakes(labels, with_graph=True)
            self._update("g", step, self.gan.n_critic, real, labels, latents, fake)
            if self.gan.ema is not None:
                move_average(self.gan.ema, self.gan.generator, self.gan.ema_decay, step)
        return time.process_time() - started

    def _fakes(self, labels: Tensor, with_graph: bool) -> Batch:
        latents = self.gan.sample_latent(len(labels))
        with torch.set_grad_enabled(with_graph):
            return latents, self.gan.generate(latents, labels)

    def _update(
        self, player: Letter, step: int, number: int, real: Tensor, labels: Tensor, latents: Tensor, fake: Tensor
    ) -> None:
        gan = self.gan
        own, other = (gan.generator, gan.discriminator) if player == "g" else (gan.discriminator, gan.generator)
        optimizer = self.optimizers[player == "d"]
        gan.draws.begin(step, number)
        update = step if player == "g" else step * gan.n_critic + number
        move = Move(player, own, step, update, real, fake, labels, latents, gan.judge, gan.generate, gan.draws)
        if self.is_best:
            other.requires_grad_(False)
        with parametrize.cached() if self.is_best else nullcontext():
            loss = total(*gan.terms(move)[:2])
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
        other.requires_grad_(True)


class Clock(Callback):
    """CPU seconds from the end of the warm-up to the end of the training."""

    started = seconds = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start."""
        if trainer.global_step == WARM:
            self.started = time.process_time()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop."""
        self.seconds = time.process_time() - self.started


def fitted(name: str, steps: int) -> float:
    """CPU seconds of ``fit``."""
    seed_everything(0, verbose=False)
    gan, clock = build(name), Clock()
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps + WARM,
        max_epochs=-1,
        limit_val_batches=0,
        enable_checkpointing=False,
        use_distributed_sampler=False,
        callbacks=[clock, Throughput()],
        **quiet,
    )
    trainer.fit(gan, MNISTSampleDataModule(batch_size=BATCH))
    return float(clock.seconds)


def looped(name: str, steps: int, is_best: bool) -> float:
    """CPU seconds of a loop."""
    seed_everything(0, verbose=False)
    loop = Loop(build(name), MNISTSampleDataModule(), is_best)
    loop.run(0, WARM)
    return loop.run(WARM, steps)


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))


def _attention_backward(gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(gradient.shape, query.shape, key.shape, value.shape))


FORMULAS = {
    **flop_registry,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""Of operators: torch's, which lack attention on a CPU."""


class Counter(TorchDispatchMode):
    """Counts operations by formulas; torch's FlopCounterMode cannot see penalties on gradients."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator, and count it."""
        result = func(*args, **(kwargs or {}))
        formula = FORMULAS.get(func._overloadpacket)
        self.operations += formula(*args, **(kwargs or {}), out_val=result) if formula else 0
        return result


def work(name: str) -> float:
    """Floating point operations for each real image that D sees, in the best loop."""
    loop = Loop(build(name), MNISTSampleDataModule(), is_best=True)
    loop.run(0, 1)
    with Counter() as counter:
        loop.run(1, LAZY)
    return float(counter.operations) / (LAZY * BATCH * loop.gan.n_critic)


def peak() -> float:
    """Operations a second of the fastest of three convolutions."""
    speeds = []
    for channels, side in ((64, 28), (128, 14), (256, 14)):
        images = torch.randn(BATCH, channels, side, side).contiguous(memory_format=torch.channels_last)
        kernel = torch.randn(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last)
        for _ in range(4):
            started = time.process_time()
            conv2d(images, kernel, padding=1)
            speeds.append(2 * 9 * channels**2 * side**2 * BATCH / (time.process_time() - started))
    return max(speeds)


def measure(name: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Images/s of all three, and their ratios round by round."""
    once = looped(name, 1, is_best=True)
    steps = max(3, round(seconds / once))
    sides: dict[str, list[float]] = {"fit": [], "usual": [], "best": []}
    for _ in range(rounds):
        sides["fit"].append(fitted(name, steps))
        sides["usual"].append(looped(name, steps, is_best=False))
        sides["best"].append(looped(name, steps, is_best=True))
    images = steps * BATCH * build(name).n_critic
    return {
        "steps": steps,
        "images_per_second": {side: images / statistics.median(times) for side, times in sides.items()},
        "ratios": {
            side: [time / fit for time, fit in zip(sides[side], sides["fit"], strict=True)]
            for side in ("usual", "best")
        },
        "operations_per_image": work(name),
    }


def row(name: str, found: dict[str, Any], fastest: float) -> str:
    """Of the table."""
    rate = found["images_per_second"]["fit"]
    ratios = [
        f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in found["ratios"].values()
    ]
    operations = found["operations_per_image"]
    return (
        f"| {name} | {rate:.0f} | {' | '.join(ratios)} | {operations / 1e6:.0f} | {rate * operations / fastest:.0%} |"
    )


def main() -> None:
    """Measure, and print a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gan", nargs="+", default=GANS, choices=GANS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of the best loop in each round, about")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="a JSON file for all that was measured")
    options = parser.parse_args()
    globals()["BATCH"] = options.batch
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    fastest = peak()
    print(f"{device()}, commit {git_commit()}; convolutions at {fastest / 1e9:.0f} GFLOP/s\n")
    print("| GAN | images/s | of the usual loop | of the best loop | MFLOP an image | of the peak |")
    print("| --- " * 6 + "|", flush=True)
    found = {}
    for name in options.gan:
        found[name] = measure(name, options.rounds, options.seconds)
        print(row(name, found[name], fastest), flush=True)
        if options.out:
            content = {"device": device(), "commit": git_commit(), "peak": fastest, "gans": found}
            options.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
