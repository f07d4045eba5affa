"""What signals do to a training: each case sends real ones to this very process."""

import os
import pty
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins.environments import SLURMEnvironment
from torch import Tensor

from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import GracefulStop, LastCheckpoint
from gan_lightning.callbacks.graceful_stop import Stopped
from gan_lightning.engine.checkpoints import read_checkpoint

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]


@pytest.fixture(autouse=True)
def _usual_handlers() -> Iterator[None]:
    """What a shell gives a process, and afterwards what was there."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Send(Callback):
    """Sends signals at the start of a step, or on an event."""

    def __init__(self, *numbers: signal.Signals, event: str = "on_train_batch_start", step: int = 3) -> None:
        self.numbers, self.step = numbers, step
        setattr(self, event, self.send)

    def send(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        if trainer.global_step == self.step:
            for number in self.numbers:
                os.kill(os.getpid(), number)


class SaveSlowly(LastCheckpoint):
    """Gets signals while it saves on the way out."""

    def __init__(self, *numbers: signal.Signals) -> None:
        super().__init__()
        self.numbers = numbers

    def on_exception(self, *arguments: Any) -> None:
        for number in self.numbers:
            os.kill(os.getpid(), number)
        super().on_exception(*arguments)


@pytest.fixture
def stopped(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path) -> Callable[..., tuple[int, int]]:
    """Trains for ten steps; returns the exit status, 0 if there is none, and the step that was saved."""

    def run(*callbacks: Callback, **options: Any) -> tuple[int, int]:
        fit = trainer(max_steps=10, callbacks=[GracefulStop(), *callbacks], enable_checkpointing=True, **options)
        status: Any = 0
        try:
            fit.fit(tiny_gan("GAN"), tiny_data)
        except SystemExit as exit_:
            status = exit_.code
        path = tmp_path / "checkpoints" / "last.ckpt"
        return status, read_checkpoint(path)["global_step"] if path.exists() else 0

    return run


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_saves_and_ends_with_128_and_its_number(
    stopped: Callable[..., tuple[int, int]], number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    assert stopped(Send(number), LastCheckpoint()) == (128 + number, 4)
    assert f"Received {number.name}: stopping after this step." in capfd.readouterr().out
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    assert signal.getsignal(number) is usual


@pytest.mark.parametrize("later", [number for number in SIGNALS if number != signal.SIGINT])
def test_later_signals_leave_the_save_and_the_status_alone(
    stopped: Callable[..., tuple[int, int]], later: signal.Signals
) -> None:
    first = signal.SIGTERM
    assert stopped(Send(first, later, later), SaveSlowly(later, first)) == (128 + first, 4)


def test_a_second_ctrl_c_ends_at_once(stopped: Callable[..., tuple[int, int]]) -> None:
    assert stopped(Send(signal.SIGINT, signal.SIGINT)) == (128 + signal.SIGINT, 0)
    assert stopped(Send(signal.SIGTERM), SaveSlowly(signal.SIGINT)) == (128 + signal.SIGINT, 0)


@pytest.mark.parametrize("event", ["on_validation_start", "on_train_epoch_end"])
def test_a_signal_between_steps_is_answered_after_the_next(stopped: Callable[..., tuple[int, int]], event: str) -> None:
    send = Send(signal.SIGUSR2, event=event, step=8)  # an epoch has 8
    assert stopped(send, LastCheckpoint(), limit_val_batches=1) == (128 + signal.SIGUSR2, 9)


@pytest.mark.parametrize("event", ["on_validation_start", "on_train_end"])
def test_a_signal_after_the_last_step_is_answered_when_all_is_saved(
    stopped: Callable[..., tuple[int, int]], event: str
) -> None:
    send = Send(signal.SIGTERM, event=event, step=10)
    assert stopped(send, LastCheckpoint(), limit_val_batches=1, val_check_interval=2) == (128 + signal.SIGTERM, 10)


@pytest.mark.parametrize("number", SIGNALS)
def test_what_the_parent_ignored_stays_ignored(stopped: Callable[..., tuple[int, int]], number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    assert stopped(Send(number), LastCheckpoint()) == (0, 10)
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_whoever_listens_to_a_signal_keeps_it(stopped: Callable[..., tuple[int, int]], number: signal.Signals) -> None:
    heard = []
    signal.signal(number, lambda *_: heard.append(number))
    assert stopped(Send(number), LastCheckpoint()) == (0, 10)
    assert heard == [number]


def test_lightning_requeues_on_slurm(stopped: Callable[..., tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    requeued = []
    kind = "lightning.pytorch.trainer.connectors.signal_connector._SignalConnector"
    monkeypatch.setattr(f"{kind}._slurm_sigusr_handler_fn", lambda self, number, _: requeued.append(number))
    monkeypatch.setattr(SLURMEnvironment, "validate_settings", lambda *_: None)
    for name in ("NTASKS", "JOB_ID"):
        monkeypatch.setenv(f"SLURM_{name}", "1")
    for name in ("PROCID", "LOCALID", "NODEID"):
        monkeypatch.setenv(f"SLURM_{name}", "0")
    slurm = {"plugins": [SLURMEnvironment(auto_requeue=True)]}
    assert stopped(Send(signal.SIGUSR1), **slurm) == (0, 0)
    assert requeued == [signal.SIGUSR1]
    assert stopped(Send(signal.SIGTERM), LastCheckpoint(), **slurm) == (128 + signal.SIGTERM, 4)


def test_a_new_training_does_not_remember_the_signal_of_the_last(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    stop = GracefulStop()
    with pytest.raises(Stopped):
        trainer(max_steps=10, callbacks=[stop, Send(signal.SIGTERM)]).fit(tiny_gan("GAN"), tiny_data)
    again = trainer(max_steps=10, callbacks=[stop])
    again.fit(tiny_gan("GAN"), tiny_data)
    assert again.global_step == 10


def test_training_in_another_thread_is_left_alone(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    fit = trainer(max_steps=2, callbacks=[GracefulStop()])
    thread = threading.Thread(target=lambda: fit.fit(tiny_gan("GAN"), tiny_data))
    thread.start()
    thread.join()
    assert fit.global_step == 2
    assert fit.state.status == "finished"


def test_signals_are_left_as_they_were(stopped: Callable[..., tuple[int, int]]) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    assert stopped()[0] == 0
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize(("device", "calls", "stopped"), [("cpu", 2, 1), ("cuda", 2, 9)])
def test_a_signal_that_arrives_while_processes_agree_is_not_lost(
    device: str, calls: int, stopped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Tensor] = []

    def reduce(tensor: Tensor, reduce_op: str) -> Tensor:  # both processes had sent 0 when the signal comes
        if not asked:
            os.kill(os.getpid(), signal.SIGTERM)
        asked.append(tensor)
        return tensor

    stop = GracefulStop()
    fit: Any = SimpleNamespace(world_size=2, strategy=SimpleNamespace(root_device=device, reduce=reduce))
    module: Any = None
    real = torch.tensor
    monkeypatch.setattr(torch, "tensor", lambda value, device: real(value))  # there may be no such device
    stop.on_train_start(fit, module)
    with pytest.raises(Stopped) as caught:
        for step in range(20):
            stop.on_train_batch_end(fit, module, None, None, step)
    assert (caught.value.code, step, len(asked)) == (128 + signal.SIGTERM, stopped, calls)


def _train_until_a_signal() -> int:
    """The end of a training in a terminal; returns the exit status."""
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
    stop: Any = GracefulStop()
    stop.on_train_start(None, None)
    print("ready", flush=True)
    while not stop._received:
        time.sleep(0.01)
    print("the step goes on", flush=True)
    print("so does the bar", file=sys.stderr, flush=True)
    return 128 + int(stop._received)


def test_a_terminal_that_is_closed_costs_nothing_but_the_words() -> None:
    child, terminal = pty.fork()
    if child == 0:
        status = 1
        try:
            status = _train_until_a_signal()
        finally:
            os._exit(status)
    assert b"ready" in os.read(terminal, 100)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGHUP
