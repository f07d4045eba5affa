"""Runs a command, and turns what its user can mend into one message."""

import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonargparse import auto_cli
from lightning.fabric.utilities.exceptions import MisconfigurationException

from gan_lightning.commands.app import app
from gan_lightning.commands.cli import GANCLI, Parser
from gan_lightning.commands.configs import find_configs
from gan_lightning.commands.data import check_data, prepare_data
from gan_lightning.commands.evaluate import evaluate
from gan_lightning.commands.export import export
from gan_lightning.commands.generate import generate
from gan_lightning.commands.interpolate import interpolate
from gan_lightning.commands.messages import fail, known
from gan_lightning.commands.project import project
from gan_lightning.commands.report import report
from gan_lightning.commands.seeds import COMMANDS as SEEDED
from gan_lightning.commands.seeds import OPTION as SEEDS
from gan_lightning.commands.seeds import run_seeds, without
from gan_lightning.commands.trainer_messages import silence, with_options
from gan_lightning.commands.trainer_messages import translate as in_our_words
from gan_lightning.commands.translate import translate
from gan_lightning.engine.strategies import explain_lost_connection

FUNCTIONS: dict[str, Any] = {
    "evaluate": (evaluate, "Judge checkpoints, or images of any tool, by every metric."),
    "report": (report, "Make the page of a run again, or one that compares runs: gan-lightning report RUN [RUN ...]."),
    "generate": (generate, "Make images from a checkpoint."),
    "interpolate": (interpolate, "Make a walk from seed to seed, or class to class: a film, or a strip."),
    "export": (export, "Write a generator to a file that other programs run: ONNX, torch.export, safetensors."),
    "project": (project, "Find the latents whose images are nearest to given ones."),
    "translate": (translate, "Translate pictures by Pix2Pix or CycleGAN."),
    "app": (app, "Try generators in the browser: gan-lightning app [RUN or CHECKPOINT]."),
    "prepare-data": (prepare_data, "Download and convert a data set."),
    "check-data": (check_data, "Look for missing and damaged files of a data set."),
}
OPTIONS_OF_DATA = {"prepare-data": ("data",), "check-data": ("data", "deep"), "evaluate": ("data",)}
"""What commands that need data alone read of a configuration, which may be that of a whole run."""
FLAGS = ("--overwrite", "--deep")
"""Options that may stand without a value."""
LISTS = ("--compare", "--runs")
"""Options that take all values up to the next option."""
BARE = {"report": "--runs", "app": "--places"}
"""The option that words right after the command belong to."""
MENDED_BY_USER = (ValueError, TypeError, OSError, ImportError, MisconfigurationException)


class FunctionParser(Parser):
    """Of a command that is a function."""

    of_function = True


def run(command: str, options: list[str]) -> None:
    """Run a command.

    Args:
        command: Its name.
        options: What follows it.
    """
    silence()
    sys.path.append(str(Path.cwd()))  # where the user's own GANs are
    try:
        words = _with_lists(_with_flags(_with_names(command, options)))
        _run(command, words)
    except (*MENDED_BY_USER, RuntimeError, MemoryError) as error:
        message = _message(error)
        if message is None or "GAN_LIGHTNING_DEBUG" in os.environ:
            raise
        fail(message)


def _with_names(command: str, options: list[str]) -> list[str]:
    """Options in which words right after the command have their name."""
    is_bare = command in BARE and options and not options[0].startswith("-")
    return [BARE[command], *options] if is_bare else options


def _with_flags(options: list[str]) -> list[str]:
    """Options in which flags have their value."""
    following = zip(options, [*options[1:], "--"], strict=False)
    return [f"{word}=true" if word in FLAGS and after.startswith("-") else word for word, after in following]


def _with_lists(options: list[str]) -> list[str]:
    """Options in which lists are one word each."""
    words: list[str] = []
    rest = list(options)
    while rest:
        words.append(rest.pop(0))
        if words[-1] in LISTS:
            values = list(itertools.takewhile(lambda word: not word.startswith("--"), rest))
            del rest[: len(values)]
            words[-1] += f"={json.dumps(values)}"
    return words


def _message(error: Exception) -> str | None:
    """What to tell the user; None if it is a fault of the program, or its reader has gone."""
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, RuntimeError):
        return explain_lost_connection(error) or known(str(error))
    if isinstance(error, MisconfigurationException):
        return in_our_words(str(error)) or with_options(str(error))
    return str(error) or "out of memory"


def _run(command: str, words: list[str]) -> None:
    seeds, others = without(SEEDS, words) if command in SEEDED else (None, words)
    options = find_configs(others, only=OPTIONS_OF_DATA.get(command))
    if seeds is not None and not any(word.startswith(("--print_config", "--help", "-h")) for word in options):
        run_seeds(command, seeds, others)  # each run finds its configurations itself
        return
    if command not in FUNCTIONS:
        GANCLI([command, *options])
        return
    function, description = FUNCTIONS[command]
    prog = f"gan-lightning {command}"
    with _ended_by_sigterm():
        status = auto_cli(
            function, args=options, as_positional=False, parser_class=FunctionParser, prog=prog, description=description
        )
    if status:
        sys.exit(status)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM raise, so that what is half-written is removed; afterwards it does what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
