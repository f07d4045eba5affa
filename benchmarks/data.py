"""What the data cost: images per CPU-second of a whole DataModule against torchvision's usual reading, interleaved.

    python benchmarks/data.py --images 5000 --mnist data

Faces are drawn (tests/datamodules/drawn_faces.py) and written in CelebA's layout: JPEGs of 178 x 218 pixels, about 7 KB
each. The reference is `ImageFolder` (for MNIST `torchvision.datasets.MNIST`) with `CenterCrop`, `Resize`, `ToTensor`,
`Normalize` and a `DataLoader` of batches of 64 without workers. The first epoch is measured on one core, as the
reference, and on all: handing the work to other processes costs CPU-seconds, and theirs are counted. Prints the medians
over the rounds, the greatest difference of a pixel to torchvision's, the peak memory, and what the full CelebA would
take, which is an extrapolation.
"""

import argparse
import multiprocessing
import os
import resource
import runpy
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

from datamodules import ImageDataModule, MNISTDataModule
from datamodules.celeba.datamodule import CROPS, CelebADataModule

DRAWING = Path(__file__).parents[1] / "tests" / "datamodules" / "drawn_faces.py"
CELEBA_IMAGES = 202_599
CROP, SIZE, BATCH = 178, 64, 64


def cpu_seconds() -> float:
    """CPU time of this process and of its children that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def timed(run: Callable[[], int]) -> tuple[float, float]:
    """Run something that returns a number of images.

    Returns:
        CPU-seconds and seconds of an image.
    """
    cpu, wall = cpu_seconds(), time.perf_counter()
    images = run()
    return (cpu_seconds() - cpu) / images, (time.perf_counter() - wall) / images


def reference_epoch(dataset: Dataset[Any]) -> int:
    """Read an epoch the usual way."""
    return sum(len(images) for images, _ in DataLoader(dataset, BATCH, shuffle=True))


def epochs(data: ImageDataModule, number: int) -> int:
    """Read epochs of training batches."""
    data.setup("fit")
    return sum(len(images) for _ in range(number) for images, _ in data.train_dataloader())


def first_epoch(root: Path, cores: set[int]) -> int:
    """Read an epoch from image files that were never read before: the cache is built in it, by these cores.

    Returns:
        Number of images of all splits, for all are decoded.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        with tempfile.TemporaryDirectory() as cache:
            data = CelebADataModule(str(root), SIZE, CROP, cache_dir=cache)
            epochs(data, 1)
            return len(data.listing.names)
    finally:
        os.sched_setaffinity(0, before)


def compare(name: str, reference: Callable[[], int], rounds: int, **ours: Callable[[], int]) -> dict[str, float]:
    """Time all, one after the other in each round, and print the medians.

    Returns:
        CPU-seconds of an image for each of `ours`.
    """
    sides = {"reference": reference, **ours}
    times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, run in sides.items():
            times[side].append(timed(run))
    cpu = {side: statistics.median(cpu for cpu, _ in found) for side, found in times.items()}
    wall = {side: statistics.median(wall for _, wall in found) for side, found in times.items()}
    print(f"{name}: reference {1 / cpu['reference']:,.0f} images/CPU-s, {1 / wall['reference']:,.0f} images/s")
    for side in ours:
        ratios = [times["reference"][index][0] / times[side][index][0] for index in range(rounds)]
        print(
            f"  {side}: {1 / cpu[side]:,.0f} images/CPU-s, x{statistics.median(ratios):.2f} ({min(ratios):.2f} to "
            f"{max(ratios):.2f}); {1 / wall[side]:,.0f} images/s, x{wall['reference'] / wall[side]:.2f}",
            flush=True,
        )
    return cpu


def greatest_difference(root: Path, images: int) -> int:
    """The greatest difference of a pixel to torchvision's crop and resize, of 255, over the crops."""
    greatest = 0
    for crop in CROPS:
        data = CelebADataModule(str(root), SIZE, crop)
        reference = transforms.Compose([transforms.CenterCrop(crop), transforms.Resize(SIZE)])
        for name in data.listing.names[:images]:
            with Image.open(data.source.path / name) as image:
                expected = np.asarray(reference(image.convert("RGB")), np.int16).transpose(2, 0, 1)
            found = data.decoder(data.source.read(name))
            greatest = max(greatest, int(abs(found - expected).max()))
    return greatest


def peak_memory(root: Path) -> tuple[float, float]:
    """Build and read an epoch in a process of its own.

    Returns:
        Its memory before, and the most that it took, in MB; with what it had mapped of the cache.
    """
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def measure() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        first_epoch(root, os.sched_getaffinity(0))
        queue.put((before / 1e3, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3))

    process = context.Process(target=measure)
    process.start()
    before, peak = queue.get()
    process.join()
    return before, peak


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mnist", help="folder that holds MNIST/raw; without it MNIST is left out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "celeba"
        runpy.run_path(str(DRAWING))["write_celeba"](root, arguments.images)
        files = list((root / "img_align_celeba").iterdir())
        kilobytes = sum(file.stat().st_size for file in files) / len(files) / 1e3
        print(f"{len(files):,} drawn images of {kilobytes:.1f} KB, {os.cpu_count()} cores, torch {torch.__version__}")
        measure_celeba(root, arguments.rounds)
    if arguments.mnist:
        measure_mnist(arguments.mnist, arguments.rounds)


def measure_celeba(root: Path, rounds: int) -> None:
    """Print what there is to say about image files."""
    to_tensor = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    cores = os.sched_getaffinity(0)
    crop = [transforms.CenterCrop(CROP), transforms.Resize(SIZE)]
    usual = datasets.ImageFolder(str(root), transforms.Compose([*crop, *to_tensor]))
    with tempfile.TemporaryDirectory() as folder:
        data = CelebADataModule(str(root), SIZE, CROP, cache_dir=folder)
        flipped = CelebADataModule(str(root), SIZE, CROP, cache_dir=folder, flip=True)
        data.prepare_data()
        cpu = compare(
            f"CelebA at {SIZE} px",
            lambda: reference_epoch(usual),
            rounds,
            cached=lambda: epochs(data, 10),
            flipped=lambda: epochs(flipped, 10),
            first=lambda: first_epoch(root, cores),
            first_one_core=lambda: first_epoch(root, {min(cores)}),
        )
    difference = greatest_difference(root, 200)
    before, peak = peak_memory(root)
    print(f"greatest difference to torchvision's pixels, over the crops of 200 images: {difference}/255")
    print(f"memory of the first epoch: {before:.0f} MB before, {peak:.0f} MB at most")
    print(
        f"extrapolated to {CELEBA_IMAGES:,} images: {cpu['first'] * CELEBA_IMAGES:.0f} CPU-s for the first epoch, "
        f"{CELEBA_IMAGES * 3 * SIZE**2 / 1e9:.2f} GB on disk"
    )


def measure_mnist(root: str, rounds: int) -> None:
    """Print what there is to say about pixels in memory."""
    to_tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
    usual = torch.utils.data.Subset(datasets.MNIST(root, transform=to_tensor), range(5_000))
    data = MNISTDataModule(root)
    data.setup("fit")
    compare("MNIST", lambda: reference_epoch(usual), rounds, memory=lambda: epochs(data, 1))


if __name__ == "__main__":
    main()
