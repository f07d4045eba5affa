"""GracefulStop."""

import signal
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class GracefulStop(Callback):
    """Ends training after the step in which Ctrl-C or SIGTERM arrives, so that the last checkpoint is of whole steps.

    A signal to one process ends all of them, after the same step; on accelerators they ask each other every few steps,
    for to ask is to wait for the device. They exit as shells expect, with 128 + the signal's number. A second Ctrl-C
    ends a process at once.
    """

    STEPS_ON_ACCELERATORS = 5

    def __init__(self) -> None:
        self._received = 0
        self._steps = 0
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Watch for signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = number
        print(f"\nReceived {signal.Signals(number).name}: stopping after this step.", flush=True)

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
            raise SystemExit(128 + agreed)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave signals as they were."""
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave signals as they were."""
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
