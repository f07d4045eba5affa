"""The doctor: says what looks wrong with a training while it runs, and what to try."""

import dataclasses
import json
import math
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_lightning.batches import read_batch, read_labels
from gan_lightning.callbacks.reach import Reach
from gan_lightning.callbacks.samples_check import SamplesCheck
from gan_lightning.findings import Finding, of_readings

FILE = "findings.jsonl"
"""In the run directory: a finding a line, and a line when it was no longer true."""
FEW = 16
"""Images below which the statistics of batch norm are noise (Wu & He, 2018, arXiv:1803.08494, figure 1)."""

EARLY = 500
"""Updates of G before which samples of a healthy game may be alike, too."""


class DivergedError(ValueError):
    """Weights are not finite."""


class Doctor(Callback):
    """Looks at every step that logs, and at samples of every validation, and says what looks wrong.

    Findings go to the log, to ``findings.jsonl`` in the run directory, to the summary of the command, as alerts to W&B,
    and as texts to TensorBoard; each once, and again after it was gone. A run whose weights are not finite ends.
    Training is not changed: what is looked at is there already, and samples have random numbers of their own.
    docs/doctor.md explains the findings.

    Args:
        num_samples: Drawn at each validation, by which a collapse and copies are seen; 0 for none.
        num_images: Real images of either split that they are compared with, at most.
        window: Steps that logged, in all of which a game must look ill.
        seed: Of the samples.

    Attributes:
        findings: What looks wrong now, by name.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, num_samples: int = 500, num_images: int = 5_000, window: int = 10, seed: int = 0) -> None:
        if min(num_samples, seed) < 0 or min(num_images, window) < 1:
            raise ValueError(
                "Doctor takes num_samples and seed of at least 0, num_images and window of at least 1, got "
                f"{num_samples}, {seed}, {num_images} and {window}."
            )
        self.num_samples = num_samples
        self.num_images = num_images
        self.window = window
        self.seed = seed
        self._begin()

    def _begin(self) -> None:
        self.findings: dict[str, Finding] = {}
        self._kinds: dict[str, set[str]] = {}
        self._history: deque[dict[str, float]] = deque(maxlen=self.window)
        self._samples = SamplesCheck(self.num_images)
        self._reach = Reach()
        self._first_epoch: int | None = None
        self._sizes: dict[str, torch.Tensor] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier training; what it left open in the file is closed."""
        self._begin()
        self._first_epoch = trainer.current_epoch
        for name in sorted(_still_open(Path(trainer.default_root_dir) / FILE)) if trainer.is_global_zero else ():
            _write(trainer, {"name": name, "cleared_at": trainer.global_step})

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave no hooks behind."""
        self._reach.rest()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Take real images of the first batches, and note which layers run in the first steps that log."""
        if self._compares(trainer) and trainer.current_epoch == self._first_epoch:  # later ones repeat it
            self._samples.see_training(read_batch(batch)[0])
        if _logs(trainer, 1) and not self._reach.is_done and not getattr(pl_module, "compiles", False):
            self._reach.watch(pl_module)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Take the size of a player's gradient, in steps that log: here it is complete."""
        if not _logs(trainer, 1):
            return
        name = "discriminator" if optimizer is not trainer.optimizers[0] else "generator"
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        count = sum(gradient.numel() for gradient in gradients)
        size = torch.nn.utils.get_total_norm(gradients) / math.sqrt(max(count, 1))
        self._sizes[f"train/{name[0]}_gradient"] = size
        self._reach.look(name, getattr(pl_module, name))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the sizes of gradients, and look at all that the step has logged.

        Raises:
            DivergedError: If weights are not finite.
        """
        if not self._kinds:
            self._take(trainer, "batch", _of_batch(pl_module, len(read_batch(batch)[0])))
        if not _logs(trainer, 0):
            return
        self._reach.rest()
        pl_module.log_dict(self._sizes)
        self._history.append(_readings(trainer))
        if not all(map(math.isfinite, self._history[-1].values())):
            _check_weights(trainer, pl_module, self._history[-1])
        self._take(trainer, "reach", self._reach.findings())
        if len(self._history) == self.window:
            self._take(trainer, "readings", of_readings(self._history))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say of a short run what can be said, with its last validation."""
        if self._history:
            self._history[-1] = {**self._history[-1], **_readings(trainer)}
        self._take(trainer, "readings", of_readings(self._history))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take real images that G is not trained on."""
        if self._compares(trainer) and not dataloader_idx and not self._samples.has_validation:
            images, labels = read_batch(batch)
            classes = int(pl_module.num_classes)  # type: ignore[arg-type]
            known = read_labels(labels, images, classes) if classes else torch.zeros(len(images), dtype=torch.int64)
            self._samples.see_validation(images, known)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw samples and compare them with real images."""
        self._samples.has_validation = self._compares(trainer)
        if not self._samples.has_validation or trainer.global_step < EARLY:
            return
        classes = int(pl_module.num_classes)  # type: ignore[arg-type]
        asked = torch.arange(self.num_samples) % max(classes, 1)
        images = pl_module.sample(self.num_samples, labels=asked if classes else None, seed=self.seed)  # type: ignore[operator]
        if images.isfinite().all():  # the evaluation says so
            self._take(trainer, "samples", self._samples.findings(images, asked))

    def _compares(self, trainer: Trainer) -> bool:
        is_fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        return is_fitting and trainer.is_global_zero and self.num_samples > 0

    @rank_zero_only
    def _take(self, trainer: Trainer, kind: str, found: Iterable[Finding]) -> None:
        """Tell what is new among the findings of a kind of check, and what is no longer true."""
        now = {finding.name: finding for finding in found}
        known = self._kinds.setdefault(kind, set())
        for name in sorted(known - now.keys()):
            del self.findings[name]
            _write(trainer, {"name": name, "cleared_at": trainer.global_step})
        for name in [name for name in now if name not in known]:
            rank_zero_warn(f"Doctor, step {trainer.global_step}: {now[name]}")
            _write(trainer, {"step": trainer.global_step, **dataclasses.asdict(now[name])})
            for logger in trainer.loggers:
                _alert(logger, now[name], trainer.global_step)
        self.findings |= now
        self._kinds[kind] = set(now)


def _logs(trainer: Trainer, ahead: int) -> bool:
    """Whether the trainer logs at the end of this step, which is counted already or lies ahead."""
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return every > 0 and (trainer.global_step + ahead) % every == 0


def _readings(trainer: Trainer) -> dict[str, float]:
    known = trainer.callback_metrics.items()
    return {name: float(value) for name, value in known if name.startswith(("train/", "val/"))}


def _of_batch(module: LightningModule, images: int) -> list[Finding]:
    """Whether batch norm sees few images at a time."""
    parts = int(getattr(module, "n_critic", 1)) * int(getattr(module, "accumulate", 1))
    normed = any(isinstance(layer, _BatchNorm) for layer in module.modules())
    if not normed or images // parts >= FEW:
        return []
    return [
        Finding(
            "small batches",
            f"Batch norm sees {images // parts} images at a time on each device, too few for its statistics.",
            f"Raise --data.batch_size to {FEW} or more, or take networks without it, such as by --model.norm none.",
        )
    ]


def _check_weights(trainer: Trainer, module: LightningModule, readings: dict[str, float]) -> None:
    """Refuse to go on with weights that are not finite: nothing mends them.

    Raises:
        DivergedError: If there are any.
    """
    named = chain(module.named_parameters(), module.named_buffers())
    broken = [name for name, tensor in named if not tensor.isfinite().all()]
    if not broken:  # as in 16 bits, where a step whose gradient overflows is left out
        return
    told = ", ".join(f"{name} is {value}" for name, value in readings.items() if not math.isfinite(value))
    raise DivergedError(
        f"The game has diverged at step {trainer.global_step}: {told}, and {len(broken)} weights are not finite, first "
        f"{broken[0]}. The checkpoints from before are kept: go back to one (--ckpt_path last) with a lower "
        "--model.lr, clip_norm of the optimizers, or with --trainer.precision 32-true."
    )


def _alert(logger: Logger, finding: Finding, step: int) -> None:
    if isinstance(logger, WandbLogger):
        logger.experiment.alert(title=finding.name, text=str(finding))
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_text(f"doctor/{finding.name}", str(finding), step)


def _still_open(path: Path) -> set[str]:
    """The findings of a file that were not gone at its end; a line that a kill left incomplete is passed over."""
    found: set[str] = set()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        with suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            (found.discard if "cleared_at" in entry else found.add)(entry["name"])
    return found


def _write(trainer: Trainer, line: dict[str, Any]) -> None:
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        return
    try:
        with (Path(trainer.default_root_dir) / FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        rank_zero_warn(f"Findings are not kept in {trainer.default_root_dir}/{FILE}: {error}.")
