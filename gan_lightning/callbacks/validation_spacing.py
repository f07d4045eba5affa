"""ValidationSpacing."""

import sys
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

NEVER = sys.maxsize
"""Epochs from one validation to the next, where there is none."""


class ValidationSpacing(Callback):
    """Validates at the end of training, and not after every epoch where epochs are short.

    An epoch of a small data set is over before a validation would be. Where validations are left out, so are the
    checkpoints that go with them. Which ones are depends on their steps alone, so a resumed run has the same. A trainer
    whose ``val_check_interval`` or ``check_val_every_n_epoch`` was chosen is left as it is.

    Args:
        min_steps: Updates of G from one validation to the next, about; 0 validates after every epoch.

    Raises:
        ValueError: If it is negative.
    """

    def __init__(self, min_steps: int = 100) -> None:
        if min_steps < 0:
            raise ValueError(f"ValidationSpacing takes min_steps of at least 0, got {min_steps}.")
        self.min_steps = min_steps
        self._applies = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether the trainer validates after every epoch; a training that failed may have left its mark."""
        self._applies = trainer.check_val_every_n_epoch in (1, NEVER) and trainer.val_check_interval == 1.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Decide at the end of an epoch whether it is validated; the last one is, even if max_steps cuts it short."""
        steps, ends = batch_idx + 1, trainer.global_step
        is_last = ends == trainer.max_steps or (
            trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs
        )
        if not self._applies or not (is_last or trainer.is_last_batch):
            return
        is_due = not self.min_steps or ends // self.min_steps > (ends - steps) // self.min_steps
        trainer.check_val_every_n_epoch = 1 if is_due or is_last else NEVER
        if ends == trainer.max_steps:
            trainer.val_check_batch = steps

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the trainer as it was."""
        if self._applies:
            trainer.check_val_every_n_epoch = 1
