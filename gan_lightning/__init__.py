"""Generative adversarial networks for PyTorch Lightning; ``__all__`` names every GAN of the catalogue."""

from pathlib import Path

from gan_lightning import modules
from gan_lightning.base import AdversarialModule
from gan_lightning.checkpoints import read_checkpoint
from gan_lightning.modules import *  # noqa: F403
from gan_lightning.version import __version__ as __version__

__all__ = list(modules.__all__)


def load(path: str | Path) -> AdversarialModule:
    """Build the GAN that a checkpoint holds, whichever it is, in evaluation mode, on the CPU.

    Args:
        path: A checkpoint of a GAN of the catalogue.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, unsafe, or of a class that is not in the catalogue.
    """
    name = read_checkpoint(path)["gan"]
    if name not in modules.__all__:
        raise ValueError(
            f"'{path}' holds a {name}, which is not in the catalogue: {', '.join(modules.__all__)}. "
            f"Use {name}.load_from_checkpoint."
        )
    gan: AdversarialModule = getattr(modules, name).load_from_checkpoint(path)
    return gan
