"""Commands that need data and no GAN: ``gan-lightning prepare-data`` and ``gan-lightning check-data``."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from lightning.pytorch import LightningDataModule


class Check(Protocol):
    """What a check found; its ``str()`` is a report to read."""

    @property
    def ok(self) -> bool:
        """Whether nothing is missing or damaged."""
        ...


@runtime_checkable
class SupportsCheck(Protocol):
    """What a data module must offer to be checked."""

    def check(self, deep: bool = False) -> Check:
        """Look at the files; with ``deep``, also at what each holds."""
        ...


def check_data(data: LightningDataModule, deep: bool = False) -> int:
    """Look for files that are missing or damaged, and print a report.

    Args:
        data: A data set, such as MNISTDataModule; its options are --data.root and so on.
        deep: Whether to read every image as well, which may take minutes.

    Returns:
        The exit status: 0 if all is well, 1 if something is missing or damaged.

    Raises:
        TypeError: If the data set offers no check.
    """
    if not isinstance(data, SupportsCheck):
        raise TypeError(f"{type(data).__name__} has no method check(deep). Choose a data set that has, or write it.")
    report = data.check(deep)
    print(report)
    return 0 if report.ok else 1


def prepare_data(data: LightningDataModule) -> None:
    """Download and convert what a training would, and say where it is.

    Args:
        data: A data set, such as MNISTDataModule; its options are --data.root and so on.

    Raises:
        OSError: If files are missing and cannot be downloaded.
        ValueError: If a file is damaged.
    """
    data.prepare_data()
    print(f"{type(data).__name__} is ready: {_describe(getattr(data, 'folder', None))}.")


def _describe(folder: Path | None) -> str:
    """What a training will read: downloaded files, or the cache that was made of files."""
    if folder is None:
        return "it needs no files but the package's own"
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{len(sizes)} files, {sum(sizes) / 1e6:,.1f} MB in {folder}"
