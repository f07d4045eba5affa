"""Tensors of real images that are computed once per data set and kept on disk."""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

Key = Mapping[str, str | int]
"""What the tensors depend on: data, split, extractor, count. A file is used only under its own key."""


def file_of(folder: Path, kind: str, key: Key) -> Path:
    """Where the tensors of a key are: a file whose name begins with their kind."""
    return folder / f"{kind}-{hashlib.sha256(_dump(key).encode()).hexdigest()[:16]}.safetensors"


def read_tensors(path: Path, key: Key, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor] | None:
    """The tensors of a file by name, or None without one; a damaged or foreign file is ignored with a warning.

    Args:
        path: The file.
        key: What it was written under.
        shapes: Those of the tensors.
    """
    if not path.is_file():
        return None
    try:
        return _read(path, key, shapes)
    except (SafetensorError, OSError, ValueError) as error:
        warnings.warn(f"Ignored the cache {path}: {error}. Computing anew.", stacklevel=2)
        return None


def _read(path: Path, key: Key, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in shapes}
        found = (file.metadata() or {}).get("key")
    if found != _dump(key):
        raise ValueError(f"it is that of {found}")
    for name, tensor in tensors.items():
        if tensor.shape != shapes[name]:
            raise ValueError(f"{name} should be {shapes[name]}, but is {tuple(tensor.shape)}")
        if not tensor.isfinite().all():
            raise ValueError(f"{name} is not finite")
    return tensors


def write_tensors(path: Path, key: Key, tensors: Mapping[str, Tensor]) -> None:
    """Write a file that is never seen half written; a folder that cannot be written to costs a warning."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        on_cpu = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
        save_file(on_cpu, temporary, metadata={"key": _dump(key)})
        temporary.replace(path)
    except (SafetensorError, OSError) as error:
        with suppress(OSError):
            temporary.unlink()
        warnings.warn(f"What was computed of the real images was not kept in {path}: {error}.", stacklevel=2)


def _dump(key: Key) -> str:
    return json.dumps(dict(key), sort_keys=True)
