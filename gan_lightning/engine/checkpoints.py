"""Files of checkpoints: tensors and plain values only, never code; written whole, and read only if undamaged."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from gan_lightning.engine.formats import update_format
from gan_lightning.engine.resuming import some

ENTRIES: dict[str, type] = {
    "gan": str,
    "state_dict": dict,
    "hyper_parameters": dict,
    "global_step": int,
    "epoch": int,
    "pytorch-lightning_version": str,
}
"""What each checkpoint has."""


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint that a GAN of this package saved, onto the CPU.

    Args:
        path: The file.

    Returns:
        Lightning's dictionary, in the present format, with ``gan``, the name of the class that saved it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds anything but tensors and plain values (it could then run code when
            loaded, so it is refused), was not saved by a GAN of this package, or has weights that are not finite.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no checkpoint at '{path}'. Those of a run are in <run>/checkpoints/.")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        damaged = zipfile.ZipFile(path).testzip() if zipfile.is_zipfile(path) else None  # torch skips the checksums
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"Refused to load '{path}': it is not a checkpoint, or holds more than tensors and plain values, and could "
            "run code of its author when loaded. Load a file that gan-lightning saved."
        ) from error
    except (RuntimeError, EOFError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise _damaged(path, str(error).partition("\n")[0] or "it ends early.") from error
    if damaged is not None:
        raise _damaged(path, f"the checksum of its part '{damaged}' is wrong.")
    check_entries(checkpoint, path)
    update_format(checkpoint)
    return dict(checkpoint)


def check_entries(checkpoint: Any, path: str | Path) -> None:
    """Refuse what is not a checkpoint of a GAN, or is incomplete or broken.

    Raises:
        ValueError: If an entry is missing or of another type, or a weight is not finite.
    """
    if not isinstance(checkpoint, dict) or "gan" not in checkpoint:
        raise ValueError(f"'{path}' was not saved by a GAN of this package: it names no class.")
    checkpoint.setdefault("hyper_parameters", {})  # Lightning keeps none of a GAN that was given no arguments
    wrong = [name for name, kind in ENTRIES.items() if not isinstance(checkpoint.get(name), kind)]
    tensors = {} if "state_dict" in wrong else checkpoint["state_dict"]
    wrong += [f"state_dict.{name}" for name, value in tensors.items() if not isinstance(value, Tensor)]
    if wrong:
        raise ValueError(
            f"The checkpoint '{path}' is incomplete. Missing or of the wrong type: {some(wrong)}. Use another "
            "checkpoint of the run."
        )
    broken = [name for name, value in tensors.items() if not bool(value.isfinite().all())]
    if broken:
        raise ValueError(
            f"Weights in '{path}' are NaN or infinite: {some(broken)}. Training had broken down before they were "
            "saved: use an earlier checkpoint, with a lower learning rate or --trainer.precision 32-true."
        )


def _damaged(path: str | Path, reason: str) -> ValueError:
    return ValueError(
        f"The checkpoint '{path}' ({Path(path).stat().st_size} bytes) is damaged: {reason} "
        "Use another checkpoint of the run, or copy the file again."
    )


class CheckpointError(OSError):
    """A checkpoint could not be written."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: a run that is killed at any time leaves a whole one.

    Lightning writes to the system's temporary folder and moves the file from there. Where that is another file system,
    as on most clusters, moving means copying: a kill or a full disk in between damages the checkpoint that was there.
    """

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a checkpoint onto the CPU, see :func:`read_checkpoint`."""
        if "://" in str(path):
            return dict(super().load_checkpoint(path, *args, **kwargs))
        return read_checkpoint(path)

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
                "--trainer.default_root_dir; then resume with --ckpt_path last."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
