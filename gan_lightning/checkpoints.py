"""Reading checkpoint files: tensors and plain values alone, never code, and one clear error when that fails."""

import pickle
from pathlib import Path
from typing import Any

import torch


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint that a GAN of this package saved, onto the CPU.

    Args:
        path: The file.

    Returns:
        Lightning's dictionary, with ``gan``, the name of the class that saved it.

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
        raise ValueError(
            f"The checkpoint '{path}' ({Path(path).stat().st_size} bytes) is damaged: {str(error).splitlines()[0]} "
            "Use another checkpoint of the run, or copy the file again."
        ) from error
    if not isinstance(checkpoint, dict) or "gan" not in checkpoint:
        raise ValueError(f"'{path}' was not saved by a GAN of this package: it names no class.")
    return checkpoint
