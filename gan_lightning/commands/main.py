"""The ``gan-lightning`` command: which of its commands runs, and how each ends."""

import difflib
import os
import sys
from importlib import import_module
from typing import NoReturn

from gan_lightning.version import __version__

COMMANDS = {
    "fit": "train a GAN, or go on with a training",
    "validate": "judge a checkpoint on the validation images",
    "test": "judge a checkpoint on the test images",
    "predict": "make one image for each test image, on any number of devices",
    "evaluate": "judge checkpoints, or images of any tool, by every metric",
    "report": "make the page of a run, or one that compares runs",
    "generate": "make images from a checkpoint; needs neither data nor configuration",
    "interpolate": "make a walk from seed to seed, or class to class: a film, or a strip",
    "export": "write a generator to a file that other programs run",
    "project": "find the latents whose images are nearest to given ones",
    "translate": "translate pictures by Pix2Pix or CycleGAN",
    "app": "try generators in the browser",
    "prepare-data": "download and convert a data set",
    "check-data": "look for missing and damaged files of a data set",
}
HELP = f"""usage: gan-lightning <command> [options]

Train, judge and use generative adversarial networks.

commands:
{chr(10).join(f"  {name:<14}{what}" for name, what in COMMANDS.items())}

options:
  -h, --help    show this help
  --version     show the version

gan-lightning <command> --help shows the options of a command.

--config NAME_OR_FILE sets many options at once and may be given several times: later ones win. NAME is that of a
configuration that comes with the package, such as quickstart, data/mnist, model/wgan or trainer/cpu. A file of the
same name goes first.

examples:
  gan-lightning fit --config quickstart
  gan-lightning fit --config data/mnist --config model/wgan --trainer.max_steps 5000
  gan-lightning fit --config data/mnist --config model/wgan --seeds 0,1,2
  gan-lightning generate --ckpt_path runs/<run>/checkpoints/best.ckpt --num 64 --out digits.png"""
INTERRUPTED = 130
"""The status of a process that Ctrl-C has ended, 128 + SIGINT."""
BROKEN_PIPE = 141
"""The status of a process whose reader has gone, 128 + SIGPIPE."""


def main(args: list[str] | None = None) -> None:
    """Run a command; bad input ends in one message and exit status 2, Ctrl-C in status 130.

    Args:
        args: The command and its options; by default the process's own.
    """
    words = sys.argv[1:] if args is None else args
    try:
        _run(*words[:1], options=words[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        sys.exit(INTERRUPTED if isinstance(end.__context__, KeyboardInterrupt) else end.code)  # Lightning makes it 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
        sys.exit(BROKEN_PIPE)


def _run(command: str = "", *, options: list[str]) -> None:
    if command in {"-h", "--help", "help"}:
        print(HELP)
    elif command == "--version":
        print(f"gan-lightning {__version__}")
    elif command in COMMANDS:
        # PyTorch and Lightning take seconds to import.
        import_module("gan_lightning.commands.dispatch").run(command, options)
    elif command:
        _refuse(command)
    else:
        print(HELP, file=sys.stderr)
        sys.exit(2)


def _refuse(command: str) -> NoReturn:
    if command.startswith("-"):
        problem = f"The command goes first, before '{command}'."
    else:
        close = difflib.get_close_matches(command.lower().replace("_", "-"), COMMANDS, n=1)
        problem = " ".join([f"There is no command '{command}'.", *(f"Did you mean {name}?" for name in close)])
    print(
        f"gan-lightning: error: {problem} Choose from: {', '.join(COMMANDS)}. --help says what each does.",
        file=sys.stderr,
    )
    sys.exit(2)
