"""First and second moments of the real features, kept on disk so that they are computed once per data set."""

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


class RealStatistics(NamedTuple):
    """Sums over the features of the real images: all that the Fréchet distance needs of them.

    Attributes:
        total: Sum of the features, float64 (F,).
        outer: Sum of their outer products, float64 (F, F).
        num_images: int64 scalar tensor.
    """

    total: Tensor
    outer: Tensor
    num_images: Tensor

    @classmethod
    def zeros(cls, num_features: int) -> Self:
        """Statistics of no images."""
        total = torch.zeros(num_features, dtype=torch.float64)
        return cls(total, torch.outer(total, total), torch.zeros((), dtype=torch.int64))


METRIC_STATES = ("real_features_sum", "real_features_cov_sum", "real_features_num_samples")
"""Where torchmetrics' FrechetInceptionDistance holds the fields of :class:`RealStatistics`, in their order."""

Key = Mapping[str, str | int]
"""What the statistics depend on: data, split, extractor and count. A file is used only under its own key."""


def read_statistics(path: Path, key: Key, num_features: int) -> RealStatistics | None:
    """The statistics in a file, or None without one; a damaged or foreign file is ignored with a warning."""
    if not path.is_file():
        return None
    try:
        return _read(path, key, num_features)
    except (SafetensorError, OSError, ValueError) as error:
        warnings.warn(f"Ignored the cached statistics {path}: {error}. Computing them anew.", stacklevel=2)
        return None


def _read(path: Path, key: Key, num_features: int) -> RealStatistics:
    with safe_open(path, framework="pt") as file:
        statistics = RealStatistics(*(file.get_tensor(name) for name in RealStatistics._fields))
        found = (file.metadata() or {}).get("key")
    if found != _dump(key):
        raise ValueError(f"they are those of {found}")
    if [tuple(tensor.shape) for tensor in statistics] != [(num_features,), (num_features, num_features), ()]:
        raise ValueError(f"they are not the moments of {num_features} features")
    if not all(bool(tensor.isfinite().all()) for tensor in statistics):
        raise ValueError("they are not finite")
    return statistics


def write_statistics(path: Path, key: Key, statistics: RealStatistics) -> None:
    """Write a file that is never seen half written; a folder that cannot be written to costs a warning."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    tensors = {name: tensor.contiguous().cpu() for name, tensor in statistics._asdict().items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata={"key": _dump(key)})
        temporary.replace(path)
    except (SafetensorError, OSError) as error:
        warnings.warn(f"The statistics of the real images were not cached in {path}: {error}.", stacklevel=2)


def _dump(key: Key) -> str:
    return json.dumps(dict(key), sort_keys=True)
