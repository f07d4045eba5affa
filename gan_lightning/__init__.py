"""Generative adversarial networks for PyTorch Lightning; ``__all__`` names every GAN of the catalogue.

The catalogue is imported when something of it is first used: ``gan-lightning --help`` need not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gan_lightning.version import __version__ as __version__

if TYPE_CHECKING:
    from gan_lightning.loading import load as load
    from gan_lightning.modules import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """A GAN of the catalogue by its name, their names as ``__all__``, or ``load``."""
    if name == "load":
        return import_module("gan_lightning.loading").load
    modules = import_module("gan_lightning.modules")
    if name == "__all__":
        return list(modules.__all__)
    if name in modules.__all__:
        return getattr(modules, name)
    raise AttributeError(f"gan_lightning has no attribute '{name}'. Its GANs are {', '.join(modules.__all__)}.")


def __dir__() -> list[str]:
    """All names, including those that are not imported yet."""
    return sorted([*globals(), "load", *import_module("gan_lightning.modules").__all__])
