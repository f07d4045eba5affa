"""Checks of the arguments of data sets, whose messages name the value and what is legal."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

ImageSize = int | list[int]
"""Side of a square in pixels, or [height, width]; a tuple does as well, but the command line offers lists."""


def as_integer(value: Any) -> int | None:
    """An integer, also one of NumPy's, as Python's; None for anything else: floats, text, True and False."""
    try:
        return None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        return None


def read_count(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Check an integer.

    Args:
        name: Name of the argument, for the message.
        value: What was given.
        least: Smallest legal value.
        most: Largest legal value; None for any.

    Returns:
        The value as Python's integer.

    Raises:
        ValueError: It is no integer, or out of range.
    """
    number = as_integer(value)
    if number is None or number < least or (most is not None and number > most):
        kind = "an integer " if number is None else ""
        legal = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} is {value!r}, but must be {kind}{legal}.")
    return number


def read_flag(name: str, value: Any) -> bool:
    """Check a switch.

    Raises:
        ValueError: It is neither True nor False.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {value!r}, but must be True or False.")  # noqa: TRY004
    return bool(value)


def read_number(name: str, value: Any) -> float:
    """Check a number.

    Raises:
        ValueError: It is no number, or not finite.
    """
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, but must be a finite number.")
    return float(value)


def read_positive(name: str, value: Any) -> float:
    """Check a number above 0.

    Raises:
        ValueError: It is no finite number, or not above 0.
    """
    number = read_number(name, value)
    if number <= 0:
        raise ValueError(f"{name} is {value!r}, but must be above 0.")
    return number


def read_size(value: Any) -> tuple[int, int]:
    """Check an image size.

    Args:
        value: An integer of at least 1, or a pair of them, [height, width].

    Returns:
        Height and width in pixels.

    Raises:
        ValueError: It is anything else.
    """
    sides = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(sides, Sequence) or isinstance(sides, str):
        sides = [sides, sides]
    numbers = [as_integer(side) or 0 for side in sides]
    if len(numbers) != 2 or min(numbers) < 1:
        raise ValueError(
            f"image_size is {value!r}, but must be at least 1: an integer, such as 64, or a pair [height, width], such "
            "as [64, 48]."
        )
    height, width = numbers
    return height, width


def describe_size(height: int, width: int) -> str:
    """A size in a file name: the side of a square, else height x width.

    Example:
        >>> describe_size(64, 64), describe_size(64, 48)
        ('64', '64x48')
    """
    return f"{height}" if height == width else f"{height}x{width}"
