"""The ``gan-lightning`` command: which of its commands runs, and how each ends."""

import os
import sys
from pathlib import Path
from typing import Any

from jsonargparse import auto_cli

from gan_lightning.commands.cli import GANCLI, Parser
from gan_lightning.commands.data import check_data, prepare_data
from gan_lightning.commands.generate import generate
from gan_lightning.commands.messages import check_yaml, fail, silence
from gan_lightning.engine.strategies import explain_lost_connection

DATA_COMMANDS: dict[str, Any] = {"check-data": check_data, "prepare-data": prepare_data}


def main(args: list[str] | None = None) -> None:
    """Run a command; bad input ends in one message and exit status 2.

    Args:
        args: The command and its options; by default the process's own.
    """
    silence()
    sys.path.append(str(Path.cwd()))  # where the user's own GANs are
    command = sys.argv[1:2] if args is None else args[:1]
    try:
        if command == ["generate"]:
            options = sys.argv[2:] if args is None else args[1:]
            about: dict[str, Any] = {"prog": "gan-lightning generate", "description": "Make images from a checkpoint."}
            auto_cli(generate, args=options, as_positional=False, parser_class=Parser, **about)
        elif command and command[0] in DATA_COMMANDS:
            options = sys.argv[2:] if args is None else args[1:]
            check_yaml(options)
            about = {"prog": f"gan-lightning {command[0]}", "description": "Fetch a data set, or look for damage."}
            sys.exit(
                auto_cli(DATA_COMMANDS[command[0]], args=options, as_positional=False, parser_class=Parser, **about)
            )
        else:
            check_yaml(sys.argv[1:] if args is None else args)
            GANCLI(args)
    except (ValueError, TypeError, OSError) as error:
        if "GAN_LIGHTNING_DEBUG" in os.environ:
            raise
        fail(str(error))
    except RuntimeError as error:
        message = explain_lost_connection(error)
        if message is None or "GAN_LIGHTNING_DEBUG" in os.environ:
            raise
        fail(message)
