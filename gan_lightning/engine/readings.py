"""What a step has to log, until it is logged."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor


class Readings:
    """Scalars by player and name, of the micro-batches of an update; their means are logged."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, list[Tensor]]] = {"d": {}, "g": {}}
        self._logged: dict[str, set[str]] = {"d": set(), "g": set()}

    def add(self, player: str, values: Mapping[str, Tensor], anew: bool = False) -> None:
        """Take the values of a micro-batch, to be logged as ``train/<player>_<name>``.

        Args:
            player: Whose they are, "d" or "g".
            values: Scalars by name.
            anew: Whether to forget values of the same names that were not logged yet.
        """
        known = self._values[player]
        for name, value in values.items():
            key = f"train/{player}_{name}"
            known[key] = [*([] if anew else known.get(key, [])), value.detach()]

    def log(self, player: str, module: LightningModule) -> None:
        """Log the means over micro-batches and processes, and nothing that was logged before.

        Args:
            player: Whose values.
            module: The module, in its training step.
        """
        means = {name: torch.stack(values).mean() for name, values in self._values[player].items()}
        self._values[player] = {}
        results: Any = module.trainer._results  # Lightning would log again what is left there
        for name in self._logged[player] - means.keys():
            results.pop(f"training_step.{name}", None)
        self._logged[player] = set(means)
        module.log_dict(means, sync_dist=module.trainer.world_size > 1)
