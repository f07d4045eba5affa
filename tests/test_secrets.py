"""Values whose names say that they are secret."""

from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.loggers.logger import DummyLogger

from gan_lightning.commands.config_file import SaveConfig
from gan_lightning.report import read_run, render
from gan_lightning.secrets import masked, masked_words


def test_texts_under_the_names_of_secrets_are_masked_at_any_depth() -> None:
    options: dict[str, Any] = {
        "data": {"init_args": {"api_token": "s3cret", "root": "data", "tokens": 5, "Password": ["s3cret", "other"]}},
        "logger": [{"init_args": {"key": "s3cret"}}, {"secret": {"first": "s3cret", "second": None}}],
        "password": "",
    }
    told = masked(options)
    assert "s3cret" not in str(told)
    assert told["data"]["init_args"] == {"api_token": "***", "root": "data", "tokens": 5, "Password": ["***", "***"]}
    assert told["logger"] == [{"init_args": {"key": "***"}}, {"secret": {"first": "***", "second": None}}]
    assert told["password"] == ""
    assert options["data"]["init_args"]["api_token"] == "s3cret"


def test_loggers_get_the_configuration_without_secrets_which_stays_whole_in_its_file(tmp_path: Path) -> None:
    class Noting(DummyLogger):
        def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]
            told.append(params)

    class Parser:
        def dump(self, config: Namespace, **_: Any) -> str:
            return f"data:\n  api_token: {config.data.api_token}\n"

    told: list[dict[str, Any]] = []
    config = Namespace(data=Namespace(api_token="s3cret", root="data"))
    trainer = Trainer(accelerator="cpu", default_root_dir=tmp_path, logger=Noting(), enable_checkpointing=False)
    SaveConfig(Parser(), config).on_train_batch_end(trainer)  # type: ignore[arg-type]
    assert told == [{"data": {"api_token": "***", "root": "data"}}]
    assert (tmp_path / "config.yaml").read_text() == "data:\n  api_token: s3cret\n"
    (tmp_path / "metrics.csv").touch()
    assert "s3cret" not in render([read_run(tmp_path)], "now", tmp_path / "cache")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x", "--api_key=s3cret", "--seed=1"], ["x", "--api_key=***", "--seed=1"]),
        (["x", "--logger.password", "s3cret", "y"], ["x", "--logger.password", "***", "y"]),
        (["x", "--data.use_token", "--seed", "1"], ["x", "--data.use_token", "--seed", "1"]),
        ([], []),
    ],
)
def test_command_lines(words: list[str], told: list[str]) -> None:
    assert masked_words(words) == told
