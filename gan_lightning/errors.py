"""What jsonargparse says about bad input, in one sentence with the value, the legal values and the cure."""

import difflib
import inspect
import pydoc
import re
from collections.abc import Mapping, Sequence

OWN = {"gan_lightning", "datamodules"}
NOT_OPTIONS = {"args", "kwargs", "generator", "discriminator", "loss", "image_shape", "num_classes", "train_size"}


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
