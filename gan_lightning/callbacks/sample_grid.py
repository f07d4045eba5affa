"""SampleGrid."""

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from torch import Tensor

from gan_lightning.images import tile, to_uint8, write_png


class SampleGrid(Callback):
    """Writes a grid of samples to ``samples/step-<global step>.png`` and to the loggers that show images.

    The latents are the same each time. The columns of a conditional GAN's grid are its classes.

    Args:
        num_images: Images of the grid, at least 1; rounded down to whole rows for a conditional GAN.
        every_n_epochs: Epochs from one grid to the next, at least 1. The last epoch always has one.
        seed: Of the latents.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, num_images: int = 64, every_n_epochs: int = 1, seed: int = 0) -> None:
        if min(num_images, every_n_epochs) < 1:
            raise ValueError(
                f"SampleGrid takes num_images and every_n_epochs of at least 1, got {num_images} and {every_n_epochs}."
            )
        self.num_images = num_images
        self.every_n_epochs = every_n_epochs
        self.seed = seed

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the grid if it is due."""
        if trainer.is_global_zero and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the last grid, unless the last epoch did."""
        if trainer.is_global_zero and not self._path(trainer).exists():
            self._draw(trainer, pl_module)

    def _path(self, trainer: Trainer) -> Path:
        return Path(trainer.default_root_dir) / "samples" / f"step-{trainer.global_step:07d}.png"

    def _draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        columns = int(pl_module.num_classes) or None  # type: ignore[arg-type]
        count = max(self.num_images // columns, 1) * columns if columns else self.num_images
        images = pl_module.sample(count, labels=range(columns) if columns else None, seed=self.seed)  # type: ignore[operator]
        write_png(images, self._path(trainer), columns)
        sheet = tile(to_uint8(images), columns).cpu()
        for logger in trainer.loggers:
            _log_image(logger, sheet, trainer.global_step)


def _log_image(logger: Logger, sheet: Tensor, step: int) -> None:
    """Show a picture, (C, H, W) uint8, under the key "samples", in a logger that can."""
    if isinstance(logger, WandbLogger):
        logger.log_image("samples", [sheet.permute(1, 2, 0).numpy()], step=step)
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image("samples", sheet, step)
