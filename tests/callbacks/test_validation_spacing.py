"""Validations of small data sets: how many, at which steps, and that a resumed run has the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer

from gan_lightning.callbacks import LastCheckpoint, ValidationSpacing
from gan_lightning.engine.axis import log_at_updates
from gan_lightning.engine.checkpoints import read_checkpoint

Fit = Callable[..., list[int]]
EPOCH = 3


class Steps(Callback):
    """Notes when there was a validation, and what was saved when an epoch ended; may stop early."""

    def __init__(self, stop_at: int = -1) -> None:
        self.validated: list[int] = []
        self.stop_at = stop_at

    def setup(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        log_at_updates(trainer)

    def on_validation_end(self, trainer: Trainer, *_: Any) -> None:
        self.validated.append(trainer.global_step)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.stop_at:
            raise KeyboardInterrupt


@pytest.fixture
def fit(tiny_gan: Any, trainer: Any, tiny_data: Any) -> Fit:
    def run(spacing: ValidationSpacing, stop_at: int = -1, ckpt_path: Path | None = None, **options: Any) -> list[int]:
        seen = Steps(stop_at)
        settings = {"limit_val_batches": 1, "limit_train_batches": EPOCH, "enable_checkpointing": True, **options}
        built = trainer(callbacks=[seen, spacing, LastCheckpoint()], **settings)
        chosen = built.check_val_every_n_epoch
        try:
            built.fit(tiny_gan("GAN"), tiny_data, ckpt_path=ckpt_path)
            assert built.check_val_every_n_epoch == chosen
        except SystemExit:
            pass  # Lightning's, of the KeyboardInterrupt
        return seen.validated

    return run


@pytest.mark.parametrize(
    ("min_steps", "options", "expected"),
    [
        (5, {"max_epochs": 7}, [6, 12, 15, 21]),
        (5, {"max_epochs": 6}, [6, 12, 15, 18]),
        (5, {"max_steps": 20}, [6, 12, 15, 20]),
        (100, {"max_steps": 1}, [1]),
        (5, {"max_steps": 21}, [6, 12, 15, 21]),
        (100, {"max_epochs": 4}, [12]),
        (3, {"max_epochs": 3}, [3, 6, 9]),
        (1, {"max_epochs": 3}, [3, 6, 9]),
        (0, {"max_epochs": 3}, [3, 6, 9]),
        (0, {"max_steps": 8}, [3, 6, 8]),
        (100, {"max_epochs": 3, "val_check_interval": 2}, [2, 5, 8]),
        (100, {"max_epochs": 4, "check_val_every_n_epoch": 2}, [6, 12]),
        (100, {"max_steps": 9, "val_check_interval": 4, "check_val_every_n_epoch": None}, [4, 8]),
    ],
)
def test_validations_are_apart_and_the_end_has_one(
    fit: Fit, min_steps: int, options: dict[str, Any], expected: list[int]
) -> None:
    assert fit(ValidationSpacing(min_steps), **options) == expected


@pytest.mark.parametrize("stop_at", [4, 7, 8, 9])
def test_a_resumed_run_validates_where_one_that_never_stopped_does(fit: Fit, tmp_path: Path, stop_at: int) -> None:
    before = fit(ValidationSpacing(5), stop_at, max_epochs=7)
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert read_checkpoint(last)["global_step"] == stop_at
    after = fit(ValidationSpacing(5), ckpt_path=last, max_epochs=7)
    assert sorted({*before, *after}) == [6, 12, 15, 21]


@pytest.mark.parametrize("end", [3, 4, 8])
def test_a_run_goes_on_exactly_after_a_validation_in_the_middle_of_an_epoch(
    fit: Fit, tmp_path: Path, identical: Callable[[Any, Any], bool], end: int
) -> None:
    last = tmp_path / "checkpoints" / "last.ckpt"
    fit(ValidationSpacing(5), max_steps=13)
    whole = read_checkpoint(last)
    fit(ValidationSpacing(5), max_steps=end)
    assert read_checkpoint(last)["global_step"] == end
    assert fit(ValidationSpacing(5), ckpt_path=last, max_steps=13)[-1] == 13
    parts = read_checkpoint(last)
    for part in ("state_dict", "optimizer_states"):
        assert identical(whole[part], parts[part])


def test_the_last_checkpoint_is_written_where_there_is_a_validation(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save = LastCheckpoint._save_checkpoint

    def note(self: LastCheckpoint, trainer: Trainer, filepath: str) -> None:
        saved.append(trainer.global_step)
        save(self, trainer, filepath)

    monkeypatch.setattr(LastCheckpoint, "_save_checkpoint", note)
    fit(ValidationSpacing(5), max_epochs=7)
    assert saved == [6, 12, 15, 21]
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 21


def test_a_training_that_was_cut_leaves_no_trace_in_the_next(tiny_gan: Any, trainer: Any, tiny_data: Any) -> None:
    seen, spacing = Steps(stop_at=4), ValidationSpacing(5)
    built = trainer(callbacks=[seen, spacing], limit_val_batches=1, limit_train_batches=EPOCH, max_epochs=4)
    with pytest.raises(SystemExit):
        built.fit(tiny_gan("GAN"), tiny_data)
    seen.stop_at = -1
    built.fit(tiny_gan("GAN"), tiny_data)
    assert seen.validated[-1] == built.global_step


def test_a_negative_spacing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0, got -1"):
        ValidationSpacing(-1)
