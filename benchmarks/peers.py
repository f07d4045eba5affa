"""``Trainer.fit`` against the scripts of PyTorch-GAN, on networks of their layers and sizes, in CPU time.

    python -m benchmarks.peers --threads 1
    python -m benchmarks.peers --only dcgan --rounds 9

The scripts are those of https://github.com/eriklindernoren/PyTorch-GAN (gan.py, dcgan.py, wgan_gp.py, cgan.py), written
anew: the same layers, losses, optimizers, batches of 64 and order of the updates; torchvision's transforms image by
image in a ``DataLoader``; the losses read after each batch. What they print and draw is left out. ``fit`` has the same
networks, without moving average, and gets

- nothing else ("fit"),
- its fakes made once for both players, by ``reuse_latents``, as all scripts but wgan_gp.py do ("fakes once"),
- dcgan's D with ``.flatten(1)`` in place of its ``.view``, which lets channels be last ("channels last"),
- its upsampling in its convolutions, by ``fuse_resampling`` ("fused"),
- ``bf16-mixed`` ("bf16"), each with all before it.

All take turns in one process. Prints Markdown: images/s that D sees of the script, and the ratios to it (median, and
the extremes of the rounds).
"""

import argparse
import itertools
import statistics
import time
import warnings
from collections.abc import Callable, Iterator

import torch
from lightning.pytorch import Trainer, seed_everything
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.mnist import BARE, device, git_commit
from benchmarks.speed import WARM, Batch, Clock
from datamodules import MNISTSampleDataModule
from gan_lightning.base import AdversarialModule
from gan_lightning.losses import AdversarialLoss, LeastSquaresLoss, NonSaturatingLoss, WassersteinLoss
from gan_lightning.networks import fuse_resampling
from gan_lightning.stabilizers import GradientPenalty

BATCH, LATENTS, CLASSES, CRITIC = 64, 100, 10, 5
SIDES = {"gan": 28, "dcgan": 32, "wgan_gp": 28, "cgan": 32}
"""Of the images of each script."""
BCE = nn.BCELoss()
MSE = nn.MSELoss()


class Network(nn.Module):
    """Layers, perhaps behind an embedding of labels, that are concatenated to the input."""

    def __init__(self, layers: nn.Module, num_classes: int = 0) -> None:
        super().__init__()
        self.layers = layers
        self.num_classes = num_classes
        if num_classes:
            self.embedding = nn.Embedding(num_classes, num_classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images of latents, or logits (N,) of images."""
        if self.num_classes:
            x = torch.cat([self.embedding(labels), x.flatten(1)], 1)
        out: Tensor = self.layers(x)
        return out.squeeze(1) if out.ndim == 2 else out


class View(nn.Module):
    """Flattens as the script does, which takes channels to be first."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C * H * W)."""
        return x.view(len(x), -1)


def perceptron(sizes: tuple[int, ...]) -> list[nn.Module]:
    """Hidden layers of G: the first has no norm; the norms' second argument is their ε, 0.8."""
    layers: list[nn.Module] = []
    for k, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        layers += [nn.Linear(fan_in, fan_out), *([nn.BatchNorm1d(fan_out, 0.8)] if k else []), nn.LeakyReLU(0.2)]
    return layers


def networks(script: str, flatten: type[nn.Module]) -> tuple[Network, Network]:
    """G and D; D without its sigmoid."""
    side = SIDES[script]
    if script == "dcgan":
        ups: list[nn.Module] = []
        for fan_in, fan_out in ((128, 128), (128, 64)):
            ups += [nn.Upsample(scale_factor=2), nn.Conv2d(fan_in, fan_out, 3, padding=1)]
            ups += [nn.BatchNorm2d(fan_out, 0.8), nn.LeakyReLU(0.2)]
        first = [nn.Linear(LATENTS, 128 * (side // 4) ** 2), nn.Unflatten(1, (128, side // 4, side // 4))]
        g = nn.Sequential(*first, nn.BatchNorm2d(128), *ups, nn.Conv2d(64, 1, 3, padding=1), nn.Tanh())
        downs: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise((1, 16, 32, 64, 128)):
            downs += [nn.Conv2d(fan_in, fan_out, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
            downs += [nn.BatchNorm2d(fan_out, 0.8)] if fan_in > 1 else []
        return Network(g), Network(nn.Sequential(*downs, flatten(), nn.Linear(128 * (side // 16) ** 2, 1)))
    classes = CLASSES if script == "cgan" else 0
    hidden = perceptron((LATENTS + classes, 128, 256, 512, 1024))
    g = nn.Sequential(*hidden, nn.Linear(1024, side**2), nn.Tanh(), nn.Unflatten(1, (1, side, side)))
    judge: list[nn.Module] = [nn.Flatten(), nn.Linear(side**2 + classes, 512), nn.LeakyReLU(0.2)]
    for width in (512, 512) if classes else (256,):
        drop = [nn.Dropout(0.4)] if classes else []
        judge += [nn.Linear(512, width), *drop, nn.LeakyReLU(0.2)]
    return Network(g, classes), Network(nn.Sequential(*judge, nn.Linear(width, 1)), classes)


class Pictures(Dataset[Batch]):
    """Digits through the scripts' transforms."""

    def __init__(self, data: MNISTSampleDataModule, side: int) -> None:
        split = data.dataset("train")
        self.pixels, self.labels = split.pixels.numpy(), split.labels.tolist()
        steps = [transforms.Resize(side), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Batch:
        """One image in [-1, 1], and its class."""
        return self.transform(Image.fromarray(self.pixels[index, 0])), self.labels[index]


class Script:
    """The loop of a script."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.g, self.d = networks(name, View)
        self.optimizers = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (self.g, self.d)]
        self.loader = DataLoader(Pictures(MNISTSampleDataModule(), SIDES[name]), BATCH, shuffle=True, drop_last=True)
        self.batches = self._forever()

    def _forever(self) -> Iterator[Batch]:
        while True:
            yield from self.loader

    def run(self, count: int) -> float:
        """CPU seconds of some batches."""
        begun = time.process_time()
        for number in range(count):
            real, labels = next(self.batches)
            if self.name == "wgan_gp":
                self._critic(real, is_last=number % CRITIC == CRITIC - 1)
            else:
                self._both(real, labels)
        return time.process_time() - begun

    def _both(self, real: Tensor, labels: Tensor) -> None:
        """G first; D gets the same fakes."""
        conditional = self.name == "cgan"
        asked = torch.randint(CLASSES, (BATCH,)) if conditional else None
        criterion = MSE if conditional else BCE
        squash: Callable[[Tensor], Tensor] = nn.Identity() if conditional else torch.sigmoid
        ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)
        self.optimizers[0].zero_grad()
        fake = self.g(torch.randn(BATCH, LATENTS), asked)
        g_loss = criterion(squash(self.d(fake, asked)), ones)
        g_loss.backward()
        self.optimizers[0].step()
        self.optimizers[1].zero_grad()
        on_real = criterion(squash(self.d(real, labels)), ones)
        d_loss = (on_real + criterion(squash(self.d(fake.detach(), asked)), zeros)) / 2
        d_loss.backward()
        self.optimizers[1].step()
        _ = g_loss.item(), d_loss.item()

    def _critic(self, real: Tensor, is_last: bool) -> None:
        """D, and after every fifth batch G; the fakes of D keep their graph."""
        self.optimizers[1].zero_grad()
        latents = torch.randn(BATCH, LATENTS)
        fake = self.g(latents)
        mix = torch.rand(BATCH, 1, 1, 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        judged = self.d(between)
        (slope,) = torch.autograd.grad(judged, between, torch.ones_like(judged), create_graph=True, retain_graph=True)
        penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
        d_loss = -self.d(real).mean() + self.d(fake).mean() + 10 * penalty
        d_loss.backward()
        self.optimizers[1].step()
        self.optimizers[0].zero_grad()
        if is_last:
            g_loss = -self.d(self.g(latents)).mean()
            g_loss.backward()
            self.optimizers[0].step()
            _ = g_loss.item(), d_loss.item()


LOSSES: dict[str, AdversarialLoss] = {"wgan_gp": WassersteinLoss(), "cgan": LeastSquaresLoss()}
"""Of those that are not minimax."""
VARIANTS = {
    "gan": ["fit", "fakes once", "bf16"],
    "dcgan": ["fit", "fakes once", "channels last", "fused", "bf16"],
    "wgan_gp": ["fit", "bf16"],
    "cgan": ["fit", "fakes once", "bf16"],
}
"""Of each script."""


def fitted(script: str, variant: str, batches: int) -> float:
    """CPU seconds of ``fit`` for so many batches of 64 that D sees."""
    seed_everything(0, verbose=False)
    generator, discriminator = networks(script, View if variant in ("fit", "fakes once") else nn.Flatten)
    if variant in ("fused", "bf16"):
        fuse_resampling(generator)
    is_critic = script == "wgan_gp"
    n_critic = CRITIC if is_critic else 1
    gan = AdversarialModule(
        generator,
        discriminator,
        LOSSES.get(script, NonSaturatingLoss()),
        stabilizers=[GradientPenalty()] if is_critic else [],
        n_critic=n_critic,
        latent_dim=LATENTS,
        reuse_latents=variant != "fit" and not is_critic,
        ema_decay=0.0,
    )
    clock = Clock()
    Trainer(
        accelerator="cpu",
        max_steps=batches // n_critic + WARM,
        precision="bf16-mixed" if variant == "bf16" else "32-true",
        use_distributed_sampler=False,
        callbacks=[clock],
        **BARE,
    ).fit(gan, MNISTSampleDataModule(image_size=SIDES[script], batch_size=BATCH))
    return float(clock.seconds)


def measure(script: str, rounds: int, seconds: float) -> str:
    """A row of the table for each variant."""
    loop = Script(script)
    loop.run(CRITIC)
    batches = CRITIC * max(1, round(seconds / loop.run(CRITIC)))
    variants = VARIANTS[script]
    usual: list[float] = []
    ours: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        usual.append(loop.run(batches))
        for variant in variants:
            ours[variant].append(fitted(script, variant, batches))
    rate = batches * BATCH / statistics.median(usual)
    rows = []
    for variant in variants:
        ratios = [theirs / own for theirs, own in zip(usual, ours[variant], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rows.append(f"| {script}.py | {rate:.0f} | {variant} | {spread} |")
    return "\n".join(rows)


def main() -> None:
    """Measure, and print rows as soon as they are known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[*SIDES], choices=[*SIDES])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of the script in each round, about")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    print(f"{device()}, commit {git_commit()}\n")
    print("| script | images/s | fit | of the script's |\n| --- | --- | --- | --- |", flush=True)
    for script in options.only:
        print(measure(script, options.rounds, options.seconds), flush=True)


if __name__ == "__main__":
    main()
