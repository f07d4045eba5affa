"""IDX files, the format of MNIST and its relatives, checked against what was published."""

import gzip
import hashlib
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.regular_files import is_file, read_file


class IdxFile(NamedTuple):
    """A published file of bytes, uncompressed.

    Args:
        name: Name of the file, without .gz.
        shape: Its dimensions.
        md5: Checksum of the uncompressed file.
    """

    name: str
    shape: tuple[int, ...]
    md5: str

    @property
    def header(self) -> bytes:
        """Big-endian 32-bit words: 0x800 (uint8) + number of dimensions, then the dimensions."""
        return b"".join(word.to_bytes(4, "big") for word in (0x800 + len(self.shape), *self.shape))

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.header) + torch.Size(self.shape).numel()

    def find(self, folder: Path) -> Path | None:
        """Path in the folder, uncompressed or else as .gz; None if it is not there."""
        candidates = (folder / self.name, folder / f"{self.name}.gz")
        return next((path for path in candidates if is_file(path)), None)

    def read(self, folder: Path) -> Tensor:
        """Read the file and check it.

        Returns:
            uint8 of `shape`.

        Raises:
            FileNotFoundError: It is not in the folder.
            ValueError: It is not the published file: truncated, another one, a web page in its place.
        """
        path = self.find(folder)
        if path is None:
            raise FileNotFoundError(
                f"{folder / self.name} is missing, and so is its .gz. Copy the file there, or call prepare_data() "
                "to download it."
            )
        content = read_file(path)
        if path.suffix == ".gz":
            with suppress(OSError, EOFError, zlib.error):  # a damaged archive is described below
                content = gzip.decompress(content)
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != self.md5:
            raise ValueError(
                f"{path} holds {self.describe(content)}, but should be the published {self.name}: "
                f"{self.size:,} bytes of shape {self.shape} with md5 {self.md5}. Move the file away and run "
                "again to download it, or copy the published file there."
            )
        return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=len(self.header)).view(self.shape)

    def describe(self, content: bytes) -> str:
        """Say what a content is that is not this file's."""
        if content.lstrip()[:1] == b"<":
            return f"a web page ({content.lstrip()[:40]!r} ...)"
        if content[:2] == b"\x1f\x8b":
            return f"a damaged gzip archive of {len(content):,} bytes"
        if content[:3] != b"\0\0\x08" or len(content) < len(self.header):
            return f"{len(content):,} bytes that are no IDX file (they begin with {content[:4]!r})"
        if not content.startswith(self.header):
            words = range(4, 4 + 4 * content[3], 4)
            shape = tuple(int.from_bytes(content[word : word + 4], "big") for word in words)
            return f"an IDX file of shape {shape}"
        if len(content) != self.size:
            return f"{len(content):,} bytes ({'truncated' if len(content) < self.size else 'too long'})"
        return f"other content of the same size (md5 {hashlib.md5(content, usedforsecurity=False).hexdigest()})"
