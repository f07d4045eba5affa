"""What the callbacks of a run cost: the share of the CPU time of a training that each takes.

    python -m benchmarks.callbacks --config data/mnist --config experiment/mnist_dcgan --trainer.max_steps 1720

What follows are options of ``gan-lightning fit``. Prints Markdown.
"""

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from gan_lightning.commands.cli import GANCLI
from gan_lightning.commands.configs import find_configs
from gan_lightning.commands.defaults import CALLBACKS


def timed(method: Callable[..., Any], name: str, seconds: dict[str, float]) -> Callable[..., Any]:
    """The same hook, which adds the CPU seconds that it takes."""

    @functools.wraps(method)
    def hook(*args: Any, **kwargs: Any) -> Any:
        started = time.process_time()
        try:
            return method(*args, **kwargs)
        finally:
            seconds[name] += time.process_time() - started

    return hook


def main() -> None:
    """Train, and print the table."""
    seconds = dict.fromkeys((kind.__name__ for kind in CALLBACKS.values()), 0.0)
    for kind in CALLBACKS.values():
        for hook, method in list(vars(kind).items()):
            if hook == "setup" or (hook.startswith("on_") and callable(method)):
                setattr(kind, hook, timed(method, kind.__name__, seconds))
    torch.set_num_threads(1)
    started = time.process_time()
    GANCLI(["fit", *find_configs(sys.argv[1:])])
    whole = time.process_time() - started
    print(f"\n| callback | CPU seconds | of {whole:.1f} |\n| --- | --- | --- |")
    for name, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"| {name} | {spent:.2f} | {spent / whole:.2%} |")
    print(f"| all | {sum(seconds.values()):.2f} | {sum(seconds.values()) / whole:.2%} |")


if __name__ == "__main__":
    main()
