"""Checks of numbers at construction: a message names the value and what is legal."""

import math
from collections.abc import Sequence


def check_counts(least: int = 1, **counts: int) -> None:
    """Refuse what is not an integer of at least ``least``.

    Raises:
        ValueError: If one is not.
    """
    for name, value in counts.items():
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer, at least {least}, got {value!r}.")


def check_positive(**numbers: float) -> None:
    """Refuse what is not a finite number above 0.

    Raises:
        ValueError: If one is not.
    """
    for name, value in numbers.items():
        if not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"{name} must be a finite number above 0, got {value!r}.")


def check_decays(**decays: float | Sequence[float]) -> None:
    """Refuse what is not in [0, 1): a probability, a decay, or each of a pair of betas.

    Raises:
        ValueError: If one is not.
    """
    for name, value in decays.items():
        pair = isinstance(value, Sequence)
        numbers = value if isinstance(value, Sequence) else [value]
        if len(numbers) != 1 + pair or not all(isinstance(n, int | float) and 0 <= n < 1 for n in numbers):
            raise ValueError(f"{name} must be {'a pair of numbers ' * pair}in [0, 1), got {value!r}.")


def check_choice(legal: Sequence[str], **choices: str) -> None:
    """Refuse what is not one of the legal words.

    Raises:
        ValueError: If one is not.
    """
    for name, value in choices.items():
        if value not in legal:
            raise ValueError(f"{name} must be one of {', '.join(legal)}, got {value!r}.")
