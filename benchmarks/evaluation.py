"""What a Fréchet inception distance costs: torchmetrics' the first time, and this package's the second time.

    python -m benchmarks.evaluation --images 10000 --threads 2
    python -m benchmarks.evaluation --images 10000 --device cuda

The second time the sums of real images come from the disk, so that only the fakes go through Inception, whose batch
norm is part of its convolutions and whose channels are last. The weights are random, which costs as much as others;
images are noise of 64 px. Both are measured in turn, in CPU seconds (seconds, of a GPU), and each part by itself.
Prints Markdown.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3

from gan_lightning.metrics import FrechetDistance, inception
from gan_lightning.metrics.frechet import Given
from gan_lightning.metrics.statistics import METRIC_STATES, RealStatistics, read_statistics, write_statistics

FEATURES = 2048
BATCH = 50
KEY = {"data": "noise"}


def random_network() -> nn.Module:
    """Inception as torchmetrics builds it, with weights that nobody trained."""
    module: Any = import_module("torch_fidelity.feature_extractor_inceptionv3")
    module.load_state_dict_from_url = lambda *_, **__: None
    module.FeatureExtractorInceptionV3.load_state_dict = lambda *_: None
    torch.manual_seed(0)
    network: nn.Module = NoTrainInceptionV3("inception-v3-compat", [str(FEATURES)]).requires_grad_(False)
    for layer in network.modules():  # features of a usual size, layer after layer
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_pre_hook(take_statistics)
    network(noise(0))
    for layer in network.modules():
        layer._forward_pre_hooks.clear()
    return network


def take_statistics(layer: nn.Module, inputs: tuple[Tensor]) -> None:
    """Give a batch norm those of its input."""
    variance, mean = torch.var_mean(inputs[0], (0, 2, 3))
    layer.load_state_dict({"running_mean": mean, "running_var": variance}, strict=False)


class Costs:
    """Seconds by name: of the CPU, or until the GPU has finished."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self.device = device

    def _now(self) -> float:
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def of(self, name: str, work: Callable[[], Any]) -> Any:
        """Do some work, and add what it costs."""
        started = self._now()
        result = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + self._now() - started
        return result


def noise(seed: int) -> Tensor:
    """A batch of images."""
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (BATCH, 3, 64, 64), dtype=torch.uint8, generator=random)


@torch.no_grad()
def measure(images: int, folder: Path, device: torch.device) -> tuple[Costs, Costs]:
    """Theirs and ours; batches take turns."""
    plain = random_network()
    fast = inception.faster(copy.deepcopy(plain)).to(device)
    theirs, ours = Costs(device), Costs(device)
    first = FrechetInceptionDistance(plain).to(device)
    kept = FrechetDistance(Given(FEATURES)).to(device)
    second = FrechetDistance(Given(FEATURES)).to(device)

    def features(pixels: Tensor) -> Tensor:
        rows: Tensor = fast(pixels.contiguous(memory_format=torch.channels_last))
        return rows

    first.inception(noise(0).to(device))  # a GPU loads its kernels
    features(noise(0).to(device))
    for batch in range(images // BATCH):
        real, fake = noise(2 * batch).to(device), noise(2 * batch + 1).to(device)
        theirs.of("Inception", partial(first.update, real, real=True))
        theirs.of("Inception", partial(first.update, fake, real=False))
        second.update(ours.of("Inception", partial(features, fake)), real=False)
        kept.update(features(real), real=True)
    path = folder / "real.safetensors"
    total, outer, count = (getattr(kept, name) for name in METRIC_STATES)
    write_statistics(path, KEY, RealStatistics(total, outer, count, torch.zeros(0, FEATURES)))
    read = ours.of("real images from disk", partial(read_statistics, path, KEY, FEATURES))
    for name, value in zip(METRIC_STATES, read, strict=False):
        setattr(second, name, value.to(device))
    distances = [theirs.of("distance", first.compute), ours.of("distance", second.compute)]
    print(f"The distances are {distances[0]:.6g} and {distances[1]:.6g}.\n")
    return theirs, ours


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = measure(options.images, Path(folder), options.device)
    unit = "CPU seconds" if options.device.type == "cpu" else "seconds"
    print(f"| {unit} | torchmetrics, first | ours, second |\n| --- | --- | --- |")
    for name in dict.fromkeys([*theirs.seconds, *ours.seconds]):
        print(f"| {name} | {theirs.seconds.get(name, 0):.1f} | {ours.seconds.get(name, 0):.1f} |")
    totals = [sum(costs.seconds.values()) for costs in (theirs, ours)]
    print(f"| all | {totals[0]:.1f} | {totals[1]:.1f} ({totals[1] / totals[0]:.2f}) |")


if __name__ == "__main__":
    main()
