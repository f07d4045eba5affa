"""Throughput."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Throughput(Callback):
    """Logs ``train/images_seen``, the real images that D was trained on, and ``train/images_per_second``."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._restart(pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restart the clock: what happens between epochs is not training."""
        self._restart(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restart the clock: a validation is not training."""
        self._restart(pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log at the steps at which the trainer logs."""
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if every and trainer.global_step % every == 0:
            started, seen = self._started, self._seen
            self._restart(pl_module)
            rate = (self._seen - seen) / (self._started - started)
            pl_module.log_dict({"train/images_per_second": rate, "train/images_seen": float(self._seen)})

    def _restart(self, pl_module: LightningModule) -> None:
        self._seen = int(pl_module.images_seen)  # type: ignore[arg-type]
        self._started = time.perf_counter()
