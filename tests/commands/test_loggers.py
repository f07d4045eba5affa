"""Loggers of a run: where they write, under which name, and how they go on."""

import importlib.util
import inspect
import pydoc
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import DummyLogger

from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import BestCheckpoint, LastCheckpoint
from gan_lightning.commands.loggers import RunTensorBoard, adapt_logger
from gan_lightning.engine.axis import log_at_updates
from gan_lightning.engine.metrics_file import MetricsFile
from gan_lightning.panels import PANELS

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]


def configured(kind: type, **given: Any) -> Namespace:
    """What the command line makes of a logger's options: all of them, with their defaults."""
    parameters = [p for p in inspect.signature(kind).parameters.values() if p.kind is not p.VAR_KEYWORD]
    defaults = {p.name: None if p.default is p.empty else p.default for p in parameters}
    return Namespace(class_path=f"{kind.__module__}.{kind.__qualname__}", init_args=Namespace({**defaults, **given}))


def built(logger: Namespace) -> Any:
    kind: Any = pydoc.locate(logger.class_path)
    return kind(**logger.init_args.as_dict())


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Offline, and with no login on the machine."""
    module = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    module.teardown()
    yield module
    module.teardown()


class Own(DummyLogger):
    """A user's, which writes nowhere."""

    def __init__(self, url: str = "") -> None:
        super().__init__()
        self.url = url


@pytest.mark.parametrize("kind", [MetricsFile, CSVLogger, TensorBoardLogger])
def test_loggers_write_into_the_run_directory(kind: type, tmp_path: Path) -> None:
    logger = configured(kind, save_dir=".")
    adapt_logger(logger, tmp_path / "run")
    assert built(logger).save_dir == str(tmp_path / "run")


def test_a_logger_that_writes_nowhere_is_left_alone(tmp_path: Path) -> None:
    logger = Namespace(class_path=f"{__name__}.Own", init_args=Namespace(url="x"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pydoc, "locate", lambda _: Own)
        adapt_logger(logger, tmp_path)
    assert logger.init_args.as_dict() == {"url": "x"}


@pytest.mark.parametrize(
    ("directory", "given", "name", "number"),
    [
        ("dcgan-20261122-120000", {}, "dcgan-20261122-120000", "dcgan-20261122-120000"),
        ("a:b;c,d#e?f'g", {}, "a:b;c,d#e?f'g", "a-b-c-d-e-f-g"),
        (" a b\\c%d ", {}, " a b\\c%d ", "-a-b-c-d-"),
        ("x" * 200, {}, "x" * 200, "x" * 128),
        ("run", {"name": "mine", "id": "abc"}, "mine", "abc"),
        ("run", {"version": "abc"}, "run", "abc"),
    ],
)
def test_wandb_names_a_run_after_its_directory(
    wandb: Any, tmp_path: Path, directory: str, given: dict[str, str], name: str, number: str
) -> None:
    logger = configured(WandbLogger, **given)
    adapt_logger(logger, tmp_path / directory)
    made = built(logger)
    assert (made._wandb_init["name"], made._wandb_init["id"], made._wandb_init["resume"]) == (name, number, "allow")
    assert made._wandb_init["dir"] == str(tmp_path / directory)
    wandb.Settings(run_id=number)


def test_wandb_takes_up_the_run_of_the_directory(wandb: Any, tmp_path: Path) -> None:
    for _ in range(2):
        logger = configured(WandbLogger, project="p")
        adapt_logger(logger, tmp_path / "a:1")
        run = built(logger).experiment
        assert (run.id, run.name) == ("a-1", "a:1")
        run.finish()
    assert len(list((tmp_path / "a:1" / "wandb").glob("offline-run-*-a-1"))) >= 1


def test_wandb_gets_no_secrets_of_the_command_line(wandb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gan-lightning", "fit", "--data.api_token=s3cret", "--data.width=77"])
    logger = configured(WandbLogger, project="p")
    adapt_logger(logger, tmp_path / "run")
    assert logger.init_args.settings == {"x_disable_meta": True}
    built(logger).experiment.finish()
    wandb.teardown()  # all is written then
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))
    assert b"s3cret" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("log_model", [True, "all"])
def test_wandb_keeps_the_best_and_the_last_checkpoint_by_name(
    wandb: Any, tmp_path: Path, trainer: BuildTrainer, tiny_gan: Build, tiny_data: Any, log_model: Any
) -> None:
    logger = configured(WandbLogger, project="p", log_model=log_model)
    adapt_logger(logger, tmp_path / "r")
    run = built(logger)
    sent: list[tuple[str, list[str]]] = []
    run.experiment.log_artifact = lambda artifact, aliases: sent.append((artifact.name, aliases))
    checkpoints = [LastCheckpoint(every_n_steps=1), BestCheckpoint("train/g_loss")]
    fit = trainer(max_steps=4, logger=run, enable_checkpointing=True, callbacks=checkpoints, log_every_n_steps=1)
    fit.fit(tiny_gan("DCGAN"), tiny_data)
    run.experiment.finish()
    assert {name for name, _ in sent} == {"model-r"}
    aliases = [names[0] for _, names in sent]
    if log_model is True:
        assert aliases == ["best", "latest"]
    else:  # each as it is saved
        assert set(aliases) == {"best", "latest"}
        assert aliases.count("latest") == 4


def test_the_report_of_a_project_has_the_panels_of_runs() -> None:
    pytest.importorskip("wandb_workspaces")
    module = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "wandb_report.py"))
    report = module["build"]("me", "p")
    drawn = [tuple(plot.y) for plot in report.blocks[3].panels]
    assert drawn == [*(panel.keys for panel in PANELS), ("train/images_per_second",)]
    assert report.blocks[1].panels[0].media_keys == ["samples"]


@pytest.mark.parametrize("mode", ["online", None])
def test_wandb_without_a_login_is_one_message(
    wandb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str | None
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    logger = configured(WandbLogger)
    if mode:
        logger.dict_kwargs = {"mode": mode}
    with pytest.raises(ValueError, match=r"no usable login on this machine.*wandb login.*WANDB_MODE=offline"):
        adapt_logger(logger, tmp_path)
    assert not (tmp_path / "wandb").exists()


@pytest.mark.parametrize("way", ["offline", "mode", "environment", "disabled", "another process", "a terminal"])
def test_wandb_needs_no_login_where_it_sends_nothing_or_can_ask(
    wandb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    logger = configured(WandbLogger, offline=way == "offline")
    if way in {"environment", "disabled"}:
        monkeypatch.setenv("WANDB_MODE", {"environment": "offline"}.get(way, way))
    else:
        monkeypatch.delenv("WANDB_MODE")
    if way == "mode":
        logger.dict_kwargs = {"mode": "offline"}
    if way == "another process":
        monkeypatch.setattr("gan_lightning.commands.loggers.rank_zero_only.rank", 1)
    if way == "a terminal":
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    adapt_logger(logger, tmp_path)


@pytest.mark.parametrize(("kind", "package"), [(WandbLogger, "wandb"), (TensorBoardLogger, "tensorboard")])
def test_a_package_that_is_missing_is_named(
    kind: type, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan_lightning.commands.loggers.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=f"needs {package}: pip install {package}"):
        adapt_logger(configured(kind, save_dir="."), tmp_path)


needs_tensorboard = pytest.mark.skipif(not importlib.util.find_spec("tensorboard"), reason="tensorboard is missing")


def tensorboard(folder: Path, **given: Any) -> Any:
    logger = configured(TensorBoardLogger, save_dir=".", **given)
    adapt_logger(logger, folder)
    return built(logger)


def events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


@needs_tensorboard
def test_tensorboard_writes_beside_metrics_csv_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    assert tensorboard(tmp_path).log_dir == f"{tmp_path}/"
    assert tensorboard(tmp_path, name="a", version="b").log_dir == f"{tmp_path}/a/b"
    assert tensorboard(tmp_path, version="b").log_dir == f"{tmp_path}/lightning_logs/b"


@needs_tensorboard
def test_tensorboard_shows_the_configuration_and_no_made_up_figure(tmp_path: Path) -> None:
    logger = tensorboard(tmp_path)
    assert type(logger) is RunTensorBoard
    logger.log_hyperparams({"model": {"width": 4, "betas": [0.5, 0.9]}, "name": None})
    logger.log_metrics({"loss": 1.0}, 3)
    logger.finalize("success")
    found = events(tmp_path)
    assert found.Tags()["scalars"] == ["loss"]
    shown = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"model/width" in shown
    assert b"model/betas" in shown


@needs_tensorboard
def test_tensorboard_forgets_what_a_resumed_run_logs_again(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    class Axis(Callback):
        def setup(self, trainer: Trainer, *_: Any, **__: Any) -> None:
            log_at_updates(trainer)

    def run(steps: int, ckpt_path: Path | None = None) -> None:
        callbacks = [Axis(), LastCheckpoint(every_n_steps=4)]
        options = {"logger": tensorboard(tmp_path / "run"), "callbacks": callbacks, "log_every_n_steps": 1}
        fit = trainer(max_steps=steps, enable_checkpointing=True, **options)
        fit.fit(tiny_gan("GAN"), tiny_data, ckpt_path=ckpt_path)

    run(4)
    last = tmp_path / "checkpoints" / "last.ckpt"
    saved = last.read_bytes()
    run(7, last)
    last.write_bytes(saved)  # it had been killed
    run(9, last)
    assert [event.step for event in events(tmp_path / "run").Scalars("train/d_loss")] == list(range(1, 10))
