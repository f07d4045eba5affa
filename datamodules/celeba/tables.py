"""CelebA's metadata: the official text files, and the CSV files that Kaggle makes of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from datamodules.regular_files import read_file

ATTRIBUTES = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald"),
    *("Bangs", "Big_Lips", "Big_Nose", "Black_Hair", "Blond_Hair"),
    *("Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin"),
    *("Eyeglasses", "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones"),
    *("Male", "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes", "No_Beard"),
    *("Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks"),
    *("Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings"),
    *("Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young"),
)
"""The 40 binary attributes, in the order of the official file."""

CURE = "Get the file again."
Row = tuple[int, list[str]]


def read_partition(path: Path) -> dict[str, int]:
    """Read `list_eval_partition.txt` or `.csv`.

    Returns:
        For each file name 0 (training), 1 (validation) or 2 (test).

    Raises:
        ValueError: A line is not as it must be; the message names it.
    """
    lines = read_lines(path)
    is_csv = "," in lines[0]
    rows = split_rows(path, lines, 1 if is_csv else 0, ["partition"], "," if is_csv else None)
    return {name: part for name, (part,) in read_values(path, rows, [0], ("0", "1", "2")).items()}


def read_attributes(path: Path, attributes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read columns of `list_attr_celeba.txt` or `.csv`.

    Args:
        path: The file.
        attributes: The names of the columns.

    Returns:
        For each file name -1 (no) or 1 (yes) for each of the attributes.

    Raises:
        ValueError: A line is not as it must be, or the file lacks an attribute; the message names it.
    """
    lines = read_lines(path)
    is_csv = "," in lines[0]
    first = 1 if is_csv else 2
    names = [cell.strip() for cell in lines[0].split(",")[1:]] if is_csv else " ".join(lines[1:2]).split()
    absent = [attribute for attribute in attributes if attribute not in names]
    if absent:
        raise ValueError(f"{path} has no column {', '.join(absent)}: it begins with {lines[0][:60]!r}. {CURE}")
    if not is_csv and lines[0].strip() != str(len(lines) - first):
        raise ValueError(
            f"{path} holds {len(lines) - first} images, but its first line says {lines[0].strip()!r}. {CURE}"
        )
    rows = split_rows(path, lines, first, names, "," if is_csv else None)
    return read_values(path, rows, [names.index(attribute) for attribute in attributes], ("-1", "1"))


def read_table(path: Path) -> bytes:
    """Content of a metadata file.

    Raises:
        PermissionError: It may not be read.
        ValueError: It is no regular file.
    """
    try:
        return read_file(path)
    except ValueError as error:
        raise ValueError(f"{path} {error}. {CURE}") from error


def read_lines(path: Path) -> list[str]:
    """Read a text file's lines, whichever way they end, without the empty ones at its end.

    Raises:
        ValueError: It is no text, or empty, or a web page.
    """
    try:
        lines = read_table(path).decode("utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file: {error}. {CURE}") from error
    if not lines:
        raise ValueError(f"{path} is empty. {CURE}")
    if lines[0].lstrip().startswith("<"):
        raise ValueError(f"{path} is a web page ({lines[0][:40]!r} ...). {CURE}")
    return lines


def split_rows(path: Path, lines: list[str], first: int, names: Sequence[str], separator: str | None) -> Iterator[Row]:
    """Split lines into cells: the file name, and a value for each column.

    Yields:
        The number of the line, from 1, and its cells.

    Raises:
        ValueError: A line has another number of cells.
    """
    for index in range(first, len(lines)):
        cells = lines[index].split(separator)
        if len(cells) != 1 + len(names):
            raise ValueError(
                f"{path}, line {index + 1}, has {len(cells)} columns, but must have {1 + len(names)}: "
                f"{lines[index][:60]!r}. {CURE}"
            )
        yield index + 1, cells


def read_values(
    path: Path, rows: Iterator[Row], columns: Sequence[int], legal: tuple[str, ...]
) -> dict[str, tuple[int, ...]]:
    """Read some columns of each row as numbers.

    Args:
        path: The file, for messages.
        rows: Numbers and cells of the lines.
        columns: Positions of the columns after the file name.
        legal: The values that there may be.

    Returns:
        The numbers by file name.

    Raises:
        ValueError: A value is not legal, or a file name stands there twice.
    """
    values: dict[str, tuple[int, ...]] = {}
    numbers = {text: int(text) for text in legal}
    for line, (name, *cells) in rows:
        try:
            row = tuple([numbers[cells[column].strip()] for column in columns])
        except KeyError as error:
            raise ValueError(
                f"{path}, line {line}, has the value {error.args[0]!r}, but must have one of {', '.join(legal)}. {CURE}"
            ) from error
        if name in values:
            raise ValueError(f"{path}, line {line}, names {name} a second time. {CURE}")
        values[name] = row
    return values
