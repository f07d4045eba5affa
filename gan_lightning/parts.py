"""Parts of a GAN: named in YAML, kept as plain data in checkpoints, built again by name."""

import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, TypeVar

from torch import nn

from gan_lightning.arguments import arguments_of

if TYPE_CHECKING:
    from gan_lightning.game import Update

T = TypeVar("T")
Description = Mapping[str, Any]
"""A part in plain values, ``{"class_path": "R1", "init_args": {"weight": 1.0}}``; it may stand wherever a part may."""
PACKAGE = "gan_lightning."
OWN = ("gan_lightning.modules", "gan_lightning.stabilizers")
"""Modules that import all classes of this package that a description may name."""


class Part(nn.Module):
    """Something that is described by plain values: a loss, a stabilizer, a network, an optimizer.

    A subclass keeps each argument of its constructor as an attribute of that name. State that a run needs is a buffer:
    it is then in the checkpoint, on the right device, and resumed.
    """

    def __init__(self) -> None:  # without it, the signature of a part without arguments would be nn.Module's
        super().__init__()

    def describe(self) -> dict[str, Any]:
        """The part as YAML would say it, in plain values alone."""
        arguments = {name: getattr(self, name) for name in arguments_of(type(self))}
        return {"class_path": name_of(type(self)), "init_args": plain(arguments)}

    def after(self, update: "Update") -> None:
        """Change the state of a loss or a stabilizer, once per update of a player."""

    @classmethod
    def rebuild(cls, part: "Part | Description") -> Self:
        """Build the part that is described, of a class that is imported: a description never runs code.

        Args:
            part: A description; a part of this class is returned as it is.

        Raises:
            TypeError: If it is neither, or arguments are missing or unknown.
            ValueError: If no imported class has its name, or an argument is out of its range.
        """
        if isinstance(part, cls):
            return part
        if not isinstance(part, Mapping) or "class_path" not in part:
            raise TypeError(
                f"Expected a {cls.__name__} or a description, {{'class_path': ..., 'init_args': {{...}}}}, got {part}."
            )
        kind = find_class(cls, part["class_path"])
        init_args = part.get("init_args") or {}
        unknown = sorted(init_args.keys() - arguments_of(kind).keys())
        if unknown:
            raise TypeError(
                f"{kind.__name__} has no option '{unknown[0]}'. Choose from: {_listed(arguments_of(kind))}."
            )
        return kind(**{name: rebuilt(value) for name, value in init_args.items()})


def describe(kind: type[Part], **init_args: Any) -> Any:
    """The description of a part that is not built yet, for a constructor's default: it prints as YAML.

    Args:
        kind: The class.
        init_args: Its arguments, by name.

    Returns:
        A :data:`Description`; typed so that it may stand where a part is expected.
    """
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": init_args}


def plain(value: Any, name: str = "value") -> Any:
    """Turn parts into descriptions, also in lists, and NumPy's values into Python's; plain values stay.

    Raises:
        TypeError: If a checkpoint could not hold the value.
    """
    if isinstance(value, Part):
        return value.describe()
    if isinstance(value, Mapping):
        return {key: plain(item, f"{name}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item, name) for item in value)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Enum) and isinstance(value, int | str):  # it equals the number or the word
        value = value.value
    if value is not None and type(value) not in (bool, int, float, str):
        raise TypeError(
            f"{name} must be a plain value (a number, a word, None, a list of these) or a part of the game, as a "
            f"checkpoint keeps it; got {value!r} of type {type(value).__name__}."
        )
    return value


def rebuilt(value: Any) -> Any:
    """Build the parts of descriptions, also in lists; anything else stays."""
    if isinstance(value, Mapping) and "class_path" in value:
        return Part.rebuild(value)
    return [rebuilt(item) for item in value] if isinstance(value, list) else value


def name_of(kind: type) -> str:
    """The name of a class in checkpoints: bare for this package's own, with its module for a user's."""
    return kind.__qualname__ if kind.__module__.startswith(PACKAGE) else f"{kind.__module__}.{kind.__qualname__}"


def is_named(kind: type, name: str) -> bool:
    """Whether a class has this name, as :func:`find_class` understands names."""
    path = f"{kind.__module__}.{kind.__qualname__}"
    is_users = not path.startswith(PACKAGE)
    return name in (path, name_of(kind)) or (is_users and kind.__name__ == name.rpartition(".")[2])


def find_class(base: type[T], name: str) -> type[T]:
    """Find the class that has a name, among those that are imported and derive from a base.

    Args:
        base: What it must derive from.
        name: As :func:`name_of` gives it, or with the whole path. A user's class is also found by its bare name,
            as it may have been defined in another module, such as ``__main__``.

    Raises:
        ValueError: If no class has this name, or several have.
    """
    for package in OWN:  # which may not have been imported yet
        import_module(package)
    kinds = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in (base, *_subclasses(base))}
    exact = [kind for path, kind in kinds.items() if name in (path, name_of(kind))]
    found = exact or [kind for kind in kinds.values() if is_named(kind, name)]
    if len(found) > 1:
        paths = ", ".join(f"{kind.__module__}.{kind.__qualname__}" for kind in found)
        raise ValueError(f"Several classes are named '{name}': {paths}. Give them different names.")
    if not found:
        raise ValueError(
            f"There is no {base.__name__} '{name}' among the classes that are imported: {_listed(names_of(base))}. "
            "If it is yours, import the module that defines it first."
        )
    return found[0]


def names_of(base: type[Any]) -> list[str]:
    """The names of the classes that are imported and derive from a base, sorted."""
    return sorted({kind.__name__ for kind in _subclasses(base) if not inspect.isabstract(kind)})


def _subclasses(kind: type[T]) -> Iterator[type[T]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _listed(names: Any) -> str:
    return ", ".join(sorted(set(names))) or "none"
