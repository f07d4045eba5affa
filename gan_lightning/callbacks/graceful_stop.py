"""GracefulStop."""

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

ASKING = ("SIGINT", "SIGTERM")
"""Signals that ask a run to end, whoever else listens to them."""
ENDING = ("SIGHUP", "SIGUSR1", "SIGUSR2")
"""Signals that would kill a run. Where something else listens, as Lightning does on SLURM, they are left to it."""


class Stopped(SystemExit):
    """All processes end after the same whole step; its code is 128 + the number of the signal that asked for it."""


class GracefulStop(Callback):
    """Ends training after the step in which a signal arrives, so that the last checkpoint is of whole steps.

    The signals are Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2, but for those that the process was started to ignore,
    such as SIGHUP under nohup. A signal to one process ends all of them, after the same step; on accelerators they ask
    each other every few steps, because asking means to wait for the device. They exit as shells expect, with 128 + the
    number of the first signal. While the run is saved, further signals change nothing, but a second Ctrl-C ends a
    process at once.

    Python delivers signals to the main thread: training in another thread is not stopped by them.
    """

    STEPS_ON_ACCELERATORS = 5

    def __init__(self) -> None:
        self._received = 0
        self._steps = 0
        self._ignored: set[int] = set()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """See what the process ignores; after this, Lightning's handler of SIGTERM hides it."""
        self._ignored = {number for number in _numbers(ASKING) if signal.getsignal(number) is signal.SIG_IGN}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Watch for signals, until Lightning restores what was there before the training."""
        self._received = int(signal.SIGTERM) if getattr(trainer, "received_sigterm", False) else 0
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _numbers(ASKING):
            signal.signal(number, signal.SIG_IGN if number in self._ignored else self._remember)
        for number in _numbers(ENDING):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if not self._received:
            self._received = number
            _say(f"\nReceived {signal.Signals(number).name}: stopping after this step.")
        elif number == signal.SIGINT:
            raise SystemExit(128 + number)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Leave; the checkpoint callbacks save on the way out."""
        agreed = self._received
        if trainer.world_size > 1:
            device = torch.device(trainer.strategy.root_device)
            self._steps += 1
            if device.type != "cpu" and self._steps % self.STEPS_ON_ACCELERATORS:
                return
            received = torch.tensor(self._received, device=device)
            agreed = int(trainer.strategy.reduce(received, reduce_op="max"))  # a signal may arrive meanwhile
        if agreed:
            raise Stopped(128 + agreed)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave for a signal that arrived after the last step; everything is saved."""
        if self._received:
            raise Stopped(128 + self._received)


def _numbers(names: tuple[str, ...]) -> list[int]:
    """Those that the system has."""
    return [int(getattr(signal, name)) for name in names if hasattr(signal, name)]


def _say(text: str) -> None:
    """Print from a signal handler, which may have interrupted another print."""
    try:
        os.write(1, f"{text}\n".encode())
    except OSError:  # the terminal is gone, and nothing may fail because it cannot print
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
