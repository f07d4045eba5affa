"""Configurations: those that come with the package, by name, and what is wrong with a user's file."""

import difflib
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from gan_lightning.commands.defaults import CALLBACKS

PACKAGE = Path(__file__).parents[1]
CONFIGS = next(folder for folder in (PACKAGE / "configs", PACKAGE.parent / "configs") if folder.is_dir())
"""Within the package where it is installed, beside it in a checkout."""
OPTIONS = ("-c", "--con", "--conf", "--confi", "--config")
"""Argparse knows abbreviations."""
SECTIONS = ("trainer", *CALLBACKS)
"""Top-level keys that hold options by name, and are no class."""
BESIDE_CLASS = ("class_path", "init_args", "dict_kwargs")
PLAIN = "tag:yaml.org,2002:"
"""How the tags of plain values begin."""


def find_configs(options: Sequence[str], only: Sequence[str] | None = None) -> list[str]:
    """Replace the names of configurations by the paths of their files, and look at every file.

    Args:
        options: Of a command. ``--config VALUE`` is a file, or else the name of a configuration of the package, or else
            options in YAML, ``{...}``. A file may name others by a key ``config``, whose options it then changes.
        only: Top-level keys of configurations that the command knows; others are dropped. Default: all.

    Raises:
        ValueError: If it is none of these, or does not hold options by name.
        TypeError: If a key ``config`` holds no file or name.
        OSError: If a file is not there, or cannot be read.
    """
    found: list[str] = []
    words = iter(options)
    for word in words:
        option, equals, value = word.partition("=")
        if option in OPTIONS and not equals:
            value = next(words, "")
        if option not in OPTIONS or not (value or equals) or value.startswith("-"):
            found += [word] if equals or not value else [word, value]
        else:
            found += [f"{option}={config}" for config in _expanded(value, only, ())]
    return found


def names() -> list[str]:
    """The configurations of the package; those of sweeps are W&B's."""
    paths = (path.relative_to(CONFIGS).with_suffix("") for path in CONFIGS.rglob("*.yaml"))
    return sorted(path.as_posix() for path in paths if path.parent.name != "sweep")


def _expanded(value: str, only: Sequence[str] | None, outer: tuple[str, ...]) -> Iterator[str]:
    """What a value stands for: files, or options in YAML, the last of which win; all checked."""
    value, text = _read(value)
    if value in outer:
        raise ValueError(f"'{value}' names itself by its key 'config'. Leave that out.")
    if text is None:
        yield value
        return
    where = f"'{value}'" if value else "--config"
    root = _parsed(text, where)
    own = [(key, node) for key, node in root.value if key.value != "config" and (not only or key.value in only)]
    for node in (node for key, node in root.value if key.value == "config"):
        for name in _named(node, where):
            beside = Path(value).parent / name
            yield from _expanded(str(beside) if beside.is_file() else name, only, (*outer, value))
    if own == root.value:
        yield value or text
    elif own:
        yield yaml.serialize(yaml.MappingNode(root.tag, own), Dumper=yaml.SafeDumper)


def _named(node: Any, where: str) -> list[str]:
    """The configurations that a file names."""
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not all(isinstance(inner, yaml.ScalarNode) for inner in nodes):
        raise TypeError(f"{where}: config must be a file or a name, or a list of them.")
    return [inner.value for inner in nodes if inner.tag != f"{PLAIN}null"]


def _read(value: str) -> tuple[str, str | None]:
    """The file that a value means, and its text; no file for options in YAML, no text for a pipe."""
    path = Path(value)
    name = path.as_posix().removeprefix("configs/").removesuffix(".yaml")
    if value.lstrip().startswith("{"):
        return "", value
    try:
        if not path.is_file() and name in names():
            path = CONFIGS / f"{name}.yaml"
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise ValueError(f"--config must be a file, but '{value}' is a folder. {_choices(name)}")
        return str(path), path.read_text(encoding="utf-8") if stat.S_ISREG(kind) else None
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no file '{value}', and no configuration of that name in the package. {_choices(name)}"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"'{value}' is not text: a configuration is YAML in UTF-8.") from None
    except OSError as error:
        raise OSError(f"--config '{value}' cannot be read: {error.strerror}.") from error


def _choices(name: str) -> str:
    close = "".join(f"Did you mean {match}? " for match in difflib.get_close_matches(name, names(), n=1))
    return f"{close}Choose from: {', '.join(names())}; or give a file."


def _parsed(text: str, where: str) -> yaml.MappingNode:
    """Options by name; refuses anything else."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        raise ValueError(f"{where} is not text: a configuration is YAML in UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        cure = " Indent by spaces, not by tabs." if "'\\t'" in str(error.problem) else ""
        raise ValueError(f"{where} is not YAML: {error.problem}{line}.{cure}") from error
    if isinstance(root, yaml.MappingNode):
        problems = [*_sections(root), *_problems(root, ())]
        if not problems:
            return root
    else:
        kind = {yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}.get(type(root), "nothing")
        problems = [f"it must hold options by name, such as 'trainer:', but holds {kind}."]
    raise ValueError(f"{where} is no configuration: {' '.join(problems)}")


def _sections(root: yaml.MappingNode) -> Iterator[str]:
    for key, value in root.value:
        is_file = isinstance(value, yaml.ScalarNode) and value.tag == f"{PLAIN}str"
        if key.value in SECTIONS and not is_file and not isinstance(value, yaml.MappingNode):
            yield f"{key.value} in line {key.start_mark.line + 1} must hold options by name."


def _problems(node: Any, outer: tuple[Any, ...]) -> Iterator[str]:
    """What jsonargparse would pass over, or tell without the line."""
    line = node.start_mark.line + 1
    if node in outer:
        yield f"The alias of line {line} stands within what it names."
    elif not node.tag.startswith(PLAIN) or "python" in node.tag:
        yield f"The tag {node.tag.removeprefix(PLAIN)} in line {line} is not plain YAML."
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _problems(item, (*outer, node))
    elif isinstance(node, yaml.MappingNode):
        yield from _problems_of_keys(node)
        for _, value in node.value:
            yield from _problems(value, (*outer, node))


def _problems_of_keys(node: yaml.MappingNode) -> Iterator[str]:
    """Keys that stand twice, of which YAML would drop the first without a word, and classes that are none."""
    keys = [key.value for key, _ in node.value]
    lines: dict[str, int] = {}
    for key, value in node.value:
        word, line = key.value, key.start_mark.line + 1
        if key.tag not in {f"{PLAIN}str", f"{PLAIN}merge"}:
            yield f"The key in line {line} must be a word."
            continue
        if word in lines:
            yield f"'{word}' stands twice, in lines {lines[word]} and {line}. Leave one of them."
        lines[word] = line
        if word == "init_args" and not isinstance(value, yaml.MappingNode):
            yield f"init_args in line {line} must hold arguments by name. Leave it out if there are none."
        elif word == "class_path" and value.tag != f"{PLAIN}str":
            yield f"class_path in line {line} must be the name of a class."
        elif "class_path" in keys and word not in BESIDE_CLASS:
            yield f"'{word}' in line {line} stands beside class_path. Arguments of a class stand below init_args."
