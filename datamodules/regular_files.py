"""Files that a user names, read only where they are regular files: a named pipe would be waited for without end."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}


def stat_file(path: str | Path) -> os.stat_result:
    """Look at a regular file; links are followed.

    Raises:
        FileNotFoundError: There is nothing at the path.
        PermissionError: It may not be looked at.
        ValueError: It is a link that leads nowhere, or no regular file. The message goes on from the name of the
            file, as "is a folder" does.
    """
    try:
        with permitted(path):
            found = os.stat(path)  # noqa: PTH116 -- of 200,000 files; a Path each takes as long again
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("is a link that leads back to itself, not a file") from error
        if error.errno in (errno.ENOENT, errno.ENOTDIR) and os.path.islink(path):  # noqa: PTH114
            raise ValueError(f"is a link to {os.readlink(path)}, which is not there") from error  # noqa: PTH115
        raise
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"is a {KINDS.get(stat.S_IFMT(found.st_mode), 'device')}, not a regular file")
    return found


def read_file(path: str | Path) -> bytes:
    """Content of a regular file.

    Raises:
        OSError: It could not be read.
        ValueError: It is no regular file, see :func:`stat_file`.
    """
    stat_file(path)
    with permitted(path), open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def is_file(path: Path) -> bool:
    """Whether there is a regular file at the path; links are followed.

    Raises:
        PermissionError: It may not be looked at.
    """
    with permitted(path):
        return path.is_file()


@contextmanager
def permitted(path: str | Path) -> Iterator[None]:
    """Say how to get a permission where it turns out to be missing.

    Raises:
        PermissionError: What is done inside is not permitted.
    """
    try:
        yield
    except PermissionError as error:
        if error.errno is None:  # said already
            raise
        raise PermissionError(
            f"{error.filename or path} cannot be read: permission denied. Give your user the permission, for example "
            "with chmod u+rX, or move it away."
        ) from error
