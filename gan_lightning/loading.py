"""Checkpoints of any GAN."""

from pathlib import Path

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.parts import find_class


def load(path: str | Path) -> AdversarialModule:
    """Build the GAN that a checkpoint holds, whichever it is, in evaluation mode, on the CPU.

    A checkpoint never runs code: its classes, including parts, must be this package's or already imported.

    Args:
        path: A checkpoint of a GAN.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or unsafe, or of a class that is not imported.
    """
    name = read_checkpoint(path)["gan"]
    try:
        kind = find_class(AdversarialModule, name)
    except ValueError as error:
        raise ValueError(f"'{path}' holds a {name}, which cannot be built: {error}") from None
    return kind.load_from_checkpoint(path)
