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
    """A progress bar with both losses, D(x), D(G(z)), real images per second and the last FID.

    Args:
        refresh_rate: Steps between refreshes of the bar; 0 for no bar. Frequent refreshes slow training down.
    """

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__(refresh_rate=refresh_rate)

    def init_validation_tqdm(self) -> Tqdm:
        """No bar of its own: a validation takes moments."""
        return Tqdm(disable=True)

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The figures at the end of the bar."""
        known = trainer.callback_metrics
        distances = {key.removeprefix("val/"): key for key in known if key.startswith("val/fid")}
        return {name: _shown(float(known[key])) for name, key in (SHOWN | distances).items() if key in known}


def _shown(value: float) -> str:
    """Three digits, or all before the point, as long as these are few: 0.123, 1.23, 1170, 1.2e+09."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e7 else f"{value:.3g}"
