"""Which score a run is followed by, if nobody says."""

from typing import Any

from lightning.pytorch import Trainer

from gan_lightning.callbacks.evaluation import Evaluation


def monitored(trainer: Trainer) -> str:
    """The key of the Fréchet distance that a run logs."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    for callback in callbacks:
        if isinstance(callback, Evaluation):
            callback.settle(trainer)
            return f"val/{callback.features.fid_name}"
    return "val/fid"
