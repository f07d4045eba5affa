"""Images a second on one GPU, in each precision, through ``Trainer.fit``: DCGAN, SNGAN and StyleGAN2 at 32 and 64 px.

    python -m benchmarks.gpu              # measure, and keep the figures in benchmarks/results/gpu.json
    python -m benchmarks.gpu --table      # print what there is

Digits of the sample that comes with the package, enlarged to the size of the images, and repeated for three channels.
A figure is the real images that D is trained on in a second, over 30 updates of G after 10 that are not counted, by
the clock of the GPU's last kernel. The memory is the most that PyTorch had allocated. Nothing is evaluated or saved.
"""

import argparse
import json
import time
from collections.abc import Iterator
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
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
SIZES = {32: 64, 64: 128}
"""Height and width of the images, and how many there are in a batch."""
BEFORE, COUNTED = 10, 30


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


def measure(kind: type[AdversarialModule], precision: str, size: int, count: int) -> dict[str, Any]:
    """Train for a moment."""
    seed_everything(0, verbose=False)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    gan, clock = kind(image_shape=(3, size, size)), Clock()  # type: ignore[call-arg]
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
        "precision": precision,
        "images_per_second": round(COUNTED * gan.n_critic * count / clock.seconds),
        "mib": round(torch.cuda.max_memory_allocated() / 2**20),
        "is_finite": all(bool(parameter.isfinite().all()) for parameter in gan.parameters()),
        "commit": git_commit(),
        "device": device("gpu"),
    }


def rows() -> Iterator[dict[str, Any]]:
    """Every GAN at every size, its precisions one after the other."""
    for size, count in SIZES.items():
        for kind in GANS:
            for precision in PRECISIONS:
                yield measure(kind, precision, size, count)


def table() -> str:
    """The results as Markdown: images a second, and memory, by precision."""
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text())
    lines = [f"| GAN | px | batch | {' | '.join(PRECISIONS)} | MiB |", "|" + " --- |" * (4 + len(PRECISIONS))]
    for size, gan, count in dict.fromkeys((row["size"], row["gan"], row["batch"]) for row in found):
        cells = {row["precision"]: row for row in found if (row["size"], row["gan"]) == (size, gan)}
        rates = [f"{cells[key]['images_per_second']:,}" if key in cells else "-" for key in PRECISIONS]
        memory = ", ".join(f"{row['mib']:,}" for row in cells.values())
        lines.append(f"| {gan} | {size} | {count} | {' | '.join(rates)} | {memory} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments; measure or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the results there are")
    if not parser.parse_args().table:
        found = []
        for row in rows():
            found.append(row)
            RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(table())


if __name__ == "__main__":
    main()
