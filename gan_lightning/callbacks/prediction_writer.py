"""PredictionWriter."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from gan_lightning.images import write_png


class PredictionWriter(BasePredictionWriter):
    """Writes each image of ``predict`` to ``predictions/<rank>-<batch>-<place>.png``."""

    def __init__(self) -> None:
        super().__init__(write_interval="batch")

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
        folder = Path(trainer.default_root_dir) / "predictions"
        for k, image in enumerate(prediction):
            write_png(image[None], folder / f"{trainer.global_rank}-{batch_idx:05d}-{k:04d}.png")
