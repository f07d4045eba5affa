"""EarlyStop."""

from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from gan_lightning.callbacks.monitored import monitored
from gan_lightning.metrics.scores import better


class EarlyStop(EarlyStopping):
    """Ends a training whose score no longer gets better; one that is not evaluated goes on, with a warning.

    Args:
        monitor: Key of the score; by default that of the run's :class:`Evaluation`.
        patience: Training ends after so many validations without a better score, at least 1.
        min_delta: A score is better if it is so by more than this.
        mode: Whether a low or a high score is good; by default what is of that score, low if it is unknown.
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] | None = None,
    ) -> None:
        super().__init__(
            monitor or "",
            min_delta=min_delta,
            patience=patience,
            mode=mode or better(monitor or ""),
            strict=False,
            check_finite=False,
            check_on_train_epoch_end=False,
        )
        self._has_warned = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the score."""
        self.monitor = self.monitor or monitored(trainer)
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on to count; a resumed run may have more patience."""
        super().load_state_dict({**state_dict, "patience": self.patience})

    def _validate_condition_metric(self, logs: dict[str, Tensor]) -> bool:
        is_known = self.monitor in logs
        if not is_known and not self._has_warned:
            self._has_warned = True
            rank_zero_warn(f"EarlyStop cannot end this training: {self.monitor} is not logged.")
        return is_known
