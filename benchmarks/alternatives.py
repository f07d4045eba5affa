"""What ways of doing the same work gain: the best loop of benchmarks/speed.py with and without each, in CPU time.

    python -m benchmarks.alternatives --threads 1
    python -m benchmarks.alternatives --only "shared slopes" --rounds 9

- "shared slopes": R1 and R2 take D's gradient from the pass that the loss has made. The package does.
- "fused attention": pixels attend to each other without the matrix of all pairs in memory. The package does so.
- "one pass": D judges reals and fakes together, where it has no batch norm. The package does not.
- "inference mode": samples are drawn under ``inference_mode``, not ``no_grad``. The package does not.

Updates come in multiples of 16, since lazy penalties are due once in so many. With and without take turns. Prints
Markdown: the median of the rounds' ratios, and their extremes; above 1 it is faster.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from lightning.pytorch import seed_everything
from torch import Tensor

from benchmarks.mnist import device, git_commit
from benchmarks.speed import Loop, build
from datamodules import MNISTSampleDataModule
from gan_lightning.game import Move, Verdict
from gan_lightning.networks.attention import attend
from gan_lightning.precision import is_full_precision

GANS = {
    "shared slopes": ["R3GAN", "StyleGAN2"],
    "fused attention": ["SAGAN", "BigGAN"],
    "one pass": ["GAN", "SNGAN"],
    "inference mode": ["DCGAN", "GAN"],
}
SAMPLES = 1_000
LAZY = 16
Side = Callable[[int], float]


def loop_of(name: str) -> Loop:
    """The best one, warm."""
    seed_everything(0, verbose=False)
    loop = Loop(build(name), MNISTSampleDataModule(), is_best=True)
    loop.run(0, 1)
    return loop


def patched(target: str, ours: Callable[..., Any], plain: Callable[..., Any], name: str) -> tuple[Side, Side]:
    """CPU seconds of some updates of G after the first one, with our function and with the plain one in its place."""

    def side(function: Callable[..., Any]) -> Side:
        loop = loop_of(name)

        def run(steps: int) -> float:
            with patch(target, function):
                return loop.run(1, steps)

        return run

    return side(ours), side(plain)


def plain_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """:func:`~gan_lightning.networks.attention.attend`, as it is written."""
    return (query @ key.mT).softmax(dim=-1) @ value


def one_pass(name: str) -> tuple[Side, Side]:
    """CPU seconds of some updates of G after the first one, with D's one pass and with two."""
    loop, other = loop_of(name), loop_of(name)
    gan: Any = loop.gan
    apart = gan.terms

    def terms(move: Move) -> Any:
        if move.player == "d":
            both = gan.judge(torch.cat([move.real, move.fake]), move.labels.repeat(2))
            move.on_real, move.on_fake = (Verdict(logits, {}) for logits in both.logits.chunk(2))
        return apart(move)

    gan.terms = terms
    return lambda steps: loop.run(1, steps), lambda steps: other.run(1, steps)


def inference_mode(name: str) -> tuple[Side, Side]:
    """CPU seconds of drawing samples some times."""
    gan = build(name).eval()
    latents = gan.sample_latent(SAMPLES)
    draw = type(gan).sample_from.__wrapped__  # type: ignore[attr-defined]  # without its no_grad

    def side(mode: Callable[[], Any]) -> Side:
        def run(steps: int) -> float:
            begun = time.process_time()
            with mode():
                for _ in range(steps):
                    draw(gan, latents)
            return time.process_time() - begun

        return run

    return side(torch.inference_mode), side(torch.no_grad)


KINDS: dict[str, Callable[[str], tuple[Side, Side]]] = {
    "shared slopes": partial(patched, "gan_lightning.base.is_full_precision", is_full_precision, lambda _: False),
    "fused attention": partial(patched, "gan_lightning.networks.attention.attend", attend, plain_attention),
    "one pass": one_pass,
    "inference mode": inference_mode,
}


def measure(what: str, name: str, rounds: int, seconds: float) -> str:
    """A row of the table."""
    ours, theirs = KINDS[what](name)
    steps = LAZY * max(1, round(seconds / theirs(LAZY)))
    ratios = [theirs(steps) / ours(steps) for _ in range(rounds)]
    return f"| {what} | {name} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"


def main() -> None:
    """Measure, and print a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[*GANS], choices=[*GANS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each side in each round, about")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    print(f"{device()}, commit {git_commit()}\n")
    print("| what | GAN | speed with, of without |\n| --- | --- | --- |", flush=True)
    for what in options.only:
        for name in GANS[what]:
            print(measure(what, name, options.rounds, options.seconds), flush=True)


if __name__ == "__main__":
    main()
