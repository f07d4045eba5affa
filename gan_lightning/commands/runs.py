"""Run directories: each run has its own, and locks it."""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.parts import is_named

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

VARIABLE = "GAN_LIGHTNING_RUN"
"""Tells the processes that Lightning starts which directory the first one has taken."""
LONGEST = 200
"""Bytes of a name; file systems take 255, and some names are extended."""


def check_root(root: str) -> Path:
    """The folder of all runs.

    Raises:
        ValueError: If it is not on a file system.
    """
    if "://" in root:
        raise ValueError(
            f"--trainer.default_root_dir is '{root}', but runs are kept on a file system: give a folder, and copy the "
            "run when it has finished."
        )
    return Path(root)


def check_name(name: str) -> str:
    """The name of a run, which is that of a folder.

    Raises:
        ValueError: If no folder can have it.
    """
    if name in {"", ".", ".."} or set("/\\\0") & set(name) or name != name.strip() or len(name.encode()) > LONGEST:
        raise ValueError(
            f"--run_name must be the name of a folder, without slashes, of at most {LONGEST} bytes, got {name!r}. "
            "--trainer.default_root_dir says where runs are."
        )
    return name


def take(root: Path, name: str, or_another: bool) -> Path:
    """Make a directory for a new run.

    Only the first process makes it; the others are told it, or find it by the same name.

    Args:
        root: The folder of all runs.
        name: Of the run.
        or_another: Whether to append a number to a name that is taken, as for default names.

    Raises:
        FileExistsError: If the name is taken.
    """
    if not _is_first():
        return Path(os.environ.get(VARIABLE, root / name))
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    for directory in (root / candidate for candidate in itertools.chain([name], numbered)):
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            if not or_another:
                raise FileExistsError(
                    f"The run directory '{directory}' exists. Choose another --run_name, or resume that run with "
                    "--ckpt_path last."
                ) from None
        except OSError as error:
            raise OSError(
                f"The run directory cannot be created: {error}. Choose another --trainer.default_root_dir."
            ) from error
        else:
            break
    os.environ[VARIABLE] = str(directory)
    return directory


def new_name(*words: str) -> str:
    """A name made of words and the time."""
    return "-".join([*words, time.strftime("%Y%m%d-%H%M%S")])


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keep other processes from training in a run directory; remove it if it stays empty.

    The kernel releases the lock of a process that is killed.

    Raises:
        BlockingIOError: If another process is training there.
    """
    if not _is_first():
        yield
        return
    try:
        if fcntl and directory.is_dir():
            _lock(directory)
        yield
    finally:
        _release()
        os.environ.pop(VARIABLE, None)
        with contextlib.suppress(OSError):  # something was written
            directory.rmdir()


def is_held(directory: Path) -> bool:
    """Whether a process is training in a run directory; unknown, so no, where there are no locks."""
    if not fcntl:
        return False
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


_locks: list[int] = []
"""Descriptors of the directories that are locked."""


def _lock(directory: Path) -> None:
    _locks.append(os.open(directory, os.O_RDONLY))
    try:
        fcntl.flock(_locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(
            f"Another process is training in '{directory}'. Wait until it has ended, or choose another --run_name."
        ) from None
    except OSError:  # a file system without locks
        return


def _release() -> None:
    while _locks:
        os.close(_locks.pop())


if fcntl:
    os.register_at_fork(after_in_child=_release)  # a loader's worker may outlive the run by seconds


def find_checkpoint(root: Path, name: str | None, which: str, gan: type) -> Path | None:
    """The checkpoint of a run.

    Args:
        root: The folder of all runs.
        name: Of the run; None for the one of this GAN whose checkpoint is the newest.
        which: "last" or "best".
        gan: The class that the checkpoint must be of if no name is given.
    """
    runs = [root / name] if name is not None else list(root.iterdir()) if root.is_dir() else []
    paths = [path for run in runs if (path := run / "checkpoints" / f"{which}.ckpt").is_file()]
    newest_first = sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)
    return next((path for path in newest_first if name or is_named(gan, read_checkpoint(path)["gan"])), None)


def checkpoints_in(run: Path) -> list[str]:
    """The names of the checkpoints that a run has."""
    return sorted(path.name for path in (run / "checkpoints").glob("*.ckpt"))


def _is_first() -> bool:
    return bool(rank_zero_only.rank == 0)  # type: ignore[attr-defined]
