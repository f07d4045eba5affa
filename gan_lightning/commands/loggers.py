"""Loggers as a run needs them: each writes into the run directory, and goes on there when the run is resumed."""

import pydoc
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.fabric.utilities.logger import _flatten_dict
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from gan_lightning.arguments import arguments_of
from gan_lightning.callbacks import LastCheckpoint
from gan_lightning.panels import PANELS
from gan_lightning.secrets import masked_words

RESERVED = re.compile(r"[^\w.-]")
"""Characters that are replaced in an id of W&B, which forbids some of them."""
LONGEST_ID = 128
SENT = ("online", "run", "shared")
"""Modes in which W&B needs an account."""


def adapt_logger(logger: Namespace, run_directory: Path) -> None:
    """Let a configured logger write into the run directory.

    W&B names a run after its directory and finds it by that name when it is resumed, unless ``name``, or ``version`` or
    ``id``, are given; it gets no command line that has secrets. TensorBoard writes next to ``metrics.csv``, unless a
    name or a version is given.

    Args:
        logger: ``class_path`` and ``init_args``, changed in place.
        run_directory: Of the run.

    Raises:
        ValueError: The logger's package is not installed, or W&B has no login and no terminal to ask for one.
    """
    kind: Any = pydoc.locate(logger.class_path)
    options = logger.init_args
    if "save_dir" in arguments_of(kind):
        options.save_dir = str(run_directory)
    if issubclass(kind, WandbLogger):
        _need("wandb", kind)
        _adapt_wandb(logger, kind, run_directory.name)
    elif issubclass(kind, TensorBoardLogger):
        _need("tensorboard", kind)
        options.default_hp_metric = False
        if kind is TensorBoardLogger:
            if options.version is None and options.name == arguments_of(kind)["name"].default:
                options.name = options.version = ""
            logger.class_path = f"{__name__}.{RunTensorBoard.__name__}"


def _adapt_wandb(logger: Namespace, kind: type, name: str) -> None:
    options = logger.init_args
    options.name = options.get("name") or name
    if not (options.get("version") or options.get("id")):
        options.id = RESERVED.sub("-", name)[:LONGEST_ID]
    if masked_words(sys.argv) != sys.argv and not options.get("settings"):
        options.settings = {"x_disable_meta": True}  # of which the command is a part
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        _check_login({**options.as_dict(), **(logger.get("dict_kwargs") or {})})
    if kind is WandbLogger:
        logger.class_path = f"{__name__}.{RunWandb.__name__}"


class RunWandb(WandbLogger):
    """W&B whose ``log_model`` keeps checkpoints as versions of one artifact, by the aliases "best" and "latest"."""

    def _scan_and_log_checkpoints(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Send a checkpoint, unless it was sent; Lightning's calls the last one the best, too."""
        path = Path(checkpoint_callback.best_model_path)
        if not path.is_file() or self._logged_model_time.get(str(path)) == path.stat().st_mtime:
            return
        self._logged_model_time[str(path)] = path.stat().st_mtime
        is_last = isinstance(checkpoint_callback, LastCheckpoint)
        score = checkpoint_callback.best_model_score
        facts = {} if is_last or score is None else {checkpoint_callback.monitor: float(score)}
        artifact = import_module("wandb").Artifact(f"model-{self.experiment.id}", type="model", metadata=facts)
        artifact.add_file(str(path), name="model.ckpt")
        self.experiment.log_artifact(artifact, aliases=["latest" if is_last else "best"])

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Send checkpoints, the last one last: W&B itself calls the newest version the latest."""
        in_order = sorted(self._checkpoint_callbacks.items(), key=lambda item: isinstance(item[1], LastCheckpoint))
        self._checkpoint_callbacks = dict(in_order)
        super().finalize(status)


class RunTensorBoard(TensorBoardLogger):
    """TensorBoard with the configuration, and with the panels of the report under "Custom Scalars".

    Of a resumed run, it hides what was logged after the checkpoint was saved.
    """

    @rank_zero_only
    def log_hyperparams(self, params: Any, metrics: dict[str, Any] | None = None, step: int | None = None) -> None:
        """Show arguments; Lightning's does so with metrics alone, for which it makes up one.

        Args:
            params: Arguments by name, of any depth.
            metrics: Figures to show beside them.
            step: Of the figures.
        """
        super().log_hyperparams(params, metrics, step)
        panels = {panel.title: ["Multiline", [f"^{key}$" for key in panel.keys]] for panel in PANELS}
        self.experiment.add_custom_scalars({"gan_lightning": panels})
        if not metrics:
            hparams: Any = import_module("torch.utils.tensorboard.summary").hparams
            writer = self.experiment._get_file_writer()
            for summary in hparams(self._sanitize_params(_flatten_dict(dict(self.hparams))), {}):
                writer.add_summary(summary)

    @rank_zero_only
    def forget_after(self, step: int) -> None:
        """Hide what was logged beyond the step from which training goes on.

        Args:
            step: Updates of G, at least 0.
        """
        protocol: Any = import_module("tensorboard.compat.proto.event_pb2")
        begins = protocol.Event(step=step + 1, session_log={"status": protocol.SessionLog.START})
        self.experiment._get_file_writer().add_event(begins)


def _need(package: str, kind: type) -> None:
    if find_spec(package) is None:
        raise ValueError(f"{kind.__name__} needs {package}: pip install {package}.")


def _check_login(options: dict[str, Any]) -> None:
    """Let W&B look for its key before anything is made; where there is a terminal, it asks."""
    wandb: Any = import_module("wandb")
    mode = "offline" if options.get("offline") else options.get("mode") or wandb.setup().settings.mode
    if mode not in SENT or (sys.stdin is not None and sys.stdin.isatty()):
        return
    try:
        wandb.login(verify=False)
    except (wandb.errors.UsageError, wandb.errors.AuthenticationError) as error:
        raise ValueError(
            f"Weights & Biases has no usable login on this machine ({error}). Run `wandb login` once, or set "
            "WANDB_API_KEY; WANDB_MODE=offline logs without an account."
        ) from error
