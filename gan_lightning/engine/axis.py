"""The axis of all loggers, which counts updates of G."""

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.trainer.connectors.logger_connector.logger_connector import _LoggerConnector
from lightning.pytorch.trainer.states import TrainerFn


def log_at_updates(trainer: Trainer) -> None:
    """Let all loggers log what is measured after n updates of G at step n; Lightning's own axis says n - 1.

    When training begins, loggers that have a ``forget_after(step)`` are told the step that it continues from.

    Args:
        trainer: One whose module has ``updates``, in ``setup``.
    """
    connector: Any = trainer._logger_connector
    connector.__class__ = _UpdatesConnector
    connector.begins = trainer.state.fn == TrainerFn.FITTING


class _UpdatesConnector(_LoggerConnector):
    """Lightning's own, except for the step."""

    begins = False

    def on_batch_start(self, batch: Any, dataloader_idx: int | None = None) -> None:
        """Tell the loggers, before the first batch of any kind."""
        if self.begins:
            self.begins = False
            for logger in self.trainer.loggers:
                if hasattr(logger, "forget_after"):
                    logger.forget_after(self.trainer.global_step)
        super().on_batch_start(batch, dataloader_idx)

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log at the number of updates made, unless a step is given."""
        if metrics and step is None and "step" not in metrics:
            step = self.trainer.lightning_module.updates  # type: ignore[assignment]
            metrics = {"epoch": self.trainer.current_epoch, **metrics}
        super().log_metrics(metrics, step)
