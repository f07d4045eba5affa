"""Images a second on one GPU, through ``Trainer.fit``: DCGAN, SNGAN and StyleGAN2, by precision, layout and compiler.

    python -m benchmarks.gpu              # measure, and keep the figures in benchmarks/results/gpu.json
    python -m benchmarks.gpu --table      # print what there is

Digits of the sample that comes with the package, enlarged to the size of the images, and repeated for three channels.
A figure is the real images that D is trained on in a second, over 20 updates of G after 10 that are not counted, by
the clock of the GPU's last kernel. The memory is the most that PyTorch had allocated. Nothing is evaluated or saved.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.mnist import BARE, device, git_commit
from datamodules import MNISTSampleDataModule
from gan_lightning import DCGAN, SNGAN, StyleGAN2
from gan_lightning.base import AdversarialModule

RESULTS = Path(__file__).parent / "results" / "gpu.json"
GANS: tuple[type[AdversarialModule], ...] = (DCGAN, SNGAN, StyleGAN2)
SIZES = {32: 64, 64: 128}
"""Height and width of the images, and how many there are in a batch."""
BEFORE, COUNTED = 10, 20
FP32, BF16, FP16 = "32-true", "bf16-mixed", "16-mixed"


def as_it_is(gan: AdversarialModule) -> None:
    """Channels last, and eager."""


def with_channels_first(gan: AdversarialModule) -> None:
    """As PyTorch makes networks."""
    gan.to(memory_format=torch.contiguous_format)


def compiled(gan: AdversarialModule) -> None:
    """As the argument of that name does, which leaves the channels first."""
    with_channels_first(gan)
    gan.compiles = True


def with_cuda_graphs(gan: AdversarialModule) -> None:
    """Compiled, and launched as graphs."""
    with_channels_first(gan)
    gan.generator.compile(mode="reduce-overhead")
    gan.discriminator.compile(mode="reduce-overhead")


VARIANTS: dict[str, tuple[str, Callable[[AdversarialModule], None]]] = {
    FP32: (FP32, as_it_is),
    BF16: (BF16, as_it_is),
    FP16: (FP16, as_it_is),
    f"{FP32}, channels first": (FP32, with_channels_first),
    f"{BF16}, channels first": (BF16, with_channels_first),
    f"{FP32}, compiled": (FP32, compiled),
    f"{BF16}, compiled": (BF16, compiled),
    f"{BF16}, CUDA graphs": (BF16, with_cuda_graphs),
}
"""A precision, and what is changed in the GAN, by name; compiling comes last, since it takes a minute."""


class Clock(Callback):
    """Takes the time of the updates that count."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Start, or stop."""
        if trainer.global_step in (BEFORE, BEFORE + COUNTED):
            torch.cuda.synchronize()
            now = time.perf_counter()
            self.begun, self.seconds = now, now - getattr(self, "begun", now)


def batches(size: int, count: int) -> DataLoader[tuple[Tensor, ...]]:
    """Digits as images of three channels in [-1, 1]."""
    pixels = MNISTSampleDataModule().dataset("train").pixels[: 8 * count].float() / 127.5 - 1
    images = interpolate(pixels, (size, size), mode="bilinear").repeat(1, 3, 1, 1)
    return DataLoader(TensorDataset(images, torch.zeros(len(images), dtype=torch.int64)), count, pin_memory=True)


def measure(kind: type[AdversarialModule], variant: str, size: int, count: int) -> dict[str, Any]:
    """Train for a moment."""
    seed_everything(0, verbose=False)
    torch.compiler.reset()  # or variants count as recompilations of the first
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    gan, clock = kind(image_shape=(3, size, size)), Clock()  # type: ignore[call-arg]
    precision, change = VARIANTS[variant]
    change(gan)
    Trainer(
        accelerator="gpu",
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        max_steps=BEFORE + COUNTED,
        callbacks=[clock],
        **BARE,
    ).fit(gan, batches(size, count))
    return {
        "gan": kind.__name__,
        "size": size,
        "batch": count,
        "variant": variant,
        "images_per_second": round(COUNTED * gan.n_critic * count / clock.seconds),
        "mib": round(torch.cuda.max_memory_allocated() / 2**20),
        "is_finite": all(bool(parameter.isfinite().all()) for parameter in gan.parameters()),
        "commit": git_commit(),
        "device": device("gpu"),
    }


def table() -> str:
    """The results as Markdown: images a second, and memory, one row a variant."""
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text())
    columns = list(dict.fromkeys((row["gan"], row["size"], row["batch"]) for row in found))
    titles = [f"{gan}, {size} px, batch {count}" for gan, size, count in sorted(columns, key=lambda one: one[1])]
    lines = [f"| | {' | '.join(titles)} |", "|" + " --- |" * (1 + len(titles))]
    for variant in dict.fromkeys(row["variant"] for row in found):
        cells = {(row["gan"], row["size"], row["batch"]): row for row in found if row["variant"] == variant}
        texts = [
            f"{cells[key]['images_per_second']:,} ({cells[key]['mib']:,} MiB)" if key in cells else "-"
            for key in sorted(columns, key=lambda one: one[1])
        ]
        lines.append(f"| {variant} | {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments; measure or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the results there are")
    if not parser.parse_args().table:
        found = []
        for variant, (size, count), kind in itertools.product(VARIANTS, SIZES.items(), GANS):
            try:
                found.append(measure(kind, variant, size, count))
            except (RuntimeError, AssertionError) as error:  # compilers may refuse a network
                print(f"{kind.__name__} at {size} px, {variant}: {str(error).splitlines()[0]}", flush=True)
                continue
            print(found[-1], flush=True)
            RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(table())


if __name__ == "__main__":
    main()
