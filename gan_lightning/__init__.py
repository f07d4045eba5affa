"""Generative adversarial networks for PyTorch Lightning; ``__all__`` names every GAN of the catalogue.

``TRANSLATORS`` names those that map images to images. All are imported when something of them is first used:
``gan-lightning --help`` need not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gan_lightning.version import __version__ as __version__

if TYPE_CHECKING:
    from gan_lightning.loading import load as load
    from gan_lightning.modules import *  # noqa: F403
    from gan_lightning.modules import TRANSLATORS as TRANSLATORS
    from gan_lightning.modules.cyclegan import CycleGAN as CycleGAN
    from gan_lightning.modules.pix2pix import Pix2Pix as Pix2Pix


def __getattr__(name: str) -> Any:
    """A GAN of the catalogue by its name, their names as ``__all__``, or ``load``."""
    if name == "load":
        return import_module("gan_lightning.loading").load
    modules = import_module("gan_lightning.modules")
    if name in ("__all__", "TRANSLATORS"):
        return list(getattr(modules, name))
    gans = [*modules.__all__, *modules.TRANSLATORS]
    if name in gans:
        return getattr(modules, name)
    raise AttributeError(f"gan_lightning has no attribute '{name}'. Its GANs are {', '.join(gans)}.")


def __dir__() -> list[str]:
    """All names, including those that are not imported yet."""
    modules = import_module("gan_lightning.modules")
    return sorted([*globals(), "load", "TRANSLATORS", *modules.__all__, *modules.TRANSLATORS])
