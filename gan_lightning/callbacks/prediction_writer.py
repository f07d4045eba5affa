"""PredictionWriter."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from gan_lightning.images import write_png

PICTURE = "[0-9]" * 6 + ".png"


class PredictionWriter(BasePredictionWriter):
    """Writes each image of ``predict`` to ``predictions/<number>.png``, numbered over all processes.

    Pictures that an earlier ``predict`` wrote there are removed first: the folder holds those of one.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="batch")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Empty the folder, in the run directory of process 0, and number images from 0.

        Raises:
            FileExistsError: There is a file where the folder should be.
        """
        self._written = 0
        self._folder = Path(trainer.strategy.broadcast(trainer.default_root_dir)) / "predictions"
        if self._folder.exists() and not self._folder.is_dir():
            raise FileExistsError(f"The images of predict go to the folder '{self._folder}', but that is a file.")
        if trainer.is_global_zero:
            for picture in self._folder.glob(PICTURE):
                picture.unlink()
        trainer.strategy.barrier("predictions")

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write a batch, (N, C, H, W) in [-1, 1].

        Raises:
            TypeError: It is something else.
            ValueError: A picture cannot hold images of this shape.
        """
        if not isinstance(prediction, Tensor):
            raise TypeError(f"PredictionWriter writes batches of images, got {type(prediction).__name__}.")
        if prediction.ndim != 4 or prediction.shape[1] not in (1, 3):
            raise ValueError(f"A picture has 1 or 3 channels, got images (N, C, H, W) of {tuple(prediction.shape)}.")
        for image in prediction:
            number = self._written * trainer.world_size + trainer.global_rank
            write_png(image[None], self._folder / f"{number:06d}.png")
            self._written += 1
