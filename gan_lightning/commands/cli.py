"""The command line: LightningCLI, wired so that GANs meet data and every run has a directory of its own."""

import pydoc
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, NoReturn

from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_only

from gan_lightning.arguments import arguments_of
from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import BestCheckpoint, Doctor, Evaluation
from gan_lightning.commands.config_file import SaveConfig
from gan_lightning.commands.defaults import CALLBACKS, HELP, NOT_EVALUATED, TRAINER_DEFAULTS
from gan_lightning.commands.links import check_decision, data_decide
from gan_lightning.commands.loggers import adapt_logger
from gan_lightning.commands.messages import fail
from gan_lightning.commands.runs import (
    check_name,
    check_root,
    checkpoints_in,
    find_checkpoint,
    held,
    new_name,
    take,
)
from gan_lightning.commands.trainer_messages import check_trainer
from gan_lightning.engine.checkpointed import start_from
from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.parts import is_named

LINKED = ("image_shape", "num_classes")
"""Arguments of a GAN that the data decide."""


class Parser(LightningArgumentParser):
    """Answers bad input with one message instead of the whole usage."""

    of_function = False
    """Whether the command is a function, not a training."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End the program; the parsers of nested classes raise, for this one to report."""
        if not self.exit_on_error:
            super().error(message, ex)
        fail(message, [action.dest for action in self._actions[1:]] if self.of_function else None)


class GANCLI(LightningCLI):
    """Trains and judges the GANs of the catalogue; see the README for its commands."""

    run_directory: Path
    _data_error: Exception | None = None

    def __init__(self, args: list[str]) -> None:
        self._command = args[0]
        with ExitStack() as self._surroundings:
            self._run(args)

    def _run(self, args: list[str]) -> None:
        super().__init__(
            AdversarialModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            parser_class=Parser,
            parser_kwargs={"prog": "gan-lightning"},
            save_config_callback=SaveConfig,
            save_config_kwargs={"overwrite": True},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,  # a checkpoint's hyperparameters are the module's own
            args=args,
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The command that was given: collecting the options of all four would double the time of parsing."""
        return {self._command: super().subcommands()[self._command]}

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        """Say what Lightning's own options mean here."""
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        for action in parser._actions:
            action.help = HELP.get(action.dest, action.help)
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the callbacks that every run has, and let the data decide the shape and the classes."""
        parser.add_argument("--run_name", type=str | None, help="Name of the run directory; default: GAN and time.")
        parser.add_argument(
            "--init_from", type=str | None, help="A checkpoint whose weights a new run starts from, as far as they fit."
        )
        for name, callback in CALLBACKS.items():
            parser.add_lightning_class_args(callback, name)
        for name in LINKED:
            target = f"model.init_args.{name}"
            parser.link_arguments("data", target, compute_fn=partial(self._decide, name), apply_on="instantiate")

    def _decide(self, name: str, data: LightningDataModule) -> Any:
        """What the data say of an argument, if the GAN has it."""
        try:
            return data_decide(name, data) if name in self.config[self.subcommand].model.init_args else None
        except (ValueError, TypeError, OSError) as error:
            self._data_error = error  # jsonargparse would rephrase it
            raise

    def _parse_ckpt_path(self) -> None:
        """Find and check the checkpoint of --ckpt_path, and take the arguments of the GAN from it."""
        config = self.config[self.config.subcommand]
        if not isinstance(config.trainer, Namespace):
            raise TypeError(f"trainer must hold options by name, such as max_steps: 1000, got {config.trainer}.")
        check_trainer(config.trainer)
        root = check_root(config.trainer.default_root_dir)
        if config.run_name is not None:
            check_name(config.run_name)
        self._check_start(config)
        self._resumed_run: Path | None = None
        model: Any = pydoc.locate(config.model.class_path)
        if config.get("ckpt_path") in {"last", "best"}:
            self._find_checkpoint(config, root, model)
        if config.get("ckpt_path") is None:
            return
        checkpoint = read_checkpoint(config.ckpt_path)
        if not is_named(model, checkpoint["gan"]):
            raise ValueError(
                f"'{config.ckpt_path}' is a checkpoint of {checkpoint['gan']}, but the model is {model.__name__}."
            )
        rank_zero_only(print)(f"From {config.ckpt_path}, after {checkpoint['global_step']} updates of G.")
        if self.config.subcommand != "fit":
            known = {k: v for k, v in checkpoint["hyper_parameters"].items() if k not in LINKED}
            config.model.init_args = Namespace({**config.model.init_args.as_dict(), **known})

    def _check_start(self, config: Namespace) -> None:
        """Refuse to judge weights that nobody trained, and to start from two checkpoints."""
        command = self.config.subcommand
        if command != "fit" and config.ckpt_path is None:
            raise ValueError(f"{command} needs --ckpt_path: last, best, or the path of a checkpoint.")
        if config.init_from is not None and (command != "fit" or config.ckpt_path is not None):
            raise ValueError(
                "--init_from starts a new run of fit from the weights of another; leave out --ckpt_path, which resumes "
                "a run."
            )

    def _find_checkpoint(self, config: Namespace, root: Path, model: type) -> None:
        """Replace "last" or "best" by that checkpoint of the newest run; without one, ``fit`` begins a new run."""
        which, resumes = config.ckpt_path, self.config.subcommand == "fit"
        found = find_checkpoint(root, config.run_name, which, model)
        run = root / config.run_name if config.run_name else None
        if found is not None:
            config.ckpt_path = str(found)
            self._resumed_run = found.parents[1] if resumes else None
            return
        others = checkpoints_in(run) if run else []
        instead = f", only {', '.join(others)}" if others else ""
        if not resumes or which == "best" or others:
            raise FileNotFoundError(
                f"There is no '{which}' checkpoint of {model.__name__} in {run or root}{instead}. "
                "Give --run_name, or the path of a checkpoint as --ckpt_path."
            )
        rank_zero_only(print)(f"There is no {run or f'run of {model.__name__} in {root}'} yet: a new one begins.")
        config.ckpt_path = None
        self._resumed_run = run if run and run.is_dir() else None  # it may have ended before it saved anything

    def before_instantiate_classes(self) -> None:
        """Choose the run directory and have all output go there."""
        config = self.config[self.subcommand]
        self._take_run_directory(config)
        if config.trainer.strategy == "auto" and _processes(config.trainer) > 1:
            config.trainer.strategy = "gan_ddp"
        loggers = config.trainer.logger if isinstance(config.trainer.logger, list) else [config.trainer.logger]
        for logger in loggers:
            if isinstance(logger, Namespace):
                adapt_logger(logger, self.run_directory)
        if config.trainer.enable_progress_bar is False:  # Lightning refuses this with a custom bar
            config.trainer.enable_progress_bar, config.progress.refresh_rate = True, 0
        cache = str(Path(config.trainer.default_root_dir) / "cache")
        for callback in (config.evaluation, config.report):
            callback.cache_dir = callback.cache_dir or cache

    def _take_run_directory(self, config: Namespace) -> None:
        """Take the directory of a resumed run, or make one for a new run."""
        root = Path(config.trainer.default_root_dir)
        name: str | None = config.run_name
        gan = str(config.model.class_path).rpartition(".")[2].lower()
        if self.subcommand != "fit":
            name = new_name(name or gan, str(self.subcommand))
        if config.trainer.fast_dev_run:
            self.run_directory = root / (name or gan)  # nothing is written
            return
        self.run_directory = self._resumed_run or take(
            root, name or new_name(gan), or_another=self.subcommand != "fit" or name is None
        )
        self._surroundings.enter_context(held(self.run_directory))

    def instantiate_classes(self) -> None:
        """Build data, GAN and trainer; errors of the data are raised as they are."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise self._data_error or error from None

    def before_fit(self) -> None:
        """Start from the weights of another run, if --init_from names it."""
        path = self._get(self.config, "init_from")
        if path is not None:
            rank_zero_only(print)(start_from(self.model, path))

    def _run_subcommand(self, subcommand: str) -> None:
        """Run a command; if it is interrupted, say how to resume."""
        try:
            super()._run_subcommand(subcommand)
        except (SystemExit, KeyboardInterrupt):
            last = self.run_directory / "checkpoints" / "last.ckpt"
            if subcommand == "fit" and last.exists():
                root = self._get(self.config, "trainer").default_root_dir
                rank_zero_only(print)(
                    f"The run is in {self.run_directory}. Resume it with: gan-lightning fit --config "
                    f"{quote(f'{self.run_directory}/config.yaml')} --trainer.default_root_dir {quote(root)} --run_name "
                    f"{quote(self.run_directory.name)} --ckpt_path last"
                )
            raise

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer, whose root is the run directory; the configuration records what the data decided."""
        init_args = self.config[self.subcommand].model.init_args
        for name in (name for name in LINKED if name in init_args):
            decided = self.model.hparams[name]
            check_decision(name, init_args[name], arguments_of(type(self.model))[name].default, decided)
            init_args[name] = decided
        return super().instantiate_trainer(default_root_dir=str(self.run_directory), **kwargs)

    @rank_zero_only
    def after_fit(self) -> None:
        """Say where everything is, how good it is, and what looks wrong."""
        run = self.run_directory
        places = {
            "run directory": run,
            "last checkpoint": run / "checkpoints" / "last.ckpt",
            "sample grids": run / "samples",
            "metrics": run / "metrics.csv",
            "report": run / "report.html",
        }
        doctor: Doctor = self._get(self.config_init, "doctor")
        report = self.evaluation.report or f"not evaluated: {NOT_EVALUATED}"
        lines = [
            f"\nTrained for {self.trainer.global_step} updates of G on {int(self.model.images_seen)} real images"
            f"{self._end()}.",
            *(f"  {name:<16} {path}" for name, path in places.items() if path.exists()),
            f"  {'best checkpoint':<16} {self._best_checkpoint()}",
            f"  {report}",
            *(f"  Note: {line}" for line in doctor.findings.values()),
        ]
        print("\n".join(lines))

    def _end(self) -> str:
        """Which limit ended the training, if one did."""
        reached = {"max_steps": self.trainer.global_step, "max_epochs": self.trainer.current_epoch}
        limits = [
            f"--trainer.{name} {value}" for name, value in reached.items() if getattr(self.trainer, name) == value
        ]
        return f", until {limits[0]}" if limits else ""

    @rank_zero_only
    def after_test(self) -> None:
        """Print the score with its protocol."""
        print(self.evaluation.report or f"not evaluated: {NOT_EVALUATED}")

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
    """How many processes Lightning starts, given these options, the machine and its scheduler."""
    options: dict[str, Any] = {name: trainer[name] for name in ("accelerator", "devices", "num_nodes")}
    return Trainer(**options, logger=False, enable_checkpointing=False, enable_progress_bar=False).world_size
