"""Checkpoints that know their class and hold tensors and plain values alone, never code."""

import inspect
import os
import pickle
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn

from gan_lightning.arguments import arguments_of
from gan_lightning.engine.formats import FORMAT, update_format
from gan_lightning.parts import Part, is_named, name_of, plain


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint that a GAN of this package saved, onto the CPU.

    Args:
        path: The file.

    Returns:
        Lightning's dictionary, in the present format, with ``gan``, the name of the class that saved it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds anything but tensors and plain values (it could then run code when
            loaded, so it is refused), or was not saved by a GAN of this package.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no checkpoint at '{path}'. A run keeps its own below <run>/checkpoints/.")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"Refused to load '{path}': it is not a checkpoint, or holds more than tensors and plain values, and could "
            "run code of its author when loaded. Load a file that gan-lightning saved."
        ) from error
    except (RuntimeError, EOFError, OSError) as error:
        reason = str(error).partition("\n")[0] or "it ends early."
        raise ValueError(
            f"The checkpoint '{path}' ({Path(path).stat().st_size} bytes) is damaged: {reason} "
            "Use another checkpoint of the run, or copy the file again."
        ) from error
    if not isinstance(checkpoint, dict) or "gan" not in checkpoint:
        raise ValueError(f"'{path}' was not saved by a GAN of this package: it names no class.")
    update_format(checkpoint)
    return checkpoint


class CheckpointError(OSError):
    """A checkpoint could not be written."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: whenever a run is killed, there is a whole one.

    Lightning writes to the system's temporary folder and moves the file from there. Where that is another file system,
    as on most clusters, to move is to copy: a kill or a full disk in between damages the checkpoint that was there.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Raises:
            CheckpointError: If it cannot be written, such as on a full disk; the previous one is unharmed.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        place = Path(path)
        temporary = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
                os.fsync(file.fileno())
            temporary.replace(place)
        except (OSError, RuntimeError) as error:  # torch turns some errors of a file into the latter
            previous = "The previous one is unharmed. " if place.exists() else ""
            raise CheckpointError(
                f"The checkpoint '{place}' could not be written: {error}. {previous}Make room, or choose another "
                "--trainer.default_root_dir; then go on by --ckpt_path last."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)


class CheckpointedModule(LightningModule):
    """A module whose checkpoints name its class and hold the arguments of its outermost constructor.

    The arguments are recorded in ``__new__``, because the command line's own record lacks the ones that it links to the
    data. Networks that are no parts are left out: who loads the checkpoint passes them again.
    """

    _arguments: dict[str, Any]
    _loaded_updates = 0

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Record the arguments."""
        self = super().__new__(cls)
        given = {**dict(zip(arguments_of(cls), args, strict=False)), **kwargs}
        object.__setattr__(self, "_arguments", given)
        return self

    def __init__(self) -> None:
        super().__init__()
        recorded = {
            name: plain(value, f"{type(self).__name__}: {name}")
            for name, value in self._arguments.items()
            if isinstance(value, Part) or not isinstance(value, nn.Module)
        }
        self.save_hyperparameters(recorded, logger=False)

    @property
    def updates(self) -> int:
        """Updates of G that the weights have had: in this run, or before the checkpoint that they are from."""
        return self._loaded_updates if self._trainer is None else max(self._trainer.global_step, self._loaded_updates)

    def setup(self, stage: str) -> None:
        """Count anew in a new training."""
        if stage == "fit":
            self._loaded_updates = 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let the checkpoint know its class."""
        checkpoint["gan"] = name_of(type(self))
        checkpoint["gan_format"] = FORMAT

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another class, and bring one of an earlier version up to date."""
        self._check_class(checkpoint)
        update_format(checkpoint)
        self._loaded_updates = checkpoint["global_step"]

    @classmethod
    def _check_class(cls, checkpoint: dict[str, Any]) -> None:
        if not is_named(cls, checkpoint.get("gan", "")):
            raise ValueError(
                f"This is a checkpoint of {checkpoint.get('gan', 'something else')}, not of {cls.__name__}: "
                "name its own class, or use gan_lightning.load, which finds it."
            )

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, **kwargs: Any) -> Self:  # type: ignore[override]
        """Build the GAN that a checkpoint holds, in evaluation mode, on the CPU.

        Args:
            checkpoint_path: A file that this very class saved.
            kwargs: Override arguments of the constructor.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, unsafe, or of another class.
            TypeError: If it lacks networks that were no parts: pass them by keyword.
        """
        checkpoint = read_checkpoint(checkpoint_path)
        cls._check_class(checkpoint)
        arguments = {**checkpoint.get("hyper_parameters", {}), **kwargs}
        own = inspect.signature(cls).parameters.values()
        needed = [p.name for p in own if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        if missing := [name for name in needed if name not in arguments]:
            raise TypeError(
                f"'{checkpoint_path}' does not hold {' and '.join(missing)} of {cls.__name__}: networks that are no "
                f"parts (gan_lightning.parts) are not kept. Pass them: {cls.__name__}.load_from_checkpoint(path, "
                f"{missing[0]}=...)."
            )
        gan = cls(**arguments)
        gan.load_state_dict(checkpoint["state_dict"])
        gan._loaded_updates = checkpoint["global_step"]
        return gan.eval()
