"""metrics.csv through kills and resumes, and the step at which all loggers log."""

import csv
import enum
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger

from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import Evaluation, LastCheckpoint, Throughput
from gan_lightning.engine.axis import log_at_updates
from gan_lightning.engine.metrics_file import MetricsFile

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]
Rows = list[dict[str, str]]


class Axis(Callback):
    def setup(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        log_at_updates(trainer)


def read(folder: Path) -> Rows:
    return list(csv.DictReader((folder / "metrics.csv").open(newline="")))


def write(folder: Path, *rows: tuple[int, dict[str, float]]) -> MetricsFile:
    logger = MetricsFile(str(folder))
    for step, values in rows:
        logger.log_metrics(values, step)
    return logger


def test_a_file_goes_on_where_it_stopped_and_takes_new_columns(tmp_path: Path) -> None:
    write(tmp_path, (1, {"b": 1.0}))
    write(tmp_path, (2, {"b": 2.0}), (3, {"a": 3.0, "b": 4.0}))
    text = (tmp_path / "metrics.csv").read_text()
    assert text.splitlines() == ["a,b,step", ",1.0,1", ",2.0,2", "3.0,4.0,3"]


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_last_row_that_a_kill_left_incomplete_is_dropped(tmp_path: Path, cut: int) -> None:
    write(tmp_path, (1, {"a": 1.0}), (12, {"a": 2.5}))
    path = tmp_path / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-cut])  # from the line feed to the first digit
    write(tmp_path, (13, {"a": 3.0}))
    assert [(row["a"], row["step"]) for row in read(tmp_path)] == [("1.0", "1"), ("3.0", "13")]


@pytest.mark.parametrize("content", [b"", b"a,st", b"\0\0\0"])
def test_a_file_without_a_whole_header_begins_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(content)
    write(tmp_path, (1, {"a": 1.0}))
    assert (tmp_path / "metrics.csv").read_text().splitlines() == ["a,step", "1.0,1"]


def test_rows_beyond_the_step_of_a_resumed_run_are_dropped(tmp_path: Path) -> None:
    write(tmp_path, *((step, {"a": float(step)}) for step in (10, 20, 30, 40)))
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("5.0,5\0\r\n")
    logger = write(tmp_path)
    logger.forget_after(20)
    logger.log_metrics({"a": 3.5}, 30)
    assert [(row["a"], row["step"]) for row in read(tmp_path)] == [("10.0", "10"), ("20.0", "20"), ("3.5", "30")]


def test_what_is_logged_again_at_the_step_of_resuming_replaces_itself_alone(tmp_path: Path) -> None:
    write(tmp_path, (10, {"val": 1.0}), (20, {"train": 2.0, "epoch": 0}), (20, {"val": 3.0, "epoch": 0}))
    logger = write(tmp_path)
    logger.forget_after(20)
    logger.log_metrics({"val": 4.0, "epoch": 0}, 20)
    logger.log_metrics({"val": 5.0, "epoch": 0}, 40)
    rows = [(row["train"], row["val"], row["step"]) for row in read(tmp_path)]
    assert rows == [("", "1.0", "10"), ("2.0", "", "20"), ("", "4.0", "20"), ("", "5.0", "40")]


@pytest.mark.parametrize("change", [lambda f: f.forget_after(1), lambda f: f.log_metrics({"new": 0.0}, 3)])
def test_a_file_that_cannot_be_replaced_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[MetricsFile], None]
) -> None:
    logger = write(tmp_path, (1, {"a": 1.0}), (2, {"a": 2.0}))
    before = (tmp_path / "metrics.csv").read_bytes()

    def fail(self: Path, *_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        change(logger)
    assert (tmp_path / "metrics.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_hyperparameters_are_plain_yaml(tmp_path: Path) -> None:
    color = enum.Enum("color", ["RED"])
    name = type("Name", (str,), {})("x")
    given = {"a": (1, 0.5), "b": {"path": Path("x"), 3: color.RED}, "c": torch.float32, "d": None, "e": name}
    write(tmp_path).log_hyperparams(given)
    text = (tmp_path / "hparams.yaml").read_text()
    assert "!" not in text
    expected = {"a": [1, 0.5], "b": {"path": "x", "3": "RED"}, "c": "torch.float32", "d": None, "e": "x"}
    assert yaml.safe_load(text) == expected


def train(build: Build, trainer: BuildTrainer, data: Any, steps: int, *callbacks: Any, **options: Any) -> Any:
    ckpt = options.pop("ckpt_path", None)
    defaults = {"log_every_n_steps": 2, "val_check_interval": 4, "limit_val_batches": 1, "enable_checkpointing": True}
    fit = trainer(max_steps=steps, callbacks=[Axis(), *callbacks], **{**defaults, **options})
    gan = build("GAN")
    fit.fit(gan, data, ckpt_path=ckpt)
    return fit, gan


def steps_of(rows: Rows, key: str) -> list[int]:
    return [int(row["step"]) for row in rows if row.get(key)]


def test_everything_is_logged_at_the_number_of_updates(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, mean_features: Any, tmp_path: Path
) -> None:
    class AtEpochEnd(Callback):
        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            module.log("train/epoch_end", 1.0)

    loggers = [MetricsFile(str(tmp_path)), CSVLogger(tmp_path / "csv", name="", version="")]
    callbacks = [Throughput(), Evaluation(mean_features, num_samples=4, batch_size=4), AtEpochEnd()]
    fit, gan = train(tiny_gan, trainer, tiny_data, 10, *callbacks, logger=loggers)
    for folder in (tmp_path, tmp_path / "csv"):
        rows = read(folder)
        assert steps_of(rows, "train/d_loss") == steps_of(rows, "train/images_seen") == [2, 4, 6, 8, 10]
        assert steps_of(rows, "val/fid_mean") == [4, 8]
        assert steps_of(rows, "train/epoch_end") == [8, 10]
        assert {row["epoch"] for row in rows if row["step"] == "2"} == {"0"}
        assert all(row["epoch"] for row in rows)
    for metrics in (fit.callback_metrics, fit.progress_bar_metrics):
        assert not {"step", "epoch"} & metrics.keys()
    assert gan.updates == 10


def test_a_loaded_checkpoint_is_judged_at_its_own_updates(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, mean_features: Any, tmp_path: Path
) -> None:
    train(tiny_gan, trainer, tiny_data, 6, LastCheckpoint())
    evaluation = Evaluation(mean_features, num_samples=4, test_num_samples=4, batch_size=4)
    options = {"limit_val_batches": 1, "limit_test_batches": 1, "logger": MetricsFile(str(tmp_path / "judged"))}
    judge = trainer(callbacks=[Axis(), evaluation], **options)
    path = tmp_path / "checkpoints" / "last.ckpt"
    judge.validate(tiny_gan("GAN"), tiny_data, ckpt_path=path, verbose=False)
    judge.test(tiny_gan("GAN"), tiny_data, ckpt_path=path, verbose=False)
    rows = read(tmp_path / "judged")
    assert steps_of(rows, "val/fid_mean") == steps_of(rows, "test/fid_mean") == [6]
    assert evaluation.report is not None
    assert evaluation.report.step == 6


class Kill(Callback):
    """Ends a run without a word, as a power failure would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise KILLED


KILLED = ZeroDivisionError("killed")


class Saved(LastCheckpoint):
    """Says nothing when the run is killed."""

    def on_exception(self, *_: Any) -> None: ...


def without_time(rows: Rows) -> Rows:
    return [{key: value for key, value in row.items() if key != "train/images_per_second"} for row in rows]


@pytest.mark.parametrize(("every", "killed"), [(4, 7), (4, 9), (5, 9), (3, 4), (6, 3)])
def test_a_killed_and_resumed_run_logs_what_one_that_never_stopped_does(
    tiny_gan: Build,
    trainer: BuildTrainer,
    tiny_data: Any,
    mean_features: Any,
    tmp_path: Path,
    every: int,
    killed: int,
) -> None:
    def run(name: str, *others: Any, ckpt_path: Path | None = None) -> Rows:
        evaluation = Evaluation(mean_features, num_samples=4, batch_size=4)
        folder = tmp_path / name
        options = {"logger": MetricsFile(str(folder)), "default_root_dir": folder, "log_every_n_steps": 1}
        train(tiny_gan, trainer, tiny_data, 12, evaluation, *others, ckpt_path=ckpt_path, **options)
        return read(folder)

    expected = run("whole", Saved(every_n_steps=every))
    with pytest.raises(ZeroDivisionError):
        run("cut", Saved(every_n_steps=every), Kill(killed))
    with (tmp_path / "cut" / "metrics.csv").open("a") as file:
        file.write("0.25,0.7")
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    resumed = run("cut", Saved(every_n_steps=every), ckpt_path=last if last.exists() else None)
    assert without_time(resumed) == without_time(expected)
    assert len(expected) == 12 + 3
    assert all(math.isfinite(float(row["step"])) for row in expected)


def test_a_run_that_fails_after_a_step_has_logged_that_step(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    class Fail(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 3:
                raise KILLED

    options = {"logger": MetricsFile(str(tmp_path)), "log_every_n_steps": 1}
    with pytest.raises(ZeroDivisionError):
        train(tiny_gan, trainer, tiny_data, 9, LastCheckpoint(), Fail(), **options)
    train(tiny_gan, trainer, tiny_data, 5, ckpt_path=tmp_path / "checkpoints" / "last.ckpt", **options)
    assert steps_of(read(tmp_path), "train/d_loss") == [1, 2, 3, 4, 5]
