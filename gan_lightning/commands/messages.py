"""What the command tells its user: bad input in one sentence with the cure, and nothing that he cannot act on."""

import difflib
import itertools
import logging
import pydoc
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

import datamodules
from gan_lightning import modules
from gan_lightning.arguments import arguments_of
from gan_lightning.engine.optimizers import PlayerOptimizer
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss
from gan_lightning.parts import Part, names_of

CATALOGUES = {"model": modules.__all__, "data": datamodules.__all__}
"""The names of classes that these options can be."""
NOT_OPTIONS = {
    *("self", "generator", "discriminator", "image_shape", "num_classes"),
    *("train_size", "modes"),  # of the data sets
}
NOISE = (
    *("Parser key", "Problem with", "Does not validate", "Subtypes:", "Errors:", "Given value", "Expected a path but"),
    "Expected a <class 'NoneType'>",
)
"""How lines of jsonargparse's messages begin that tell nothing."""
PARTS: dict[str, tuple[str, type[Part]]] = {
    "loss": ("loss", AdversarialLoss),
    "stabilizers": ("stabilizer", Stabilizer),
    "generator_optimizer": ("optimizer", PlayerOptimizer),
    "discriminator_optimizer": ("optimizer", PlayerOptimizer),
}
"""What an option chooses, and among which classes."""
MOVED = {
    "gradient_penalty_weight": "stabilizers+=GradientPenalty --model.stabilizers.weight",
    "r1_weight": "stabilizers+=R1 --model.stabilizers.weight",
    "r2_weight": "stabilizers+=R2 --model.stabilizers.weight",
    "lr_schedule": "generator_optimizer.lr_schedule, and of discriminator_optimizer likewise",
    "warmup_steps": "generator_optimizer.warmup_steps, and of discriminator_optimizer likewise",
    "gradient_clip_norm": "generator_optimizer.clip_norm",
    "discriminator_lr": "discriminator_optimizer.lr",
    "discriminator_betas": "discriminator_optimizer.betas",
    "discriminator_lr_schedule": "discriminator_optimizer.lr_schedule",
    "discriminator_gradient_clip_norm": "discriminator_optimizer.clip_norm",
}
"""Where options of version 0.1 are found."""
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


def explain(message: str) -> str:
    """Shorten an error message of jsonargparse, and name the legal values where something is unknown.

    Args:
        message: What jsonargparse says, or any other message, which is kept.
    """
    if found := re.findall(r"class_path '([\w.]+)':\s+Option '(\w+)' is not accepted", message):
        kind, option = found[-1]
        return f"{kind.rpartition('.')[2]} has no option '{option}'. {_cure(option, _options(kind))}"
    keys = re.findall(r'key "(\w+)"', message)
    if keys and (found := re.findall(r"Expected a dot import path string: (\w+)", message)):
        word, (noun, base) = found[-1], PARTS.get(keys[-1], (keys[-1], None))
        legal = names_of(base) if base else CATALOGUES.get(keys[-1], ())
        return f"There is no {noun} '{word}'. {_choices(word, legal)}"
    if option := re.search(r"does not accept option '([\w.]+)'|Unrecognized arguments: (.*)", message):
        return f"There is no option '{option[1] or option[2]}'. --help and --print_config show those that there are."
    lines = [line.strip().removeprefix("- ") for line in message.splitlines()]
    told = [line for line in lines if line and not line.startswith(NOISE)]
    return " ".join([f"--{'.'.join(keys)}: {told[-1]}"] if keys and told else told or [message.strip()])


def _cure(option: str, legal: Sequence[str]) -> str:
    """Where an option went, or which there are."""
    if option in MOVED:
        return f"Since version 0.2 it is --model.{MOVED[option]}."
    return _choices(option, legal)


def _options(class_path: str) -> list[str]:
    """The options of a class."""
    kind: Any = pydoc.locate(class_path)
    return sorted(arguments_of(kind).keys() - NOT_OPTIONS)


def _choices(word: str, legal: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, legal, n=1)
    return "".join(f"Did you mean {match}? " for match in close) + f"Choose from: {', '.join(legal)}."


def fail(message: str) -> NoReturn:
    """End the program with status 2 and one message."""
    print(f"gan-lightning: error: {explain(message)}\n(GAN_LIGHTNING_DEBUG=1 shows where.)", file=sys.stderr)
    sys.exit(2)


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
