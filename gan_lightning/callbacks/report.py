"""Report."""

import json
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from gan_lightning.images import write_bytes
from gan_lightning.report import read_run, render
from gan_lightning.report.run import SESSIONS
from gan_lightning.secrets import MASK, masked_words
from gan_lightning.version import __version__

FILE = "report.html"
SHARE = 0.01
"""Of the time that passes, at most, goes into reports while a run trains."""
PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics")


class Report(Callback):
    """Keeps ``report.html`` in the run directory: how the run goes, in words, with its samples and curves.

    It is written anew while the run trains, and when it ends, in whatever way. ``sessions.jsonl`` keeps when trainings
    began and ended, with their command and environment. docs/report.md says what the page shows.

    Args:
        every_seconds: From one page to the next, at least; 0 for no page. Where a page takes long to write, they are
            fewer: while a run trains, no more than a hundredth of its time goes into them.
        cache_dir: Where the library that draws is kept; by default ``cache`` in the trainer's default_root_dir.

    Raises:
        ValueError: If it is negative.
    """

    def __init__(self, every_seconds: float = 30.0, cache_dir: str | None = None) -> None:
        if not every_seconds >= 0:
            raise ValueError(f"Report takes every_seconds of at least 0, got {every_seconds}.")
        self.every_seconds = every_seconds
        self.cache_dir = cache_dir
        self._is_open = False
        self._next = 0.0
        self._has_warned = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier training."""
        self._is_open = self._has_warned = False
        self._next = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say that a training began, after its first step: one that cannot begin leaves everything as it was."""
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        if not self._is_open:
            self._is_open = True
            began = {"began": _now(), "from_step": trainer.global_step - 1, "command": command(sys.argv)}
            self._append(trainer, {**began, "environment": _environment(trainer)})
        if time.monotonic() >= self._next:
            self._write(trainer, is_training=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the last page of a training that ended by itself."""
        self._close(trainer, {"how": "finished"})

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the last page of one that did not."""
        if isinstance(exception, SystemExit | KeyboardInterrupt):
            self._close(trainer, {"how": "interrupted"})
        else:
            self._close(trainer, {"how": "failed", "error": type(exception).__name__, "message": str(exception)})

    def _close(self, trainer: Trainer, end: dict[str, str]) -> None:
        if self._is_open:
            self._is_open = False
            self._append(trainer, {"ended": _now(), "step": trainer.global_step, **end})
            self._write(trainer, is_training=False)

    def _append(self, trainer: Trainer, line: dict[str, Any]) -> None:
        try:
            with (Path(trainer.default_root_dir) / SESSIONS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            self._warn(error)

    def _write(self, trainer: Trainer, is_training: bool) -> None:
        if not self.every_seconds:
            return
        started = time.monotonic()
        run = Path(trainer.default_root_dir)
        try:
            cache = Path(self.cache_dir) if self.cache_dir else run / "cache"
            write_bytes(render([read_run(run, is_training)], _now(), cache).encode(), run / FILE)
        except OSError as error:
            self._warn(error)
        ended = time.monotonic()
        self._next = ended + max(self.every_seconds, (ended - started) / SHARE)

    def _warn(self, error: OSError) -> None:
        if not self._has_warned:
            self._has_warned = True
            rank_zero_warn(f"The report of the run is not complete: {error}.")


def command(words: Sequence[str]) -> str:
    """A command line as one would type it, without what is secret.

    Args:
        words: As in ``sys.argv``.
    """
    name = Path(words[0]).name if words else ""
    first = "gan-lightning" if name in {"__main__.py", "gan-lightning"} else f"python {name}"
    return " ".join(
        [first, *(word if word.endswith(MASK) else shlex.quote(word) for word in masked_words(words)[1:])]
    ).strip()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _environment(trainer: Trainer) -> dict[str, str]:
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}, {platform.machine()}"
    return {
        "gan-lightning": __version__,
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "device": name,
        "processes": str(trainer.world_size),
        "threads": str(torch.get_num_threads()),
        "precision": str(trainer.precision),
        "system": platform.system(),
    }
