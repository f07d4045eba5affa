"""Values whose names say that they are secret."""

from typing import Any

import pytest

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
