"""Modules that can be rebuilt from their checkpoints."""

import inspect
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn

from gan_lightning.arguments import arguments_of
from gan_lightning.engine.axis import log_at_updates
from gan_lightning.engine.checkpoints import AtomicCheckpointIO, read_checkpoint
from gan_lightning.engine.formats import FORMAT, update_format
from gan_lightning.engine.resuming import check_state, resume_options, resume_order, some, take_state
from gan_lightning.engine.seeds import RunSeed
from gan_lightning.parts import Part, is_named, name_of, plain

Module = TypeVar("Module", bound=nn.Module)
COUNTER = "images_seen"
"""The tensor that a new run does not take over."""


class CheckpointedModule(LightningModule):
    """A module whose checkpoints name its class and hold the arguments of its outermost constructor.

    The arguments are recorded in ``__new__``, because the command line's own record lacks those that it links to the
    data. Networks that are not parts are left out, and must be passed again when the checkpoint is loaded.

    Attributes:
        adjustable: Arguments that a resumed run may change, because they change neither the networks nor the order of
            the images. A subclass adds its own.
    """

    adjustable: ClassVar[frozenset[str]] = frozenset()
    _arguments: dict[str, Any]
    _loaded_updates = 0

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Record the arguments."""
        self = super().__new__(cls)
        given = {**dict(zip(arguments_of(cls), args, strict=False)), **kwargs}
        object.__setattr__(self, "_arguments", given)
        return self

    def __init__(self) -> None:
        super().__init__()
        recorded = {
            name: plain(value, f"{type(self).__name__}: {name}")
            for name, value in self._arguments.items()
            if isinstance(value, Part) or not isinstance(value, nn.Module)
        }
        self.save_hyperparameters(recorded, logger=False)
        self._seed = RunSeed()

    @property
    def updates(self) -> int:
        """Updates of G that the weights have had: in this run, or up to the checkpoint that they are from."""
        return self._loaded_updates if self._trainer is None else max(self._trainer.global_step, self._loaded_updates)

    @property
    def _order(self) -> dict[str, Any] | None:
        return getattr(getattr(self._trainer, "datamodule", None), "order", None)

    def setup(self, stage: str) -> None:
        """Log at updates, have checkpoints written whole, and for training count from 0 and choose a seed."""
        log_at_updates(self.trainer)
        if type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            self.trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        if stage == "fit":
            self._loaded_updates = 0
            self._seed.choose(self.trainer)

    def teardown(self, stage: str) -> None:
        """Forget a seed that nobody chose: the next run has another."""
        self._seed.forget()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Record the class, the seed and the data."""
        checkpoint["gan"] = name_of(type(self))
        checkpoint["gan_format"] = FORMAT
        checkpoint.setdefault("hyper_parameters", {})
        checkpoint["seed"] = self._seed.value
        checkpoint["order"] = self._order

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Bring a checkpoint of an earlier version up to date, and refuse one that this module cannot go on with.

        Raises:
            ValueError: If it is of another class, its tensors do not fit, or a resumed training would change its
                networks or the order of its images.
        """
        self._check_class(checkpoint)
        update_format(checkpoint)
        self._loaded_updates = checkpoint["global_step"]
        if self._trainer is not None and self._trainer.state.fn == TrainerFn.FITTING:
            self._seed.resume(checkpoint.get("seed"))
            resume_options(type(self), checkpoint, self.hparams, self.adjustable)
            resume_order(checkpoint.get("order"), self._order)
        if self.strict_loading:
            check_state(checkpoint["state_dict"], self.state_dict())

    @classmethod
    def _check_class(cls, checkpoint: dict[str, Any]) -> None:
        if not is_named(cls, checkpoint.get("gan", "")):
            raise ValueError(
                f"This is a checkpoint of {checkpoint.get('gan', 'something else')}, not of {cls.__name__}: "
                "use that class, or gan_lightning.load, which finds it."
            )

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | Path,
        map_location: torch.device | str | None = None,
        hparams_file: None = None,
        strict: bool = True,
        weights_only: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Build the GAN that a checkpoint holds, in evaluation mode.

        Args:
            checkpoint_path: A file that this class saved.
            map_location: Where to put it; by default on the CPU.
            hparams_file: Must be None: the checkpoint has the arguments.
            strict: Whether every tensor must be there and fit; otherwise those that fit are taken.
            weights_only: Must be True: no code is loaded.
            kwargs: Override arguments of the constructor.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, unsafe, or of another class, or its tensors do not fit.
            TypeError: If it lacks networks that are not parts: pass them by keyword.
        """
        if hparams_file is not None or not weights_only:
            raise ValueError(
                "A checkpoint holds its own arguments and no code: leave out hparams_file and weights_only, and pass "
                "changed arguments by keyword."
            )
        checkpoint = read_checkpoint(checkpoint_path)
        cls._check_class(checkpoint)
        arguments = checkpoint["hyper_parameters"].keys() | kwargs
        own = inspect.signature(cls).parameters.values()
        needed = [p.name for p in own if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        if missing := [name for name in needed if name not in arguments]:
            raise TypeError(
                f"'{checkpoint_path}' does not hold {' and '.join(missing)} of {cls.__name__}: networks that are not "
                f"parts (gan_lightning.parts) are not saved. Pass them: {cls.__name__}.load_from_checkpoint(path, "
                f"{missing[0]}=...)."
            )
        gan = rebuilt_as_saved(cls, checkpoint["hyper_parameters"], checkpoint_path, **kwargs)
        if strict:
            check_state(checkpoint["state_dict"], gan.state_dict())
        take_state(gan, checkpoint["state_dict"])
        gan._loaded_updates = checkpoint["global_step"]
        return gan.to(map_location).eval()


def rebuilt_as_saved(kind: type[Module], saved: dict[str, Any], path: str | Path, **given: Any) -> Module:
    """Build a class with the arguments that a file holds, and others in place of some.

    Raises:
        ValueError: If it lacks an argument that was saved.
    """
    try:
        return kind(**{**saved, **given})
    except TypeError as error:
        if not any(f"unexpected keyword argument '{name}'" in str(error) for name in saved.keys() - given):
            raise
        raise ValueError(
            f"'{path}' was saved by another version of gan_lightning or of {kind.__name__}: {error}. Take that version."
        ) from error


def start_from(module: nn.Module, path: str) -> str:
    """Take the weights of another run's checkpoint, as far as they fit, for a new run; returns a report.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If it cannot be used, or nothing fits.
    """
    checkpoint = read_checkpoint(path)
    state = {name: value for name, value in checkpoint["state_dict"].items() if name != COUNTER}
    differences = [words for words in take_state(module, state) if COUNTER not in words]
    fitting = len(state) - sum("is missing" not in words for words in differences)
    if not fitting:
        raise ValueError(f"Nothing in '{path}', a checkpoint of {checkpoint['gan']}, fits {type(module).__name__}.")
    report = f"Started from {path}: {fitting} of {len(state)} tensors of {checkpoint['gan']} fit."
    return f"{report} Those that do not: {some(differences)}." if differences else report
