"""What each callback shows or writes, and that it leaves training alone."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from torch import Tensor
from torch.nn import Module

from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import (
    BestCheckpoint,
    EarlyStop,
    Evaluation,
    LastCheckpoint,
    PredictionWriter,
    Progress,
    SampleGrid,
    Throughput,
)
from gan_lightning.callbacks.graceful_stop import Stopped
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
    callbacks = [SampleGrid(num_images=5, every_n_epochs=2, min_steps=0)]
    trainer(max_steps=28, callbacks=callbacks).fit(gan, tiny_data)
    names = [path.name for path in sorted((tmp_path / "samples").iterdir())]
    # An epoch has 8 steps.
    assert names == ["step-0000016.png", "step-0000028.png"]
    assert torch.equal(*latents)
    assert Image.open(tmp_path / "samples" / names[0]).size == (3 * 10 - 2, 2 * 10 - 2)
    assert Image.open(tmp_path / "real.png").size == (3 * 10 - 2, 2 * 10 - 2)


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


@pytest.mark.parametrize("stop", [None, 8, 21, 24])
def test_short_epochs_have_no_grid_of_their_own(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, stop: int | None
) -> None:
    def fit(steps: int, ckpt_path: Path | None) -> None:
        callbacks = [SampleGrid(num_images=1, min_steps=10), LastCheckpoint()]
        options = {"max_steps": steps, "callbacks": callbacks, "enable_checkpointing": True, "limit_val_batches": 1}
        trainer(**options).fit(tiny_gan("GAN"), tiny_data, ckpt_path=ckpt_path)

    if stop:
        fit(stop, None)
        (tmp_path / "samples" / f"step-{stop:07d}.png").unlink(missing_ok=True)  # the last of a training
    fit(43, tmp_path / "checkpoints" / "last.ckpt" if stop else None)  # 8 steps an epoch
    names = {path.name for path in (tmp_path / "samples").iterdir()}
    last = {"step-0000043.png"}
    assert names - last <= {f"step-{step:07d}.png" for step in (16, 32)}
    assert stop is not None or len(names) == 3
    assert last <= names


def test_a_second_training_has_grids_from_the_start(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    grid = SampleGrid(num_images=1, min_steps=8)
    for folder in ("a", "b"):
        options = {"max_steps": 24, "callbacks": [grid], "default_root_dir": tmp_path / folder}
        trainer(**options).fit(tiny_gan("GAN"), tiny_data)
        assert len(list((tmp_path / folder / "samples").iterdir())) == 3


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_images_that_no_picture_holds_cost_one_warning(
    trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, channels: int
) -> None:
    class Channels(Module):
        num_classes = 0

        def sample(self, n: int, **_: Any) -> Tensor:
            return torch.zeros(n, channels, 3, 5)

    grid = SampleGrid(num_images=4)
    fit: Any = SimpleNamespace(is_global_zero=True, fast_dev_run=0, global_step=60, current_epoch=0, loggers=[])
    fit.default_root_dir = tmp_path
    module: Any = Channels()
    with pytest.warns(UserWarning, match=f"1 or 3 channels, these images have {channels}") as caught:
        grid.on_train_epoch_end(fit, module)
        fit.global_step = 120
        grid.on_train_end(fit, module)
    assert len(caught) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [{"num_images": 0}, {"every_n_epochs": 0}, {"min_steps": -1}])
def test_a_grid_of_nothing_is_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        SampleGrid(**arguments)


def fit_with_scores(
    gan: AdversarialModule, trainer: BuildTrainer, data: Any, scores: list[float], best: BestCheckpoint, **options: Any
) -> Trainer:
    """Two updates for each score."""
    ckpt_path, callbacks = options.pop("ckpt_path", None), options.pop("callbacks", [])

    class Score(Callback):
        def on_validation_epoch_end(self, trainer: Any, module: Any) -> None:
            module.log("val/score", scores[trainer.global_step // 2 - 1])

    defaults = {"limit_val_batches": 1, "enable_checkpointing": True, "check_val_every_n_epoch": None}
    settings = {**defaults, "val_check_interval": 2, "callbacks": [Score(), *callbacks, best], **options}
    fit = trainer(max_steps=2 * len(scores), **settings)
    fit.fit(gan, data, ckpt_path=ckpt_path)
    return fit


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("scores", "mode", "kept"),
    [
        ([NAN, INF, -INF], "min", None),
        ([NAN, INF, -INF], "max", None),
        ([NAN, 3.0, NAN, 2.0, -INF, 4.0], "min", 8),
        ([INF, 3.0, NAN, 2.0, INF, -INF], "max", 4),
    ],
)
def test_a_score_that_is_not_finite_is_never_the_best(
    tiny_gan: Build,
    trainer: BuildTrainer,
    tiny_data: Any,
    tmp_path: Path,
    scores: list[float],
    mode: Any,
    kept: int | None,
) -> None:
    best = BestCheckpoint("val/score", mode)
    fit_with_scores(tiny_gan("GAN"), trainer, tiny_data, scores, best)
    path = tmp_path / "checkpoints" / "best.ckpt"
    assert (read_checkpoint(path)["global_step"] if path.exists() else None) == kept
    assert (best.best_model_score is None) == (kept is None)


@pytest.mark.parametrize("name", ["generator", "discriminator", "ema"])
def test_weights_that_are_not_finite_are_never_the_best(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, name: str
) -> None:
    class Break(Callback):
        def on_validation_start(self, trainer: Any, module: Any) -> None:
            if trainer.global_step > 2:
                next(iter(getattr(module, name).parameters())).data.flatten()[0] = NAN

    best = BestCheckpoint("val/score")
    fit_with_scores(tiny_gan("GAN"), trainer, tiny_data, [3.0, 2.0, 1.0], best, callbacks=[Break()])
    assert read_checkpoint(tmp_path / "checkpoints" / "best.ckpt")["global_step"] == 2
    assert best.best_model_score == 3.0


@pytest.mark.parametrize("moved", [False, True])
def test_a_resumed_run_keeps_the_best_that_it_has(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, moved: bool
) -> None:
    def run(folder: Path, scores: list[float], ckpt_path: Path | None = None) -> BestCheckpoint:
        best = BestCheckpoint("val/score")
        options = {"callbacks": [LastCheckpoint()], "default_root_dir": folder, "ckpt_path": ckpt_path}
        fit_with_scores(tiny_gan("GAN"), trainer, tiny_data, scores, best, **options)
        return best

    folder = tmp_path / "a"
    run(folder, [1.0, 2.0])
    if moved:
        folder = folder.rename(tmp_path / "b")
    best = run(folder, [1.0, 2.0, 1.5], folder / "checkpoints" / "last.ckpt")
    path = folder / "checkpoints" / "best.ckpt"
    assert (best.best_model_score, best.best_model_path) == (1.0, str(path))
    assert read_checkpoint(path)["global_step"] == 2
    run(folder, [1.0, 2.0, 1.5, 0.5], folder / "checkpoints" / "last.ckpt")
    assert read_checkpoint(path)["global_step"] == 8


def test_a_new_run_from_another_s_checkpoint_finds_a_best_of_its_own(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    best = BestCheckpoint("val/score")
    options = {"callbacks": [LastCheckpoint()], "default_root_dir": tmp_path / "a"}
    fit_with_scores(tiny_gan("GAN"), trainer, tiny_data, [1.0], best, **options)
    options = {"default_root_dir": tmp_path / "b", "ckpt_path": tmp_path / "a" / "checkpoints" / "last.ckpt"}
    fit_with_scores(tiny_gan("GAN"), trainer, tiny_data, [1.0, 2.0], BestCheckpoint("val/score"), **options)
    assert read_checkpoint(tmp_path / "b" / "checkpoints" / "best.ckpt")["global_step"] == 4


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


@pytest.mark.parametrize("monitor", [None, "val/score"])
def test_early_stop_follows_the_evaluation_and_has_the_patience_it_is_given(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, mean_features: Any, tmp_path: Path, monitor: str | None
) -> None:
    def run(patience: int, ckpt_path: Path | None = None) -> int:
        stop = EarlyStop(monitor, patience=patience, min_delta=1e9)
        evaluation = Evaluation(mean_features, num_samples=4)
        callbacks = [evaluation, stop, LastCheckpoint()]
        fit = fit_with_scores(
            tiny_gan("GAN"),
            trainer,
            tiny_data,
            [1.0, NAN] * 6,
            BestCheckpoint("val/score"),
            callbacks=callbacks,
            ckpt_path=ckpt_path,
        )
        assert stop.monitor == (monitor or "val/fid_mean")
        return fit.global_step

    assert run(patience=2) == 6
    assert run(patience=5, ckpt_path=tmp_path / "checkpoints" / "last.ckpt") == 12


def test_early_stop_lets_a_run_without_evaluation_go_on(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    with pytest.warns(UserWarning, match="EarlyStop cannot end this training: val/fid_mnist is not logged") as caught:
        fit_with_scores(
            tiny_gan("GAN"),
            trainer,
            tiny_data,
            [1.0, 1.0],
            BestCheckpoint("val/score"),
            callbacks=[Evaluation(num_samples=0), EarlyStop(patience=1)],
        )
    assert sum("EarlyStop" in str(warning.message) for warning in caught) == 1


@pytest.mark.parametrize(
    ("exception", "saves"), [(Stopped(143), True), (SystemExit(130), False), (RuntimeError(), False)]
)
def test_of_several_processes_only_those_that_agreed_save(
    monkeypatch: pytest.MonkeyPatch, exception: BaseException, saves: bool
) -> None:
    saved = []
    monkeypatch.setattr(ModelCheckpoint, "on_exception", lambda *_: saved.append(True))
    progress = SimpleNamespace(current=SimpleNamespace(started=3, processed=3, completed=3))
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress))
    fit: Any = SimpleNamespace(world_size=2, global_step=3, fast_dev_run=0, fit_loop=loop)
    last = LastCheckpoint()
    last._began_at = 0
    last.on_exception(fit, Module(), exception)  # type: ignore[arg-type]
    assert saved == [True] * saves


@pytest.mark.parametrize("hook", ["setup", "on_fit_start", "on_train_start"])
def test_what_fails_before_training_begins_leaves_the_checkpoint_alone(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, hook: str
) -> None:
    class Fail(Callback): ...

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("at once")

    setattr(Fail, hook, fail)
    fit = trainer(max_steps=2, callbacks=[Fail(), LastCheckpoint()], enable_checkpointing=True)
    with pytest.raises(RuntimeError, match="at once"):
        fit.fit(tiny_gan("GAN"), tiny_data)
    assert not (tmp_path / "checkpoints").exists()


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


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1170.3, "1170"),
        (123456.7, "123457"),
        (99.96, "100"),
        (12.34, "12.3"),
        (0.5, "0.5"),
        (-2345.6, "-2346"),
        (0.00123, "0.00123"),
        (3e12, "3e+12"),
        (NAN, "nan"),
        (INF, "inf"),
    ],
)
def test_the_bar_shows_figures_as_people_write_them(value: float, shown: str) -> None:
    keys = ["train/d_loss", "train/images_per_second", "val/fid_mnist"]
    fit: Any = SimpleNamespace(callback_metrics=dict.fromkeys(keys, torch.tensor(value)))
    assert set(Progress().get_metrics(fit, None).values()) == {shown}  # type: ignore[arg-type]


def test_predictions_are_written_one_file_an_image(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    predictions = trainer(callbacks=[PredictionWriter()]).predict(tiny_gan("CGAN"), tiny_data)
    files = sorted((tmp_path / "predictions").iterdir())
    assert [path.name for path in files[:2]] == ["000000.png", "000001.png"]
    assert len(files) == 16
    assert predictions is not None
    assert not torch.equal(predictions[0], predictions[1])


def test_predictions_of_an_earlier_time_are_replaced_and_other_files_kept(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "predictions"
    gan = tiny_gan("GAN")
    fit = trainer(callbacks=[PredictionWriter()])
    fit.predict(gan, tiny_data)
    (folder / "notes.txt").write_text("mine")
    trainer(callbacks=[PredictionWriter()], limit_predict_batches=1).predict(gan, tiny_data)
    assert sorted(path.name for path in folder.iterdir()) == [*(f"{k:06d}.png" for k in range(8)), "notes.txt"]
    fit.predict(gan, tiny_data)
    assert len(list(folder.iterdir())) == 17


def test_predictions_need_a_folder(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path) -> None:
    (tmp_path / "predictions").write_text("a file")
    with pytest.raises(FileExistsError, match="predictions', but that is a file"):
        trainer(callbacks=[PredictionWriter()]).predict(tiny_gan("GAN"), tiny_data)


@pytest.mark.parametrize(
    ("prediction", "kind", "message"),
    [
        (None, TypeError, "got NoneType"),
        ([torch.zeros(1)], TypeError, "got list"),
        (torch.zeros(3, 2, 8, 8), ValueError, r"1 or 3 channels, got images .* of \(3, 2, 8, 8\)"),
        (torch.zeros(3, 8), ValueError, r"\(3, 8\)"),
    ],
)
def test_predictions_that_are_no_pictures_are_refused(
    tiny_gan: Build,
    trainer: BuildTrainer,
    tiny_data: Any,
    monkeypatch: pytest.MonkeyPatch,
    prediction: Any,
    kind: type[Exception],
    message: str,
) -> None:
    gan = tiny_gan("GAN")
    monkeypatch.setattr(gan, "predict_step", lambda *_: prediction)
    with pytest.raises(kind, match=message):
        trainer(callbacks=[PredictionWriter()]).predict(gan, tiny_data)
