"""SampleGrid."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from gan_lightning.batches import read_batch
from gan_lightning.images import tile, to_uint8, write_png

CHANNELS = (1, 3)
"""What pictures can have: grey or RGB."""


class SampleGrid(Callback):
    """Writes a grid of samples to ``samples/step-<updates of G>.png`` and to the loggers that show images.

    The latents are the same each time. The columns of a conditional GAN's grid are its classes. Grids are drawn at ends
    of epochs, and always at the end of training. ``real.png`` has real images of the first batch, to compare.

    Args:
        num_images: Images of the grid, at least 1; rounded down to whole rows for a conditional GAN.
        every_n_epochs: Epochs from one grid to the next, at least 1.
        min_steps: Updates of G from one grid to the next, at least: where epochs are short, most of them have none. 0
            for no minimum.
        seed: Of the latents.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, num_images: int = 64, every_n_epochs: int = 1, min_steps: int = 50, seed: int = 0) -> None:
        if min(num_images, every_n_epochs) < 1 or min_steps < 0:
            raise ValueError(
                "SampleGrid takes num_images and every_n_epochs of at least 1 and min_steps of at least 0, got "
                f"{num_images}, {every_n_epochs} and {min_steps}."
            )
        self.num_images = num_images
        self.every_n_epochs = every_n_epochs
        self.min_steps = min_steps
        self.seed = seed
        self._drawn_at = 0
        self._has_warned = self._has_real = False

    def state_dict(self) -> dict[str, Any]:
        """When the last grid was drawn: a resumed run draws the same as one that was never stopped."""
        return {"drawn_at": self._drawn_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._drawn_at = state_dict["drawn_at"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier training."""
        self._drawn_at = min(self._drawn_at, trainer.global_step)
        self._has_real = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw real images, once in a run."""
        if self._has_real or not _writes(trainer):
            return
        self._has_real = True
        path = Path(trainer.default_root_dir) / "real.png"
        images = read_batch(batch)[0][: self.num_images]
        if images.shape[1] in CHANNELS and not path.exists():
            write_png(images, path)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the grid if it is due."""
        late = trainer.global_step >= self._drawn_at + self.min_steps
        if late and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the last grid, unless the last epoch did."""
        if self._drawn_at != trainer.global_step:
            self._draw(trainer, pl_module)

    def _draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._drawn_at = trainer.global_step
        if not _writes(trainer):
            return
        images, columns = self._images(pl_module)
        if images.shape[1] not in CHANNELS:
            self._warn(images.shape[1])
            return
        write_png(images, Path(trainer.default_root_dir) / "samples" / f"step-{self._drawn_at:07d}.png", columns)
        sheet = tile(to_uint8(images), columns).cpu()
        for logger in trainer.loggers:
            _log_image(logger, sheet, self._drawn_at)

    def _images(self, gan: Any) -> tuple[Tensor, int | None]:
        """What is drawn, and in how many columns: as the module itself says, if it does; else samples."""
        if hasattr(gan, "grid"):
            images, columns = gan.grid(self.num_images, self.seed)
            return images, columns
        classes = int(gan.num_classes) or None
        count = max(self.num_images // classes, 1) * classes if classes else self.num_images
        return gan.sample(count, labels=range(classes) if classes else None, seed=self.seed), classes

    def _warn(self, channels: int) -> None:
        if not self._has_warned:
            self._has_warned = True
            rank_zero_warn(
                f"No grids of samples are drawn: a picture has 1 or 3 channels, these images have {channels}."
            )


def _writes(trainer: Trainer) -> bool:
    return trainer.is_global_zero and not trainer.fast_dev_run  # type: ignore[attr-defined]


def _log_image(logger: Logger, sheet: Tensor, step: int) -> None:
    """Show a picture, (C, H, W) uint8, under the key "samples", in a logger that can."""
    if isinstance(logger, WandbLogger):
        logger.log_image("samples", [sheet.permute(1, 2, 0).numpy()], step=step)
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image("samples", sheet, step)
