"""Lightning's messages in terms of options."""

from typing import Any

import pytest
from jsonargparse import Namespace

from gan_lightning.commands.trainer_messages import check_trainer, translate, with_options


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("fast_dev_run=-1 is not valid.", "--trainer.fast_dev_run=-1 is not valid."),
        ("`devices` and `Trainer(max_time='x')`", "--trainer.devices and --trainer.max_time='x'"),
        (
            "Try `limit_val_batches=0.5`, not `val_dataloader`",
            "Try --trainer.limit_val_batches=0.5, not `val_dataloader`",
        ),
        ("8 x 1 devices, --trainer.max_steps", "8 x 1 devices, --trainer.max_steps"),
    ],
)
def test_arguments_become_options(message: str, said: str) -> None:
    assert with_options(message) == said


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("`CUDAAccelerator` can not run on your system since", "This machine has no CUDA that PyTorch can use"),
        ("No supported gpu backend found!", "This machine has no GPU that PyTorch can use"),
        (
            "You requested gpu: [0, 3]\n But your machine only has: [0]",
            "--trainer.devices asks for the GPUs [0, 3], but",
        ),
        ("The strategy DDPStrategy cannot train two", "--trainer.strategy DDPStrategy is not for GANs."),
        ("To use the `DeepSpeedStrategy`, you must", "--trainer.strategy DeepSpeedStrategy is not for GANs."),
        ("Requirement 'comet-ml>=3.44.4' not met.", "This needs the package comet-ml: pip install comet-ml."),
        ("<GradientAccumulationScheduler>", "GradientAccumulationScheduler is not for GANs: --model.accumulate N"),
    ],
)
def test_what_lightning_says_is_known(message: str, said: str) -> None:
    assert str(translate(message)).startswith(said)


def test_other_messages_are_not() -> None:
    assert translate("seed must be at least 0") is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_steps": None}, r"--trainer\.max_steps holds nothing\."),
        ({"val_check_interval": 0}, r"--trainer\.val_check_interval must be above 0, got 0\."),
        ({"check_val_every_n_epoch": 0}, r"--trainer\.check_val_every_n_epoch must be above 0, got 0\."),
    ],
)
def test_numbers_that_lightning_fails_on_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_trainer(Namespace(options))


def test_other_numbers_are_left_to_lightning() -> None:
    check_trainer(Namespace({"max_epochs": None, "max_steps": 0, "limit_val_batches": 0, "val_check_interval": 0.5}))
