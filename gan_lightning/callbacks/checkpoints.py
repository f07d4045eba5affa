"""BestCheckpoint and LastCheckpoint."""

from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from gan_lightning.callbacks.graceful_stop import Stopped
from gan_lightning.callbacks.monitored import monitored
from gan_lightning.engine.checkpoints import CheckpointError
from gan_lightning.metrics.scores import better


class _RunCheckpoint(ModelCheckpoint):
    """One file of a fixed name below the run directory's ``checkpoints``."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the run directory, which is the trainer's root."""
        folder = Path(trainer.default_root_dir) / "checkpoints"
        self.dirpath = str(folder)
        if trainer.is_global_zero:
            for unfinished in folder.glob(f".{self.filename}.ckpt.*"):  # of a run that was killed
                unfinished.unlink()
        super().setup(trainer, pl_module, stage)


class BestCheckpoint(_RunCheckpoint):
    """Keeps ``checkpoints/best.ckpt``, of the validation with the best score; a GAN's last is often not its best.

    A score that is not finite is never the best, nor are weights that are not.

    Args:
        monitor: Key of the score; by default that of the run's :class:`Evaluation`.
        mode: Whether a low or a high score is good; by default what is of that score, low if it is unknown.
    """

    def __init__(self, monitor: str | None = None, mode: Literal["min", "max"] | None = None) -> None:
        mode = mode or better(monitor or "")
        super().__init__(filename="best", monitor=monitor, mode=mode, enable_version_counter=False)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the score."""
        self.monitor = self.monitor or monitored(trainer)
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the best score also where the run directory was moved, as long as its best checkpoint is there."""
        path = Path(self.dirpath or "") / f"{self.filename}.ckpt"
        score = state_dict["best_model_score"]
        if score is not None and path.exists():
            self.best_model_score = self.kth_value = score
            self.best_model_path = self.kth_best_model_path = str(path)
            self.best_k_models = {str(path): score}

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether a score is the best so far, and of weights that can be used."""
        if current is None or not current.isfinite() or not super().check_monitor_top_k(trainer, current):
            return False
        return trainer.strategy.reduce_boolean_decision(_is_finite(trainer.lightning_module))

    def _save_topk_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Any]) -> None:
        if self.monitor in monitor_candidates:  # Lightning would end a run that is not evaluated
            super()._save_topk_checkpoint(trainer, monitor_candidates)


class LastCheckpoint(_RunCheckpoint):
    """Keeps ``checkpoints/last.ckpt``: written periodically, at the end, and when training is interrupted or fails.

    A state in the middle of a step, where D is ahead of G, is never written: the last one of whole steps stays. The
    failure of one process among several writes nothing: saving takes all of them. Nor does a training that could not
    begin, or that is resumed and fails before its first step, nor one whose weights are not finite.

    Args:
        every_n_steps: Updates of G from one to the next; by default it is written after each epoch that is validated.
    """

    def __init__(self, every_n_steps: int | None = None) -> None:
        super().__init__(
            filename="last", every_n_train_steps=every_n_steps, save_on_exception=True, enable_version_counter=False
        )
        self._began_at: int | None = None
        self._has_warned = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the place of the file; nothing is trained yet."""
        self._began_at = None
        super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember where training begins."""
        self._began_at = trainer.global_step
        super().on_train_start(trainer, pl_module)

    def _has_trained(self, trainer: Trainer) -> bool:
        return not trainer.fast_dev_run and self._began_at is not None and trainer.global_step > self._began_at  # type: ignore[attr-defined]

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the state of the last whole step, if nothing was done since."""
        progress: Any = trainer.fit_loop.epoch_loop.batch_progress.current
        together = trainer.world_size == 1 or isinstance(exception, Stopped)
        if (
            self._has_trained(trainer)
            and together
            and not isinstance(exception, CheckpointError)
            and progress.started == progress.processed
            and _is_finite(pl_module)
        ):
            if progress.processed > progress.completed:  # so its metrics were not logged yet
                trainer._logger_connector.on_batch_end()
                trainer._logger_connector.update_train_step_metrics()
            super().on_exception(trainer, pl_module, exception)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        """Write the state, if its weights can be used."""
        if trainer.strategy.reduce_boolean_decision(_is_finite(trainer.lightning_module)):
            super()._save_checkpoint(trainer, filepath)
        elif not self._has_warned:
            self._has_warned = True
            rank_zero_warn(
                f"Nothing is saved at step {trainer.global_step}: weights are not finite. {filepath} stays as it was."
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the last state, unless that was just done."""
        if self._has_trained(trainer) and self._last_global_step_saved != trainer.global_step:
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))


def _is_finite(module: LightningModule) -> bool:
    """Whether all weights and buffers are."""
    return all(bool(tensor.isfinite().all()) for tensor in (*module.parameters(), *module.buffers()))
