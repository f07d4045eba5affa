"""Checkpoints and generators of any GAN."""

from pathlib import Path

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.parts import find_class
from gan_lightning.pretrained import load_generator, pretrained


def load(path: str | Path) -> AdversarialModule:
    """Build the GAN that a file holds, whichever it is, in evaluation mode, on the CPU.

    A file never runs code: its classes, including parts, must be this package's or already imported.

    Args:
        path: A checkpoint of a GAN, a generator in safetensors (:mod:`gan_lightning.pretrained`), or the name of one
            that comes with the package, such as "dcgan-mnist".

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or unsafe, or of a class that is not imported.
    """
    ours = pretrained()
    if not Path(path).exists() and str(path) in ours:
        path = ours[str(path)]
    if not Path(path).exists() and not Path(path).suffix:
        raise FileNotFoundError(
            f"There is no checkpoint at '{path}'. Those of a run are in <run>/checkpoints/; generators that come with "
            f"the package are {', '.join(ours)}."
        )
    if Path(path).suffix.lower() == ".safetensors":
        return load_generator(path)
    name = read_checkpoint(path)["gan"]
    try:
        kind = find_class(AdversarialModule, name)
    except ValueError as error:
        raise ValueError(f"'{path}' holds a {name}, which cannot be built: {error}") from None
    return kind.load_from_checkpoint(path)
