"""Arguments of constructors: which a class takes, and checks whose messages name the value and what is legal."""

import inspect
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real


def arguments_of(kind: type) -> dict[str, inspect.Parameter]:
    """The arguments of a class by name, also those that reach its ancestors through ``**kwargs``.

    Example:
        >>> class A:
        ...     def __init__(self, x=1): ...
        >>> class B(A):
        ...     def __init__(self, y=2, **kwargs): super().__init__(**kwargs)
        >>> list(arguments_of(B))
        ['y', 'x']
    """
    found: dict[str, inspect.Parameter] = {}
    for ancestor in kind.__mro__:
        if "__init__" not in vars(ancestor):
            continue
        _, *parameters = inspect.signature(vars(ancestor)["__init__"]).parameters.values()
        passes_on = any(p.kind is p.VAR_KEYWORD for p in parameters)
        found |= {
            p.name: p for p in parameters if p.name not in found and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        }
        if not passes_on:
            break
    return found


@contextmanager
def blamed(kind: type) -> Iterator[None]:
    """Let a ValueError name the class whose argument it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{kind.__name__}: {error}") from None


def is_number(value: object, kind: type = Real) -> bool:
    """Whether a value is a number, Python's or NumPy's; True and False are not."""
    return isinstance(value, kind) and not isinstance(value, bool)


def check_counts(least: int = 1, **counts: int) -> None:
    """Refuse what is not an integer of at least ``least``.

    Raises:
        ValueError: If one is not.
    """
    for name, value in counts.items():
        if not is_number(value, Integral) or value < least:
            raise ValueError(f"{name} must be an integer, at least {least}, got {value!r}.")


def check_positive(**numbers: float) -> None:
    """Refuse what is not a finite number above 0.

    Raises:
        ValueError: If one is not.
    """
    for name, value in numbers.items():
        if not is_number(value) or not 0 < value < math.inf:
            raise ValueError(f"{name} must be a finite number above 0, got {value!r}.")


def check_weights(**weights: float) -> None:
    """Refuse what is not a finite number of at least 0.

    Raises:
        ValueError: If one is not.
    """
    for name, value in weights.items():
        if not is_number(value) or not 0 <= value < math.inf:
            raise ValueError(f"{name} must be finite and at least 0, got {value!r}.")


def check_probabilities(**probabilities: float) -> None:
    """Refuse what is not in [0, 1].

    Raises:
        ValueError: If one is not.
    """
    for name, value in probabilities.items():
        if not is_number(value) or not 0 <= value <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {value!r}.")


def check_decays(**decays: float) -> None:
    """Refuse what is not in [0, 1), such as the decay of an average.

    Raises:
        ValueError: If one is not.
    """
    for name, value in decays.items():
        if not is_number(value) or not 0 <= value < 1:
            raise ValueError(f"{name} must be in [0, 1), got {value!r}.")


def check_betas(betas: Sequence[float]) -> None:
    """Refuse what is not a pair of decays.

    Raises:
        ValueError: If it is not.
    """
    is_pair = isinstance(betas, Sequence) and len(betas) == 2
    if not is_pair or not all(is_number(beta) and 0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas must be a pair of numbers in [0, 1), got {betas!r}.")


def check_choice(legal: Sequence[str], **choices: str) -> None:
    """Refuse what is not one of the legal words.

    Raises:
        ValueError: If one is not.
    """
    for name, value in choices.items():
        if value not in legal:
            raise ValueError(f"{name} must be one of {', '.join(legal)}, got {value!r}.")
