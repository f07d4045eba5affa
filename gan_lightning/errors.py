"""What the command tells its user: bad input in one sentence with the cure, and nothing that he cannot act on."""

import difflib
import inspect
import itertools
import logging
import pydoc
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

OWN = {"gan_lightning", "datamodules"}
NOT_OPTIONS = {
    *("args", "kwargs", "generator", "discriminator", "loss", "image_shape", "num_classes"),
    *("train_size", "modes"),  # of the data sets
}
IDLE_WARNINGS = (
    "`isinstance\\(treespec, LeafSpec\\)`",
    ".*no pre-optimization state was saved",
    ".*could not find the monitored key",
    "LightningCLI's args parameter is intended",
    "The dirpath has changed from",
    "Couldn't infer the batch indices",
    "Checkpoint directory .* exists and is not empty",
    "Be aware that when using `ckpt_path`, callbacks used to create",
    "JsonargparseDeprecationWarning",
    "``instantiate_classes`` was deprecated",
    "skip_none parameter was deprecated",
)
"""What Lightning warns about and a user of the command can do nothing about."""


def explain(message: str, catalogues: Mapping[str, Sequence[str]]) -> str:
    """Shorten an error message of jsonargparse, and name the legal values where something is unknown.

    Args:
        message: What jsonargparse says, or any other message, which is kept.
        catalogues: The names of classes that "model" and "data" can be.
    """
    if found := re.search(r"class_path '([\w.]+)':\s+Option '(\w+)' is not accepted", message):
        name = found[1].rpartition(".")[2]
        return f"{name} has no option '{found[2]}'. {_choices(found[2], _options(found[1]))}"
    if found := re.search(r'key "(model|data)".*Expected a dot import path string: (\w+)', message, re.DOTALL):
        return f"There is no {found[1]} '{found[2]}'. {_choices(found[2], catalogues[found[1]])}"
    if found := re.search(r"does not accept option '([\w.]+)'|Unrecognized arguments: (.*)", message):
        return f"There is no option '{found[1] or found[2]}'. --help and --print_config show those that there are."
    if "Errors:" in message:
        first = message.partition("Errors:")[2].partition("\n  - Expected a <class 'NoneType'>")[0]
        return first.strip().removeprefix("- ")
    return message.strip()


def _options(class_path: str) -> list[str]:
    """The options of a class and of its ancestors in this package."""
    ancestors = inspect.getmro(pydoc.locate(class_path))  # type: ignore[arg-type]
    own = [ancestor for ancestor in ancestors if ancestor.__module__.partition(".")[0] in OWN]
    return sorted({name for ancestor in own for name in inspect.signature(ancestor).parameters} - NOT_OPTIONS)


def _choices(word: str, legal: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, legal, n=1)
    return "".join(f"Did you mean {match}? " for match in close) + f"Choose from: {', '.join(legal)}."


def silence() -> None:
    """Drop what Lightning tells that a user of the command cannot act on."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in IDLE_WARNINGS:
        warnings.filterwarnings("ignore", f"(?s).*{message}")


def check_yaml(args: Sequence[str]) -> None:
    """Name the file that is not YAML; jsonargparse does not.

    Args:
        args: The command and its options.

    Raises:
        ValueError: If a file given as ``--config`` is not.
    """
    for option, following in itertools.pairwise([*args, ""]):
        name, _, value = option.partition("=")
        path = Path(value or following)
        if name in {"--config", "-c"} and path.is_file():
            try:
                yaml.safe_load(path.read_text())
            except yaml.YAMLError as error:
                raise ValueError(f"'{path}' is not YAML: {error}") from error
