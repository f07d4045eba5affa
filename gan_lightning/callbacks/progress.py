"""Progress."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm

SHOWN = {
    "d": "train/d_loss",
    "g": "train/g_loss",
    "D(x)": "train/d_x",
    "D(G(z))": "train/d_gz",
    "images/s": "train/images_per_second",
}


class Progress(TQDMProgressBar):
    """A progress bar with both losses, D(x), D(G(z)), images a second and the last FID.

    Args:
        refresh_rate: Steps from one update to the next; 0 for no bar. Frequent updates slow training down.
    """

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__(refresh_rate=refresh_rate)

    def init_validation_tqdm(self) -> Tqdm:
        """No bar of its own: a validation takes moments."""
        return Tqdm(disable=True)

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What stands at the end of the bar."""
        known = trainer.callback_metrics
        distances = {key.removeprefix("val/"): key for key in known if key.startswith("val/fid")}
        return {name: float(known[key]) for name, key in (SHOWN | distances).items() if key in known}
