"""What the doctor says of runs that were made sick on purpose, and of healthy ones: the table of docs/doctor.md.

    python -m scripts.sick_runs --root data                     # all, in an hour or two on one core
    python -m scripts.sick_runs --root data --only "lr 1000"

Each is a training on MNIST of a thousand updates, judged by the doctor alone. All findings of a run count, also those
that were gone at its end.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn

from datamodules import MNISTDataModule
from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import Doctor, LastCheckpoint
from gan_lightning.callbacks.doctor import FILE, DivergedError
from gan_lightning.commands.cli import GANCLI
from gan_lightning.engine.optimizers import Adam
from gan_lightning.losses import MinimaxLoss, NonSaturatingLoss
from gan_lightning.networks import DCGANDiscriminator, DCGANGenerator

ROOT = Path(__file__).parents[1]
SHAPE, LATENT, WIDTH = (1, 28, 28), 100, 16
HEALTHY = sorted(path.stem for path in (ROOT / "configs" / "experiment").glob("mnist_*.yaml"))
"""Recipes that must raise no alarm."""


class Deaf(DCGANGenerator):
    """Ignores its latents."""

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The same image for each."""
        return super().forward(torch.zeros_like(latents), labels)


class CutOff(DCGANGenerator):
    """Its first layer gets no gradient."""

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """As its base."""
        images: Tensor = self.layers[2:](self.layers[:2](latents).detach())
        return images


class Parrot(nn.Module):
    """Repeats training images, chosen by the latent.

    Args:
        images: (N, 1, 28, 28) in [-1, 1].
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images: Tensor
        self.register_buffer("images", images)
        self.brightness = nn.Parameter(torch.ones(()))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """One for each latent."""
        chosen = (latents[:, 0] * 1e4).long() % len(self.images)
        images: Tensor = self.images[chosen] * self.brightness.clamp(max=1)
        return images


def build(data: MNISTDataModule, generator: nn.Module | None = None, **options: Any) -> AdversarialModule:
    """A DCGAN, in which something may be wrong."""
    numbers: dict[str, Any] = {"latent_dim": LATENT, "lr": 1e-3, "betas": (0.5, 0.99), "loss": NonSaturatingLoss()}
    network = generator or DCGANGenerator(SHAPE, LATENT, WIDTH)
    return AdversarialModule(network, DCGANDiscriminator(SHAPE, WIDTH), **{**numbers, **options})


def first_images(data: MNISTDataModule, count: int) -> Tensor:
    """Training images."""
    data.setup("fit")
    return data.dataset("train").pixels[:count].float() / 127.5 - 1


SICK: dict[str, tuple[str, Callable[[MNISTDataModule], AdversarialModule]]] = {
    "D far too strong": (
        "D wins",
        lambda data: build(data, lr=1e-6, discriminator_optimizer=Adam(lr=2e-3), n_critic=2),
    ),
    "a saturated loss": (
        "G's gradient vanishes",
        lambda data: build(data, lr=1e-6, loss=MinimaxLoss(), discriminator_optimizer=Adam(lr=2e-3), n_critic=2),
    ),
    "G's learning rate times 50": (
        "collapse",
        lambda data: build(data, DCGANGenerator(SHAPE, LATENT, WIDTH, "none"), generator_optimizer=Adam(lr=5e-2)),
    ),
    "lr 1000": ("huge loss", lambda data: build(data, lr=1e3)),
    "lr 1e30": ("diverged", lambda data: build(data, lr=1e30)),
    "G ignores z": ("collapse", lambda data: build(data, Deaf(SHAPE, LATENT, WIDTH))),
    "G repeats 500 training images": ("memorisation", lambda data: build(data, Parrot(first_images(data, 500)))),
    "G's first layer is cut off": ("generator is cut off", lambda data: build(data, CutOff(SHAPE, LATENT, WIDTH))),
    "batches of 8": ("small batches", build),
}
"""What is wrong, which finding must be made, and the GAN. With batch norm, G learns at 50 times its rate, too."""


def run_sick(name: str, root: str, steps: int) -> list[str]:
    """The findings of a run that was made sick, in their order."""
    seed_everything(0, verbose=False)
    data = MNISTDataModule(root, batch_size=8 if name.startswith("batches") else 64)
    gan = SICK[name][1](data)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator="cpu",
            default_root_dir=folder,
            max_steps=steps,
            log_every_n_steps=20,
            val_check_interval=250,
            check_val_every_n_epoch=None,
            callbacks=[Doctor(), LastCheckpoint(every_n_steps=100)],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        try:
            trainer.fit(gan, data)
        except DivergedError:
            return [*found_in(Path(folder)), "diverged"]
        return found_in(Path(folder))


def run_healthy(name: str, root: str, steps: int) -> list[str]:
    """The findings of a recipe."""
    with tempfile.TemporaryDirectory() as folder:
        cli = GANCLI(
            [
                *("fit", "--config", str(ROOT / "configs/data/mnist.yaml")),
                *("--config", str(ROOT / f"configs/experiment/{name}.yaml")),
                *(f"--data.root={root}", "--data.batch_size=64", f"--trainer.default_root_dir={folder}"),
                *("--trainer.accelerator=cpu", f"--trainer.max_steps={steps}", "--trainer.log_every_n_steps=20"),
                *("--trainer.val_check_interval=250", "--trainer.check_val_every_n_epoch=null"),
                *("--trainer.enable_progress_bar=false", "--evaluation.num_samples=0", "--samples.every_n_epochs=1000"),
            ]
        )
        return found_in(cli.run_directory)


def found_in(run: Path) -> list[str]:
    """The names of all findings of a run, in their order."""
    lines = (run / FILE).read_text().splitlines() if (run / FILE).exists() else []
    entries = [json.loads(line) for line in lines]
    return list(dict.fromkeys(f"{entry['name']}" for entry in entries if "diagnosis" in entry))


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    parser.add_argument("--steps", type=int, default=1_000, help="updates of G of a run")
    parser.add_argument("--only", nargs="*", default=[*SICK, *HEALTHY], choices=[*SICK, *HEALTHY], metavar="RUN")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    print("| run | must be found | found |\n| --- | --- | --- |", flush=True)
    for name in options.only:
        found = (run_sick if name in SICK else run_healthy)(name, options.root, options.steps)
        expected = SICK[name][0] if name in SICK else "nothing"
        print(f"| {name} | {expected} | {', '.join(found) or 'nothing'} |", flush=True)


if __name__ == "__main__":
    main()
