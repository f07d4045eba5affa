"""Pixels decoded once: a memory-mapped uint8 array on disk, which is either complete or not there."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from datamodules.arguments import describe_size
from datamodules.decode import Decoder, decode_all
from datamodules.pixels import MappedFile
from datamodules.regular_files import read_file, stat_file
from datamodules.report import count_images
from datamodules.sources import ImageSource, encode

LAYOUT_VERSION = 4
"""Raised by one with each change of what a decoded pixel is, or of how a cache is laid out on disk."""
PARTIAL = ".partial"
UNWRITABLE = "no files can be made in"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class CachedPixels(NamedTuple):
    """A complete cache.

    Args:
        path: File of the pixels of N images, one image after the other.
        image_shape: (C, H, W).
        kept: (N,) int64, ascending: which of the named files these are.
        skipped: The other files, and what is wrong with each.
        remarks: Those of the files that were kept that are odd, and what is odd about each.
    """

    path: Path
    image_shape: tuple[int, int, int]
    kept: Tensor
    skipped: dict[str, str]
    remarks: dict[str, str]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)."""
        return (len(self.kept), *self.image_shape)

    @property
    def pixels(self) -> Tensor:
        """(N, C, H, W) uint8, memory-mapped; not to be written to.

        Raises:
            FileNotFoundError: The file is not there any more.
            ValueError: It is not of this shape any more.
        """
        return MappedFile(self.path, torch.Size(self.shape).numel()).tensor.view(self.shape)


class PixelCache:
    """The pixels of image files, decoded by all cores on first use and memory-mapped from then on.

    A cache is a folder of its own, named after all that decides its pixels. It is written under another name, and
    renamed when it is complete: what a crash leaves behind is never used, and the next build deletes it. Of several
    processes or jobs one builds, and the others wait for it. A cache may be deleted at any time.

    Args:
        folders: Where caches may lie. The first that can be written to takes a new one.
        name: Name of the data set, usable in a file name.
        source: Where the files are.
        names: The files, in the order of their pixels.
        decoder: Makes the pixels of a file.
    """

    def __init__(
        self, folders: Sequence[Path], name: str, source: ImageSource, names: Sequence[str], decoder: Decoder
    ) -> None:
        self.folders = folders
        self.source = source
        self.names = names
        self.decoder = decoder
        self.image_shape = decoder.image_shape
        digest = blake2b(f"{LAYOUT_VERSION} {source.fingerprint} {decoder}".encode(), digest_size=8)
        digest.update(encode("\n".join(names)))
        self.key = f"{name}-{describe_size(*self.image_shape[1:])}px-{digest.hexdigest()}"

    @property
    def size(self) -> int:
        """Bytes that the pixels of all files take."""
        return len(self.names) * torch.Size(self.image_shape).numel()

    def find(self) -> CachedPixels | None:
        """Open the cache where it is complete; None if it is not there."""
        opened = (self._open(folder / self.key) for folder in self.folders)
        return next(filter(None, opened), None)

    def find_or_build(self, skip_damaged: bool) -> CachedPixels:
        """Open the cache, and build it first where it is not there.

        Args:
            skip_damaged: Leave damaged files out. A cache that left some out is used under this rule only.

        Raises:
            ValueError: A file is damaged, and not to be left out; or all are.
            OSError: A file cannot be read, no folder can be written to, or the disk is full; nothing is left of the
                attempt.
        """
        cached = self.find()
        if cached is None:
            folder = first_writable(self.folders)
            with locked(folder / ".lock", f"the cache {folder / self.key}"):
                cached = self._open(folder / self.key) or self._build(folder, skip_damaged)
        if cached.skipped and not skip_damaged:
            self._refuse(*next(iter(cached.skipped.items())))
        if cached.skipped:
            rank_zero_warn(skip_message(self.source, cached.skipped, len(self.names)))
        if cached.remarks:
            rank_zero_warn(dim_message(self.source, cached.remarks))
        return cached

    def _open(self, path: Path) -> CachedPixels | None:
        """Open a cache; None if it is not there, or damaged: it is then built again."""
        try:
            found = json.loads(read_file(path / "cache.json"))
            skipped, remarks = dict(found["skipped"]), dict(found["remarks"])
            kept = [index for index, name in enumerate(self.names) if name not in skipped]
            cached = CachedPixels(path / "pixels", self.image_shape, torch.tensor(kept), skipped, remarks)
            is_current = found["layout"] == LAYOUT_VERSION
            is_whole = stat_file(cached.path).st_size == torch.Size(cached.shape).numel()
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None
        return cached if is_current and is_whole else None

    def _build(self, folder: Path, skip_damaged: bool) -> CachedPixels:
        for stale in (*folder.glob(f"*{PARTIAL}"), folder / self.key):  # who made them died: the lock is ours
            shutil.rmtree(stale, ignore_errors=True)
        self._check_disk(folder)
        rank_zero_info(f"Decoding {count_images(len(self.names))} into {folder / self.key} ({self.size / 1e9:.2f} GB).")
        partial = folder / f"{self.key}{PARTIAL}"
        try:
            partial.mkdir()
            skipped, remarks = self._write(partial / "pixels", skip_damaged)
            with (partial / "cache.json").open("w") as file:
                json.dump({"layout": LAYOUT_VERSION, "skipped": skipped, "remarks": remarks}, file)
                sync(file)
            partial.rename(folder / self.key)
        except OSError as error:
            if error.errno in DISK_FULL:
                raise self._disk_full(folder, "while it was written") from error
            raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        cached = self._open(folder / self.key)
        if cached is None:
            raise OSError(f"{folder / self.key} was written, but cannot be opened. Check the disk.")
        return cached

    def _write(self, path: Path, skip_damaged: bool) -> tuple[dict[str, str], dict[str, str]]:
        """Write the pixels of all files that are not damaged.

        Returns:
            The damaged files, and what is wrong with each; and the others that are odd, and what is odd about each.
        """
        skipped: dict[str, str] = {}
        remarks: dict[str, str] = {}
        decoded = decode_all(self.source, self.names, self.decoder)
        bar = Tqdm(total=len(self.names), unit=" images", desc="Decoding", disable=None)  # None: on a terminal only
        with path.open("wb") as file, bar:
            for name, (pixels, remark) in zip(self.names, decoded, strict=True):
                bar.update()
                if pixels is None and not skip_damaged:
                    self._refuse(name, remark)
                elif pixels is None:
                    skipped[name] = remark
                else:
                    file.write(pixels.data)
                    remarks |= {name: remark} if remark else {}
            sync(file)
        if len(skipped) == len(self.names):
            raise ValueError(
                f"None of the {count_images(len(self.names))} of {self.source.path} can be used:"
                f"{list_skipped(self.source, skipped)}\nReplace them, or set root to other images."
            )
        return skipped, remarks

    def _refuse(self, name: str, reason: str) -> None:
        raise ValueError(
            f"{self.source.path / name} (image {self.names.index(name)} of {len(self.names)}) {reason}. Replace it, or "
            "set on_error to skip (--data.on_error skip), which leaves such images out. check(deep=True) lists "
            "them all."
        )

    def _check_disk(self, folder: Path) -> None:
        free = shutil.disk_usage(folder).free
        if free < self.size:
            raise self._disk_full(folder, f"which has {free / 1e9:.2f} GB free")

    def _disk_full(self, folder: Path, how: str) -> OSError:
        return OSError(
            errno.ENOSPC,
            f"The cache of {count_images(len(self.names))} needs {self.size / 1e9:.2f} GB, too much for the disk of "
            f"{folder}, {how}. Free space there, set cache_dir to a folder on another disk, or choose a smaller "
            "image_size. Nothing is left of the attempt",
        )


def skip_message(source: ImageSource, skipped: dict[str, str], total: int) -> str:
    """Count the files that were left out, and name the first."""
    return f"Skipped {len(skipped):,} of {count_images(total)}:{list_skipped(source, skipped)}"


def list_skipped(source: ImageSource, skipped: dict[str, str], shown: int = 5) -> str:
    """Say what is wrong with the first of the files that were left out, a line each, and count the others."""
    first = "".join(f"\n  {source.path / name} {reason}" for name, reason in islice(skipped.items(), shown))
    more = f"\n  and {len(skipped) - shown} more" if len(skipped) > shown else ""
    return f"{first}{more}"


def dim_message(source: ImageSource, remarks: dict[str, str]) -> str:
    """Name the first of the images that are dim, and count the others."""
    name, remark = next(iter(remarks.items()))
    more = f", the first of {len(remarks):,} that do" if len(remarks) > 1 else ""
    return (
        f"{source.path / name} {remark}{more}: scaled by that range, it comes out nearly black. Save such images with "
        "8 bits, or with values that fill the range."
    )


def first_writable(folders: Sequence[Path]) -> Path:
    """Choose the first folder in which files can be made, and make it; warn if it is not the very first.

    Raises:
        PermissionError: There is none.
    """
    reasons: list[str] = []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            reasons.append(f"{folder} ({error.strerror})")
            continue
        if reasons:
            rank_zero_warn(f"The cache of decoded images lies in {folder}, because {UNWRITABLE} {', '.join(reasons)}.")
        return folder
    raise PermissionError(
        f"No cache of decoded images can be made, because {UNWRITABLE} {', '.join(reasons)}. Set cache_dir to a folder "
        "in which you may make files."
    )


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock among all processes; it ends with the process, however that ends."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        rank_zero_info(f"Waiting for another process, which is making {what}.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def sync(file: Any) -> None:
    """Write a file through to the disk, so that a rename after it never shows an incomplete one."""
    file.flush()
    os.fsync(file.fileno())
