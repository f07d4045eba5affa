"""What each callback shows or writes, and that it leaves training alone."""

import csv
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from PIL import Image
from torch import Tensor
from torch.nn import Module

from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import (
    BestCheckpoint,
    Evaluation,
    GracefulStop,
    LastCheckpoint,
    PredictionWriter,
    Progress,
    SampleGrid,
    Throughput,
)
from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.engine.metrics_file import MetricsFile

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]


def test_grids_come_from_the_same_latents_every_n_epochs_and_at_the_end(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    gan = tiny_gan("DCGAN")
    latents = []
    assert isinstance(gan.ema, Module)
    gan.ema.register_forward_pre_hook(lambda _, inputs: latents.append(inputs[0]))
    trainer(max_steps=28, callbacks=[SampleGrid(num_images=5, every_n_epochs=2)]).fit(
        gan, tiny_data
    )  # 8 steps an epoch
    names = [path.name for path in sorted((tmp_path / "samples").iterdir())]
    # An epoch has 8 steps.
    assert names == ["step-0000016.png", "step-0000028.png"]
    assert torch.equal(*latents)
    assert Image.open(tmp_path / "samples" / names[0]).size == (3 * 10 - 2, 2 * 10 - 2)


def test_the_columns_of_a_conditional_grid_are_its_classes(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    gan = tiny_gan("ConditionalDCGAN")
    labels = []
    assert isinstance(gan.ema, Module)
    gan.ema.register_forward_pre_hook(lambda _, inputs: labels.append(inputs[1].tolist()))
    trainer(max_steps=8, callbacks=[SampleGrid(num_images=11)]).fit(gan, tiny_data)
    assert labels == [[0, 1, 2, 3, 0, 1, 2, 3]]
    assert Image.open(tmp_path / "samples" / "step-0000008.png").size == (4 * 10 - 2, 2 * 10 - 2)


@pytest.mark.parametrize("arguments", [{"num_images": 0}, {"every_n_epochs": 0}])
def test_a_grid_of_nothing_is_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SampleGrid(**arguments)


def test_best_keeps_the_lowest_score_and_last_the_last_state(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    scores = iter([3.0, 1.0, 2.0])

    class Score(Callback):
        def on_validation_epoch_end(self, trainer: Any, module: Any) -> None:
            module.log("val/score", next(scores))

    callbacks = [Score(), BestCheckpoint("val/score"), LastCheckpoint()]
    options = {"limit_val_batches": 1, "enable_checkpointing": True, "check_val_every_n_epoch": None}
    trainer(max_steps=7, val_check_interval=2, callbacks=callbacks, **options).fit(tiny_gan("GAN"), tiny_data)
    folder = tmp_path / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert read_checkpoint(folder / "best.ckpt")["global_step"] == 4
    assert read_checkpoint(folder / "last.ckpt")["global_step"] == 7


def test_last_is_written_periodically_and_when_training_fails(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    steps: list[int] = []

    class Fail(Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            if path.exists():
                steps.append(read_checkpoint(path)["global_step"])
            if trainer.global_step == 5:
                raise RuntimeError("out of luck")

    fit = trainer(max_steps=9, callbacks=[Fail(), LastCheckpoint(every_n_steps=2)], enable_checkpointing=True)
    with pytest.raises(RuntimeError, match="out of luck"):
        fit.fit(tiny_gan("GAN"), tiny_data)
    assert steps == [2, 2, 4, 4]
    assert read_checkpoint(path)["global_step"] == 5


def test_a_failure_within_a_step_leaves_the_last_whole_step(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = tiny_gan("GAN")
    fit = trainer(max_steps=9, callbacks=[LastCheckpoint(every_n_steps=2)], enable_checkpointing=True)

    def fail(*_: Any) -> None:  # when D has moved and G has not
        if fit.global_step == 5:
            raise RuntimeError("out of memory")
        return original(*_)

    original = gan.generator_terms
    monkeypatch.setattr(gan, "generator_terms", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        fit.fit(gan, tiny_data)
    checkpoint = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert checkpoint["global_step"] == 4
    assert [state["state"][0]["step"] for state in checkpoint["optimizer_states"]] == [4, 4]


def test_throughput_counts_the_reals_of_all_updates_of_d(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(Callback):
        """Lets a second pass in each step, a minute in each validation."""

        now = 100.0

        def on_train_batch_start(self, *_: Any) -> None:
            self.now += 1

        def on_validation_start(self, *_: Any) -> None:
            self.now += 60

    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    options = {"log_every_n_steps": 2, "logger": MetricsFile(str(tmp_path)), "val_check_interval": 3}
    fit = trainer(max_steps=4, callbacks=[clock, Throughput()], limit_val_batches=1, **options)
    fit.fit(tiny_gan("GAN", n_critic=2), tiny_data)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert [float(row["train/images_seen"]) for row in rows] == [2 * 2 * 8, 4 * 2 * 8]
    assert [float(row["train/images_per_second"]) for row in rows] == [16.0, 16.0]


def test_the_bar_shows_losses_probabilities_speed_and_fid(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, mean_features: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    callbacks = [Progress(refresh_rate=1), Throughput(), Evaluation(mean_features, num_samples=8)]
    options = {"enable_progress_bar": True, "limit_val_batches": 2, "log_every_n_steps": 1, "val_check_interval": 4}
    fit = trainer(max_steps=6, callbacks=callbacks, **options)
    gan = tiny_gan("GAN")
    fit.fit(gan, tiny_data)
    shown = callbacks[0].get_metrics(fit, gan)  # type: ignore[attr-defined]
    assert list(shown) == ["d", "g", "D(x)", "D(G(z))", "images/s", "fid_mean"]
    assert "fid_mean=" in capsys.readouterr().out


def test_signals_are_left_as_they_were(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    trainer(max_steps=1, callbacks=[GracefulStop()]).fit(tiny_gan("GAN"), tiny_data)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_predictions_are_written_one_file_an_image(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    predictions = trainer(callbacks=[PredictionWriter()]).predict(tiny_gan("CGAN"), tiny_data)
    files = sorted((tmp_path / "predictions").iterdir())
    assert [path.name for path in files[:2]] == ["000000.png", "000001.png"]
    assert len(files) == 16
    assert predictions is not None
    assert not torch.equal(predictions[0], predictions[1])


def test_metrics_file_goes_on_where_it_stopped(tmp_path: Path) -> None:
    for step, values in [(0, {"a": 1.0}), (1, {"a": 2.0, "b": 3.0})]:
        logger: Logger = MetricsFile(str(tmp_path))
        logger.log_metrics(values, step)
        logger.finalize("success")
    assert (tmp_path / "metrics.csv").read_text().splitlines() == ["a,b,step", "1.0,,0", "2.0,3.0,1"]


@pytest.mark.parametrize(("device", "calls", "stopped"), [("cpu", 2, 1), ("cuda", 2, 9)])
def test_a_signal_that_arrives_while_processes_agree_is_not_lost(device: str, calls: int, stopped: int) -> None:
    asked: list[Tensor] = []

    def reduce(tensor: Tensor, reduce_op: str) -> Tensor:  # both processes had sent 0 when the signal comes
        if not asked:
            os.kill(os.getpid(), signal.SIGTERM)
        asked.append(tensor)
        return tensor

    stop = GracefulStop()
    fit: Any = SimpleNamespace(world_size=2, strategy=SimpleNamespace(root_device=device, reduce=reduce))
    real = torch.tensor
    stop.on_train_start(fit, Module())
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "tensor", lambda value, device: real(value))  # there may be no such device
            for step in range(20):
                stop.on_train_batch_end(fit, Module(), None, None, step)
    except SystemExit as exit_:
        assert (exit_.code, step, len(asked)) == (128 + signal.SIGTERM, stopped, calls)
    else:
        pytest.fail("the signal was lost")
    finally:
        stop.on_train_end(fit, Module())
