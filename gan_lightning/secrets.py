"""What must not leave the machine: values whose names say that they are secret."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

SECRET = re.compile("key|token|secret|password", re.IGNORECASE)
MASK = "***"


def masked(value: Any, name: str = "") -> Any:
    """A copy of plain values of any depth, with a mask for each text under a name that looks like a secret's.

    Args:
        value: Mappings, lists, and what they hold.
        name: Under which it stands.
    """
    if isinstance(value, dict):
        return {key: masked(each, name if SECRET.search(name) else str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(masked(each, name) for each in value)
    return MASK if isinstance(value, str) and value and SECRET.search(name) else value


def masked_words(words: Sequence[str]) -> list[str]:
    """A command line, as in ``sys.argv``, with masks for the values of such options."""
    shown = list(words[:1])
    for before, word in itertools.pairwise(words):
        option, equals, _ = word.partition("=")
        if _is_secret(option) and equals:
            shown.append(f"{option}={MASK}")
        else:
            is_value = _is_secret(before) and "=" not in before and not word.startswith("--")
            shown.append(MASK if is_value else word)
    return shown


def _is_secret(option: str) -> bool:
    return option.startswith("--") and SECRET.search(option) is not None
