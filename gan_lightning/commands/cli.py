"""The command line: LightningCLI, wired so that GANs meet data and every run has a directory of its own."""

import pydoc
import time
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_only

from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import (
    BestCheckpoint,
    Evaluation,
    GracefulStop,
    LastCheckpoint,
    PredictionWriter,
    Progress,
    RankCheck,
    SampleGrid,
    Throughput,
)
from gan_lightning.commands.messages import fail
from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.metrics import MNISTFeatures
from gan_lightning.parts import is_named

DESCRIPTION = """Train, judge and use generative adversarial networks.
gan-lightning generate --help tells how to make images from a checkpoint; prepare-data --help and check-data --help
tell how to fetch data and how to look for damage."""
NOT_EVALUATED = "no validation yet (see trainer.val_check_interval), or evaluation.num_samples is 0"
LINKED = ("image_shape", "num_classes")
"""Arguments of a GAN that the data decide."""

TRAINER_DEFAULTS: dict[str, Any] = {
    "default_root_dir": "runs",
    "logger": [{"class_path": "gan_lightning.engine.metrics_file.MetricsFile"}],
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
    "enable_model_summary": False,
}
CALLBACKS: dict[str, type[Callback]] = {
    "evaluation": Evaluation,
    "samples": SampleGrid,
    "throughput": Throughput,
    "progress": Progress,
    "predictions": PredictionWriter,
    "rank_check": RankCheck,
    "stop": GracefulStop,
    "best": BestCheckpoint,
    "last": LastCheckpoint,
}
"""The callbacks of every run, by the name of their options."""


class Parser(LightningArgumentParser):
    """Answers bad input with one message instead of the whole usage."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End the program; the parsers of nested classes raise, for this one to report."""
        if not self.exit_on_error:
            super().error(message, ex)
        fail(message)


class SaveConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the run directory and hands the whole configuration to the loggers."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log the configuration as the run's hyperparameters."""
        config = self.config.clone().as_dict()
        config.pop("config", None)
        for logger in trainer.loggers:
            logger.log_hyperparams(config)


class GANCLI(LightningCLI):
    """Trains and judges the GANs of the catalogue; see the README for its commands."""

    run_directory: Path

    def __init__(self, args: list[str] | None = None) -> None:
        super().__init__(
            AdversarialModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            parser_class=Parser,
            parser_kwargs={"prog": "gan-lightning", "description": DESCRIPTION},
            save_config_callback=SaveConfig,
            save_config_kwargs={"overwrite": True},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,  # a checkpoint's hyperparameters are the module's own
            args=args,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the callbacks that every run has, and let the data decide the shape and the classes."""
        parser.add_argument("--run_name", type=str | None, help="Of the run directory; default: GAN, date and time.")
        for name, callback in CALLBACKS.items():
            parser.add_lightning_class_args(callback, name)
        for name in LINKED:
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

    def _parse_ckpt_path(self) -> None:
        """Find the checkpoint that is asked for, check it, and let it say what the GAN looks like."""
        config = self.config[self.config.subcommand]
        self._resumed_run: Path | None = None
        if config.get("ckpt_path") in {"last", "best"}:
            self._find_checkpoint(config)
        if config.get("ckpt_path") is None:
            return
        checkpoint = read_checkpoint(config.ckpt_path)
        model: Any = pydoc.locate(config.model.class_path)
        if not is_named(model, checkpoint["gan"]):
            raise ValueError(
                f"'{config.ckpt_path}' is a checkpoint of {checkpoint['gan']}, but the model is {model.__name__}."
            )
        if self.config.subcommand != "fit":
            known = {k: v for k, v in checkpoint.get("hyper_parameters", {}).items() if k not in LINKED}
            config.model.init_args = Namespace({**config.model.init_args.as_dict(), **known})

    def _find_checkpoint(self, config: Namespace) -> None:
        """Replace "last" or "best" by that checkpoint of the newest run; fit starts afresh where there is none."""
        root = Path(config.trainer.default_root_dir)
        runs = config.run_name or f"{_gan_name(config)}-*"
        found = sorted(root.glob(f"{runs}/checkpoints/{config.ckpt_path}.ckpt"), key=lambda path: path.stat().st_mtime)
        if found:
            config.ckpt_path = str(found[-1])
            self._resumed_run = found[-1].parents[1] if self.config.subcommand == "fit" else None
        elif self.config.subcommand == "fit":
            config.ckpt_path = None
            self._resumed_run = root / runs if config.run_name else None  # it may have ended before it saved anything
        else:
            raise FileNotFoundError(
                f"There is no '{config.ckpt_path}' checkpoint below {root}/{runs}. "
                "Give --run_name, or the path of a checkpoint as --ckpt_path."
            )

    def before_instantiate_classes(self) -> None:
        """Choose the run directory and send there all that is written."""
        config = self.config[self.subcommand]
        self.run_directory = self._resumed_run or self._new_run_directory(config)
        if config.trainer.strategy == "auto" and _processes(config.trainer) > 1:
            config.trainer.strategy = "gan_ddp"
        if config.best.monitor is None:
            features = config.evaluation.features
            extractor: Any = pydoc.locate(features.class_path) if features else MNISTFeatures
            config.best.monitor = f"val/{extractor.fid_name}"
        loggers = config.trainer.logger if isinstance(config.trainer.logger, list) else [config.trainer.logger]
        for logger in loggers:
            if isinstance(logger, Namespace):
                logger.init_args.save_dir = str(self.run_directory)
        if config.trainer.enable_progress_bar is False:  # Lightning refuses this beside a bar of one's own
            config.trainer.enable_progress_bar, config.progress.refresh_rate = True, 0
        cache = str(Path(config.trainer.default_root_dir) / "cache")
        config.evaluation.cache_dir = config.evaluation.cache_dir or cache

    def _new_run_directory(self, config: Namespace) -> Path:
        now = time.strftime("%Y%m%d-%H%M%S")
        if self.subcommand == "fit":
            name = config.run_name or f"{_gan_name(config)}-{now}"
        else:
            name = f"{config.run_name or _gan_name(config)}-{self.subcommand}-{now}"
        directory = Path(config.trainer.default_root_dir) / name
        if directory.exists() and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            raise FileExistsError(
                f"The run directory '{directory}' exists. Choose another --run_name, "
                "or go on with that run by --ckpt_path last."
            )
        return directory

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer, whose root is the run directory."""
        return super().instantiate_trainer(default_root_dir=str(self.run_directory), **kwargs)

    @rank_zero_only
    def after_fit(self) -> None:
        """Say where everything is, and how good it is."""
        report = self.evaluation.report
        run = self.run_directory
        print(
            f"\nTrained for {self.trainer.global_step} updates of G on {int(self.model.images_seen)} real images.\n"
            f"  run directory    {run}\n"
            f"  best checkpoint  {self._best_checkpoint()}\n"
            f"  last checkpoint  {run / 'checkpoints' / 'last.ckpt'}\n"
            f"  sample grids     {run / 'samples'}\n"
            f"  metrics          {run / 'metrics.csv'}\n"
            f"  {report or f'not evaluated: {NOT_EVALUATED}'}"
        )

    @rank_zero_only
    def after_test(self) -> None:
        """Print the score with its protocol."""
        print(self.evaluation.report)

    after_validate = after_test

    @rank_zero_only
    def after_predict(self) -> None:
        """Say where the images are."""
        print(f"Wrote images to {self.run_directory / 'predictions'}.")

    @property
    def evaluation(self) -> Evaluation:
        """The callback that judges the GAN."""
        evaluation: Evaluation = self._get(self.config_init, "evaluation")
        return evaluation

    def _best_checkpoint(self) -> str:
        best: BestCheckpoint = self._get(self.config_init, "best")
        if best.best_model_score is None:
            return f"none: {best.monitor} was not logged"
        return f"{best.best_model_path} ({best.monitor} {best.best_model_score:.2f})"


def _processes(trainer: Namespace) -> int:
    """How many processes Lightning makes of these options and of what the machine and its scheduler say."""
    options: dict[str, Any] = {name: trainer[name] for name in ("accelerator", "devices", "num_nodes")}
    return Trainer(**options, logger=False, enable_checkpointing=False, enable_progress_bar=False).world_size


def _gan_name(config: Namespace) -> str:
    return str(config.model.class_path).rsplit(".")[-1].lower()
