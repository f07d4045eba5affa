"""Throughput."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Throughput(Callback):
    """Logs ``train/images_seen`` and ``train/images_per_second``: real images D is trained on, without validation."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count."""
        self._restart(pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew: between epochs other things are done."""
        self._restart(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self._restart(pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log on the steps that are logged."""
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if every and trainer.global_step % every == 0:
            started, seen = self._started, self._seen
            self._restart(pl_module)
            rate = (self._seen - seen) / (self._started - started)
            pl_module.log_dict({"train/images_per_second": rate, "train/images_seen": float(self._seen)})

    def _restart(self, pl_module: LightningModule) -> None:
        self._seen = int(pl_module.images_seen)  # type: ignore[arg-type]
        self._started = time.perf_counter()
