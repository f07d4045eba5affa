"""``config.yaml`` of a run."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback
from lightning.pytorch.trainer.states import TrainerFn

from gan_lightning.images import write_bytes
from gan_lightning.secrets import masked


class SaveConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the run directory and hands the whole configuration, without secrets, to the loggers.

    It does so after the first training step: a run that cannot begin or resume leaves everything as it was. The
    parser is not kept, because it cannot be sent to other processes.
    """

    def __init__(self, parser: LightningArgumentParser, config: Namespace, **kwargs: Any) -> None:
        self._text = parser.dump(config, skip_unset=False, skip_link_targets=False)
        self._options = masked(config.clone().as_dict())
        self._options.pop("config", None)
        super().__init__(None, None, **kwargs)  # type: ignore[arg-type]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write nothing yet."""

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Write, the first time."""
        if trainer.is_global_zero and not self.already_saved:
            self.already_saved = True
            write_bytes(self._text.encode(), Path(trainer.default_root_dir) / self.config_filename)
            for logger in trainer.loggers:
                logger.log_hyperparams(self._options)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write, unless this is a validation during training."""
        if not trainer.sanity_checking and trainer.state.fn != TrainerFn.FITTING:
            self.on_train_batch_end(trainer)

    on_validation_start = on_predict_start = on_test_start
