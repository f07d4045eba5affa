"""Where image files lie: in a folder tree, or in a zip or tar archive, which is read without being extracted."""

import errno
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from hashlib import blake2b
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from datamodules.regular_files import permitted, read_file, stat_file

DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
"""What reading a member of a damaged zip archive raises, besides OSError."""
ARCHIVED_LINK = "is a link within the archive, not a regular file"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


def is_image_name(name: str) -> bool:
    """Whether a name, with / between folders, is that of an image and hidden nowhere on its path.

    Example:
        >>> [is_image_name(name) for name in ("cats/1.JPG", "cats/readme.txt", ".trash/1.jpg", "__MACOSX/._1.jpg")]
        [True, False, False, False]
    """
    return name.lower().endswith(SUFFIXES) and not any(map(is_hidden, name.split("/")))


def is_hidden(part: str) -> bool:
    """Whether a file or folder of this name is the system's, not the user's."""
    return part.startswith(".") or part == "__MACOSX"


def encode(text: str) -> bytes:
    """UTF-8, also of file names that are no valid text."""
    return text.encode(errors="surrogateescape")


class FileStamp(NamedTuple):
    """What is known of a file without reading it.

    Args:
        size: Bytes.
        mark: Changes with the content: the time of modification, or a checksum.
        fault: Why it is no file that can be read, going on from its name; empty if it is one.
    """

    size: int
    mark: str
    fault: str = ""


class ImageSource(ABC):
    """Image files by their names. It can be handed to other processes, which may read at once.

    Args:
        path: The folder or archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def files(self) -> dict[str, FileStamp]:
        """The image files by name, in order, with / between folders."""
        return {name: stamp for name, stamp in self._listed if not stamp.fault}

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """What is named like an image but is no file, such as a named pipe: each path, and what it is, in words."""
        return tuple(f"{self.path / name} {stamp.fault}" for name, stamp in self._listed if stamp.fault)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all names, sizes and marks; known without reading the files."""
        lines = (f"{name}/{stamp.size}/{stamp.mark}" for name, stamp in self.files.items())
        return blake2b(encode("\n".join(lines)), digest_size=8).hexdigest()

    @cached_property
    def _listed(self) -> list[tuple[str, FileStamp]]:
        return sorted((name, stamp) for name, stamp in self.list_files() if is_image_name(name))

    @abstractmethod
    def list_files(self) -> Iterator[tuple[str, FileStamp]]:
        """Yield the files; those that are not images may be among them."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Content of a file.

        Raises:
            OSError: It could not be read.
            ValueError: It is no regular file, or the archive is damaged at it; the message goes on from its name.
        """


class FolderSource(ImageSource):
    """The files below a folder; links are followed, each folder is entered once."""

    def list_files(self) -> Iterator[tuple[str, FileStamp]]:
        """Yield the files, marked with their time of modification; a folder that is called like an image is a fault."""
        root = os.fspath(self.path)
        entered = {_identity(root)}
        with permitted(root):
            for folder, subfolders, names in os.walk(root, onerror=_raise, followlinks=True):
                visible = sorted(name for name in subfolders if not is_hidden(name) and not is_image_name(name))
                below = PurePosixPath(os.path.relpath(folder, root)).as_posix()
                for name in filter(is_image_name, (*names, *subfolders)):
                    yield (name if below == "." else f"{below}/{name}"), _stamp(f"{folder}/{name}")
                subfolders[:] = [name for name in visible if _is_new(_identity(f"{folder}/{name}"), entered)]

    def read(self, name: str) -> bytes:
        """Content of a file."""
        return read_file(f"{self.path}/{name}")


class ZipSource(ImageSource):
    """The members of a zip archive.

    Raises:
        ValueError: The archive is damaged, encrypted, or has members that point out of it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self.archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            with path.open("rb") as file:
                is_page = file.read(512).lstrip()[:1] == b"<"
            found = "a web page" if is_page else f"a damaged zip archive of {path.stat().st_size:,} bytes ({error})"
            raise ValueError(f"{path} is {found}. Download or copy the archive again.") from error
        self.process = os.getpid()
        refuse_escapes(path, self.archive.namelist())
        if any(member.flag_bits & 1 for member in self.archive.infolist()):
            raise ValueError(f"{path} is encrypted. Extract it, and name the folder instead.")

    def __reduce__(self) -> tuple[type["ZipSource"], tuple[Path]]:
        """Open the archive again in a process that was not forked."""
        return ZipSource, (self.path,)

    def list_files(self) -> Iterator[tuple[str, FileStamp]]:
        """Yield the members, marked with their checksum; a link is a fault."""
        for member in self.archive.infolist():
            is_link = stat.S_ISLNK(member.external_attr >> 16)
            yield member.filename, FileStamp(member.file_size, f"{member.CRC:08x}", ARCHIVED_LINK if is_link else "")

    def read(self, name: str) -> bytes:
        """Content of a member, whose checksum is verified."""
        try:
            if self.process != os.getpid():  # after a fork both would move one position in the file
                self.archive.fp, self.process = self.path.open("rb"), os.getpid()
            return self.archive.read(name)
        except (*DAMAGE, OSError) as error:
            if getattr(error, "errno", None) in (None, errno.EINVAL):  # an OSError without one is bz2's
                raise ValueError(f"is damaged within the archive: {error}") from error
            raise


class TarSource(ImageSource):
    """The members of an uncompressed tar archive.

    Raises:
        ValueError: The archive is damaged, compressed, or has members that point out of it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            with tarfile.open(path, "r:") as archive:
                members = archive.getmembers()
        except tarfile.TarError as error:
            raise ValueError(
                f"{path} cannot be read: {error}. A compressed tar archive has no index; extract it and name the "
                "folder, or pack the images as .zip."
            ) from error
        refuse_escapes(path, (member.name for member in members))
        self.members = {member.name.removeprefix("./"): member for member in members}

    def list_files(self) -> Iterator[tuple[str, FileStamp]]:
        """Yield the members, marked with their time of modification; one that is no regular file is a fault."""
        for name, member in self.members.items():
            yield name, FileStamp(member.size, str(member.mtime), _fault_of(member))

    def read(self, name: str) -> bytes:
        """Content of a member."""
        member = self.members[name]
        with self.path.open("rb") as file:
            file.seek(member.offset_data)
            return file.read(member.size)


def open_source(path: Path) -> ImageSource:
    """Open a folder or an archive of images.

    Raises:
        FileNotFoundError: There is nothing at the path.
        PermissionError: It may not be read.
        ValueError: It is no folder and no archive, or an archive that is refused.
    """
    with permitted(path):
        if path.is_dir():
            return FolderSource(path)
        try:
            stat_file(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(f"{path} is missing: there is no such folder or archive of images.") from error
        except ValueError as error:
            raise ValueError(
                f"{path} {error}. Set root to a folder, or to a .zip or .tar archive, of images."
            ) from error
        if zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
            return ZipSource(path)
        if ".tar" in path.suffixes or path.suffix.lower() in (".tgz", ".tbz", ".txz"):
            return TarSource(path)
    raise ValueError(f"{path} is neither a folder nor a .zip or .tar archive of images.")


def refuse_escapes(path: Path, names: Iterable[str]) -> None:
    """Check that no member of an archive points out of it.

    Nothing is extracted, so that none could do harm; but such an archive was made to, or is damaged.

    Raises:
        ValueError: One does.
    """
    for name in names:
        windows = PureWindowsPath(name)  # it knows both slashes
        if windows.anchor or ".." in windows.parts:
            raise ValueError(
                f"{path} was refused: its member {name!r} points out of the archive. Nothing was read or extracted; "
                "get the archive from a source that you trust."
            )


def _stamp(path: str) -> FileStamp:
    try:
        found = stat_file(path)
    except ValueError as error:
        return FileStamp(0, "", str(error))
    return FileStamp(found.st_size, str(found.st_mtime_ns))


def _fault_of(member: tarfile.TarInfo) -> str:
    if member.isfile():
        return ""
    return ARCHIVED_LINK if member.issym() or member.islnk() else "is no regular file"


def _identity(folder: str) -> tuple[int, int]:
    found = os.stat(folder)  # noqa: PTH116
    return found.st_dev, found.st_ino


def _is_new(identity: tuple[int, int], entered: set[tuple[int, int]]) -> bool:
    is_new = identity not in entered
    entered.add(identity)
    return is_new


def _raise(error: OSError) -> None:
    raise error
