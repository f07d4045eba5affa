"""The page of a run is there while it trains and after it, however it ends; it costs the run nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from gan_lightning.callbacks import Report, SampleGrid
from gan_lightning.callbacks import report as module
from gan_lightning.callbacks.doctor import DivergedError
from gan_lightning.callbacks.graceful_stop import Stopped
from gan_lightning.callbacks.report import command


class Ends(Callback):
    """Raises in the middle of a training."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        if trainer.global_step == 2:
            raise self.error


@pytest.fixture
def fit(trainer: Any, tiny_gan: Any, tiny_data: Any) -> Callable[..., Path]:
    """Trains a GAN for three updates, and returns the run directory."""

    def train(*callbacks: Callback, expects: type[BaseException] | None = None, **options: Any) -> Path:
        own = trainer(max_steps=3, callbacks=[*callbacks], **options)
        if expects is None:
            own.fit(tiny_gan("DCGAN"), tiny_data)
        else:
            with pytest.raises(expects):
                own.fit(tiny_gan("DCGAN"), tiny_data)
        return Path(own.default_root_dir)

    return train


def sessions(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "sessions.jsonl").read_text().splitlines()]


def test_a_training_leaves_its_page_and_what_it_takes_to_do_it_again(fit: Any) -> None:
    run = fit(SampleGrid(num_images=4), Report())
    assert "It has ended after 3 of" not in (run / "report.html").read_text()  # nobody knows of max_steps here
    assert "It has ended after 3 updates of G." in (run / "report.html").read_text()
    assert "Real images" in (run / "report.html").read_text()
    began, ended = sessions(run)
    assert began["from_step"] == 0
    assert began["environment"]["torch"] == torch.__version__.partition("+")[0]
    assert ended == {"ended": ended["ended"], "step": 3, "how": "finished"}


def test_the_page_is_written_while_training_goes_on(fit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[bool] = []
    read = module.read_run
    monkeypatch.setattr(module, "read_run", lambda path, is_training: states.append(is_training) or read(path))
    monkeypatch.setattr(module, "SHARE", 1e9)
    fit(Report(every_seconds=1e-9))
    assert states == [True, True, True, False]


def test_pages_that_take_long_are_few(fit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[bool] = []
    read = module.read_run
    monkeypatch.setattr(module, "read_run", lambda path, is_training: states.append(is_training) or read(path))
    monkeypatch.setattr(module, "SHARE", 1e-9)
    fit(Report(every_seconds=1e-9))
    assert states == [True, False]


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (Stopped(130), {"how": "interrupted"}),
        (KeyboardInterrupt(), {"how": "interrupted"}),
        (OSError("No space."), {"how": "failed", "error": "OSError", "message": "No space."}),
        (DivergedError("Weights."), {"how": "failed", "error": "DivergedError", "message": "Weights."}),
    ],
)
def test_how_a_run_ended_is_kept(fit: Any, error: BaseException, how: dict[str, str]) -> None:
    expects = SystemExit if isinstance(error, KeyboardInterrupt) else type(error)
    run = fit(Report(), Ends(error), expects=expects)
    ended = sessions(run)[-1]
    assert {key: ended[key] for key in how} == how
    assert ended["step"] == 2
    word = "Diverged" if "error" in how and how["error"] == "DivergedError" else "Not judged yet"
    assert f'<p class="word">{word}</p>' in (run / "report.html").read_text()


def test_one_that_cannot_begin_leaves_everything_as_it_was(fit: Any) -> None:
    class Refuses(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            raise ValueError("no")

    run = fit(Report(), Refuses(), expects=ValueError)
    assert not (run / "report.html").exists()
    assert not (run / "sessions.jsonl").exists()


def test_nothing_is_written_in_a_trial_or_if_nobody_wants_a_page(fit: Any) -> None:
    run = fit(Report(), SampleGrid(), fast_dev_run=1)
    assert not list(run.rglob("*"))
    run = fit(Report(every_seconds=0))
    assert not (run / "report.html").exists()
    assert len(sessions(run)) == 2


@pytest.mark.parametrize("name", ["report.html", "sessions.jsonl"])
def test_what_cannot_be_written_costs_one_warning(fit: Any, tmp_path: Path, name: str) -> None:
    class Blocks(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            (Path(trainer.default_root_dir) / name).mkdir(parents=True)

    with pytest.warns(UserWarning, match="The report of the run is not complete") as found:
        fit(Report(every_seconds=1e-9), Blocks())
    assert sum("The report" in str(warning.message) for warning in found) == 1


def test_training_is_the_same_with_a_page(trainer: Any, tiny_gan: Any, tiny_data: Any, identical: Any) -> None:
    def weights(*callbacks: Callback) -> dict[str, torch.Tensor]:
        gan = tiny_gan("DCGAN")
        trainer(max_steps=3, callbacks=[*callbacks]).fit(gan, tiny_data)
        return {name: value.clone() for name, value in gan.state_dict().items()}

    assert identical(weights(), weights(Report(every_seconds=1e-9), SampleGrid(num_images=4)))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/bin/gan-lightning", "fit", "--config", "a b"], "gan-lightning fit --config 'a b'"),
        (["/x/gan_lightning/__main__.py", "fit"], "gan-lightning fit"),
        (["own.py"], "python own.py"),
        ([], "python"),
        (["own.py", "--api_key=s3cret", "--seed=1"], "python own.py --api_key=*** --seed=1"),
        (["own.py", "--logger.init_args.password", "s3cret", "x"], "python own.py --logger.init_args.password *** x"),
        (["own.py", "--api_key", "two words"], "python own.py --api_key ***"),
        (["own.py", "--api_key=two words", "--x"], "python own.py --api_key=*** --x"),
        (["own.py", "--run_name", "monkey", "--seed", "1"], "python own.py --run_name monkey --seed 1"),
    ],
)
def test_the_command_is_as_one_would_type_it_without_secrets(words: list[str], told: str) -> None:
    assert command(words) == told


def test_a_negative_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 0, got -1"):
        Report(every_seconds=-1)
