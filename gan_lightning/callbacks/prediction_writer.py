"""PredictionWriter."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from gan_lightning.images import write_png


class PredictionWriter(BasePredictionWriter):
    """Writes each image of ``predict`` to ``predictions/<number>.png``, numbered over all processes."""

    def __init__(self) -> None:
        super().__init__(write_interval="batch")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count, in the run directory of process 0."""
        self._written = 0
        self._folder = Path(trainer.strategy.broadcast(trainer.default_root_dir)) / "predictions"

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Tensor,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write a batch, (N, C, H, W) in [-1, 1]."""
        for image in prediction:
            number = self._written * trainer.world_size + trainer.global_rank
            write_png(image[None], self._folder / f"{number:06d}.png")
            self._written += 1
