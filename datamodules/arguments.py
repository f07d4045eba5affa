"""Checks of the arguments of data sets, whose messages name the value and what is legal."""

import math
import operator
import os
from collections.abc import Sequence
from pathlib import Path
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


def as_integers(value: Any) -> list[int]:
    """Integers in a row as Python's, with 0 in the place of anything else; none of what is no row."""
    row = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(row, Sequence) or isinstance(row, str | bytes):
        return []
    return [as_integer(item) or 0 for item in row]


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
        legal = f"at least {least}" if most is None else f"from {least} to {most}"
        if number is None:
            legal = f"an integer {'of ' if most is None else ''}{legal}"
        raise ValueError(f"{name} is {value!r}, but must be {legal}.")
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


def read_path(name: str, value: Any) -> Path:
    """Check a path, and put the user's folder in the place of ~.

    Raises:
        ValueError: It is no path, or empty, or begins with ~ and the name of nobody.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError(f"{name} is {value!r}, but must be a path, such as 'data', or '.' for the current folder.")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{name} is {value!r}, but no user is called so. Write ./~ for a folder called ~.") from error


def read_size(value: Any) -> tuple[int, int]:
    """Check an image size.

    Args:
        value: An integer of at least 1, or a pair of them, [height, width].

    Returns:
        Height and width in pixels.

    Raises:
        ValueError: It is anything else.
    """
    numbers = as_integers(value) or [as_integer(value) or 0] * 2
    if len(numbers) != 2 or min(numbers) < 1:
        raise ValueError(
            f"image_size is {value!r}, but must be an integer of at least 1, such as 64, or a pair [height, width] of "
            "them, such as [64, 48]."
        )
    height, width = numbers
    return height, width


def read_shape(value: Any) -> tuple[int, int, int]:
    """Check the shape of images.

    Args:
        value: Three integers of at least 1.

    Returns:
        (C, H, W).

    Raises:
        ValueError: It is anything else.
    """
    numbers = as_integers(value)
    if len(numbers) != 3 or min(numbers) < 1:
        raise ValueError(
            f"image_shape is {value!r}, but must be three integers of at least 1, (channels, height, width), such as "
            "(3, 64, 64)."
        )
    channels, height, width = numbers
    return channels, height, width


def describe_size(height: int, width: int) -> str:
    """A size in a file name: the side of a square, else height x width.

    Example:
        >>> describe_size(64, 64), describe_size(64, 48)
        ('64', '64x48')
    """
    return f"{height}" if height == width else f"{height}x{width}"
