"""Which remedies keep a GAN from collapsing: modes found, good samples and divergence, on data whose modes are known.

    python -m benchmarks.collapse                     # ring and grid: train what is missing
    python -m benchmarks.collapse --data stacked --root data --accelerator gpu
    python -m benchmarks.collapse --only plain r1 --seeds 0
    python -m benchmarks.collapse --table             # print what there is
    python -m benchmarks.collapse --picture           # draw docs/collapse.png of what there is

Each remedy is added to one plain GAN, with the same networks, optimizer and number of updates of G. Points: perceptrons
of three layers of 128 units without norms, 8,000 updates, 256 points in each update of D. Stacked MNIST: DCGAN of width
16, 5,000 updates, 64 images in each. Learning rates fall linearly to 0, since at a constant one points move about by
more than a mode is wide. G itself, not its average, is judged after the last update, on 2,500 points or 26,000 images.
A result is one JSON file below benchmarks/results/collapse.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.mnist import BARE, device, git_commit, spread
from datamodules import GridDataModule, RingDataModule, StackedMNISTDataModule
from datamodules.points import PointDataModule
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.optimizers import Adam
from gan_lightning.game import Verdict
from gan_lightning.images import to_uint8
from gan_lightning.losses import HingeLoss, NonSaturatingLoss, RelativisticLoss, WassersteinLoss
from gan_lightning.metrics import DigitModes, PointModes
from gan_lightning.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    MLPDiscriminator,
    MLPGenerator,
    PacGAN,
    spectral_normalize,
)
from gan_lightning.stabilizers import (
    DRAGAN,
    R1,
    R2,
    DiffAugment,
    FeatureMatching,
    GradientPenalty,
    InstanceNoise,
    MinibatchDiscrimination,
    MinibatchStdDev,
    Unrolled,
)

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "collapse"
PICTURE = HERE.parent / "docs" / "collapse.png"
BATCH = {"ring": 256, "grid": 256, "stacked": 64}
WIDTHS = (128, 128, 128)
"""Of the hidden layers of both perceptrons."""
STEPS = {"ring": 8_000, "grid": 8_000, "stacked": 5_000}
SNAPSHOTS = (100, 500, 1_000, 2_000, 4_000, 8_000)
"""Updates of G after which points are kept for the picture."""
SHOWN = 500
"""Points of a snapshot."""
PICTURED = 0
"""The seed whose snapshots are kept."""
Options = dict[str, Any]
PENALTY = {"ring": 0.01, "grid": 0.001, "stacked": 1.0}
"""γ of R1 and R2: a mode of points is so narrow that D must be steep."""
LR = {"ring": 1e-3, "grid": 1e-3, "stacked": 5e-4}
"""Of both players, at first; of D a tenth where G looks ahead, since gradients through D's steps explode otherwise."""
REMEDIES: dict[str, Callable[[str], Options]] = {
    "plain": lambda data: {},
    "minibatch_discrimination": lambda data: {"stabilizers": [MinibatchDiscrimination()]},
    "minibatch_std_dev": lambda data: {"stabilizers": [MinibatchStdDev()]},
    "feature_matching": lambda data: {"stabilizers": [FeatureMatching()]},
    "unrolled": lambda data: {
        "stabilizers": [Unrolled(5)],
        "discriminator_optimizer": Adam(lr=LR[data] / 10, lr_schedule="linear"),
    },
    "pacgan2": lambda data: {"pack": 2},
    "pacgan4": lambda data: {"pack": 4},
    "instance_noise": lambda data: {"stabilizers": [InstanceNoise(0.1, 4_000)]},
    "wgan_gp": lambda data: {
        "loss": WassersteinLoss(),
        "stabilizers": [GradientPenalty()],
        "n_critic": 5,
        "norm": "none",
    },
    "dragan": lambda data: {"stabilizers": [DRAGAN()], "norm": "none"},
    "spectral_norm": lambda data: {"loss": HingeLoss(), "spectral": True, "norm": "none"},
    "r1": lambda data: {"stabilizers": [R1(PENALTY[data])], "norm": "none"},
    "rpgan_r1_r2": lambda data: {
        "loss": RelativisticLoss(),
        "stabilizers": [R1(PENALTY[data]), R2(PENALTY[data])],
        "norm": "none",
    },
    "rpgan_r1": lambda data: {"loss": RelativisticLoss(), "stabilizers": [R1(PENALTY[data])], "norm": "none"},
    "no_norm": lambda data: {"norm": "none"},
    "diff_augment": lambda data: {"stabilizers": [DiffAugment()]},
}
"""What each adds to the plain GAN. Penalties, and norms of weights, need a D without batch norm, as ``no_norm`` is."""
OF_IMAGES = {"diff_augment", "no_norm", "rpgan_r1"}
WITHOUT: dict[str, set[str]] = {"ring": OF_IMAGES, "grid": OF_IMAGES, "stacked": {"unrolled"}}
"""Remedies that make no sense for the data, or that images alone raised the question of (``rpgan_r1``), or that cost
too much there: unrolling takes ten times as long as the plain GAN on points."""


class PointDiscriminator(MLPDiscriminator):
    """Sees points five times larger than in [-1, 1], about as in the papers: so it tells narrow modes apart sooner."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """As its base."""
        return super().forward(5 * images, labels)


def build(data: str, remedy: str) -> AdversarialModule:
    """The plain GAN with a remedy."""
    options = {"loss": NonSaturatingLoss(), **REMEDIES[remedy](data)}
    pack, norm = options.pop("pack", 1), options.pop("norm", "batch")
    is_normalized = options.pop("spectral", False)
    falling = {f"{player}_optimizer": Adam(lr_schedule="linear") for player in ("generator", "discriminator")}
    numbers: Options = {"ema_decay": 0.0, "betas": (0.5, 0.999), **falling, **options}
    if data == "stacked":
        generator: Any = DCGANGenerator((3, 28, 28), 100, 16)
        discriminator: Any = DCGANDiscriminator((3 * pack, 28, 28), 16, norm)
        numbers |= {"latent_dim": 100, "lr": LR[data]}
    else:
        generator = MLPGenerator((1, 1, 2), 2, WIDTHS, norm="none")
        discriminator = PointDiscriminator(2 * pack, WIDTHS, 0.0)
        numbers |= {"latent_dim": 2, "lr": LR[data]}
    discriminator = spectral_normalize(discriminator) if is_normalized else discriminator
    return AdversarialModule(generator, PacGAN(discriminator, pack) if pack > 1 else discriminator, **numbers)


class Snapshots(Callback):
    """Keeps points as G makes them, in the units of the data."""

    def __init__(self, data: PointDataModule) -> None:
        self.data = data
        self.points: dict[int, list[list[float]]] = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Keep some points."""
        if trainer.global_step in SNAPSHOTS:
            points = self.data.to_points(pl_module.sample(SHOWN, seed=0))
            self.points[trainer.global_step] = [[round(x, 3) for x in point] for point in points.tolist()]


def judge(gan: AdversarialModule, data: Any) -> dict[str, float]:
    """Modes, divergence, and, of points, the share of good ones."""
    gan.eval()
    if isinstance(data, PointDataModule):
        metric: Any = PointModes(data.modes, data.std).to(gan.device)
        metric.update(data.to_points(gan.sample(2_500, seed=0)))
    else:
        metric = DigitModes(3).to(gan.device)
        for images, _ in gan.stream(26_000, seed=0):
            metric.update(to_uint8(images))
    return {name: float(value) for name, value in metric.compute().items()}


def run(name: str, remedy: str, seed: int, root: str, accelerator: str) -> dict[str, Any]:
    """Train and judge."""
    seed_everything(seed, verbose=False)
    gan = build(name, remedy)
    kinds: dict[str, Callable[[], Any]] = {
        "ring": lambda: RingDataModule(batch_size=BATCH[name]),
        "grid": lambda: GridDataModule(batch_size=BATCH[name]),
        "stacked": lambda: StackedMNISTDataModule(root, batch_size=BATCH[name]),
    }
    data = kinds[name]()
    snapshots = Snapshots(data) if isinstance(data, PointDataModule) and seed == PICTURED else None
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            accelerator=accelerator,
            devices=1,
            max_steps=STEPS[name],
            default_root_dir=folder,
            callbacks=[snapshots] if snapshots else [],
            **BARE,
        ).fit(gan, data)
    seconds = round(time.perf_counter() - begun, 1)
    told = {
        "data": name,
        "remedy": remedy,
        "seed": seed,
        "seconds": seconds,
        "commit": git_commit(),
        "device": device(accelerator),
    }
    gan.to("cuda" if accelerator == "gpu" else "cpu")
    return {**told, **judge(gan, data), "points": snapshots.points if snapshots else {}}


def results(data: str) -> list[dict[str, Any]]:
    """All there is of a data set."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{data}-*.json"))]


def table(data: str) -> str:
    """Means and standard deviations over the seeds, as Markdown, in the order of the remedies."""
    names = ["modes", "high_quality", "kl", "seconds"] if data != "stacked" else ["modes", "kl"]
    lines = [f"| {data} | {' | '.join(names)} | seeds |", "| --- " * (len(names) + 2) + "|"]
    for remedy in REMEDIES:
        runs = [result for result in results(data) if result["remedy"] == remedy]
        if runs:
            cells = [cell([result[name] for result in runs]) for name in names]
            lines.append(f"| {remedy} | {' | '.join(cells)} | {len(runs)} |")
    return "\n".join(lines)


def cell(values: list[float]) -> str:
    """Mean and deviation, by as many digits as their size needs."""
    return spread(values, 0 if max(values) >= 100 else 1 if max(values) >= 10 else 2)


def draw(data: str, panel: int = 110, label: int = 170) -> Image.Image:
    """One row of scatter plots a remedy: what G makes of the same latents, as it trains."""
    runs = {result["remedy"]: result["points"] for result in results(data) if result["seed"] == PICTURED}
    shown = [remedy for remedy in REMEDIES if remedy in runs]
    sheet = Image.new("RGB", (label + panel * len(SNAPSHOTS), 20 + panel * len(shown)), "white")
    pen = ImageDraw.Draw(sheet)
    reach = {"ring": 2.6, "grid": 5.0}[data]
    for column, step in enumerate(SNAPSHOTS):
        pen.text((label + panel * column + 4, 4), f"{step:,}", fill="black")
    for row, remedy in enumerate(shown):
        pen.text((4, 20 + panel * row + panel // 2), f"{data}: {remedy}", fill="black")
        for column, step in enumerate(SNAPSHOTS):
            left, top = label + panel * column, 20 + panel * row
            pen.rectangle((left, top, left + panel - 4, top + panel - 4), outline="lightgray")
            for x, y in runs[remedy].get(str(step), []):
                across, down = ((1 + value / reach) / 2 * (panel - 4) for value in (x, -y))
                pen.point((left + across, top + down), fill="navy")
    return sheet


def draw_all() -> None:
    """Ring and grid side by side."""
    sheets = [draw(data) for data in ("ring", "grid")]
    whole = Image.new("RGB", (sum(sheet.width for sheet in sheets), max(sheet.height for sheet in sheets)), "white")
    whole.paste(sheets[0], (0, 0))
    whole.paste(sheets[1], (sheets[0].width, 0))
    whole.quantize(16).save(PICTURE, optimize=True)
    print(f"Wrote {PICTURE}.")


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", default=["ring", "grid"], choices=list(STEPS))
    parser.add_argument("--only", nargs="*", default=list(REMEDIES), choices=list(REMEDIES), metavar="REMEDY")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--table", action="store_true", help="print the results there are")
    parser.add_argument("--picture", action="store_true", help="draw the points there are")
    arguments = parser.parse_args()
    if arguments.table or arguments.picture:
        print("\n\n".join(table(data) for data in STEPS if results(data)))
        if arguments.picture:
            draw_all()
        return
    torch.set_num_threads(arguments.threads)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for data in arguments.data:
        for seed in arguments.seeds:
            for remedy in [remedy for remedy in arguments.only if remedy not in WITHOUT[data]]:
                path = RESULTS / f"{data}-{remedy}-{seed}.json"
                if not path.exists():
                    path.write_text(json.dumps(run(data, remedy, seed, arguments.root, arguments.accelerator)) + "\n")
                    print(table(data).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
