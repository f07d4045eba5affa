"""Image files to pixels: the one place that decodes, crops and resizes."""

import math
import os
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset

from datamodules.arguments import as_integer, read_count, read_size
from datamodules.formats import DAMAGE, DimImageWarning, describe, open_image, to_8_bits
from datamodules.sources import ImageSource

Pixels = npt.NDArray[np.uint8]

MOST_IN_CHUNK, CHUNK_BYTES = 64, 2**20
"""Images that a process decodes at a time: so many, and of no more bytes, but one at least."""


class Decoded(NamedTuple):
    """What became of a file.

    Args:
        pixels: (C, H, W) uint8; None where the file cannot be used.
        remark: Why it cannot be used, or else what is odd about it, going on from its name; empty if nothing is.
    """

    pixels: Pixels | None
    remark: str = ""


@dataclass(frozen=True)
class Decoder:
    """Decodes an image file, cuts out its centre and resizes it.

    Pillow decodes; PyTorch resizes by the same antialiased bilinear filter as Pillow, in less than half the time. The
    pixels are those that torchvision's `CenterCrop(crop)` and `Resize(size)` make of a PIL image, to one part in 255.
    JPEGs are decoded in full: a decoder that scales (Pillow's `draft`) is faster and gives other pixels.

    Args:
        size: Height and width of the result in pixels, each at least 1: a pair, or one number for both.
        crop: Side in pixels, at least 1, of the central square that the result is cut from; None to cut it from the
            whole image. The cut is the largest one that has the proportions of `size`.
        source_size: (width, height) that every image must have; None for any.
        channels: 3 for RGB, 1 for grey.

    Raises:
        ValueError: An argument is not legal.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (178, 218), "red").save(file, "JPEG")
        >>> Decoder(size=(64, 48), crop=148)(file.getvalue()).shape
        (3, 64, 48)
    """

    size: int | Sequence[int]
    crop: int | None = None
    source_size: tuple[int, int] | None = None
    channels: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", read_size(self.size))
        if self.crop is not None:
            object.__setattr__(self, "crop", read_count("crop", self.crop))
        if as_integer(self.channels) not in (1, 3):
            raise ValueError(f"channels is {self.channels!r}, but must be 3 (RGB) or 1 (grey).")
        object.__setattr__(self, "channels", as_integer(self.channels))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the result."""
        return (self.channels, *read_size(self.size))

    def __call__(self, content: bytes) -> Pixels:
        """Decode a file.

        Args:
            content: The whole file, of one of :data:`datamodules.formats.FORMATS` and of any mode; of an animation
                the first frame is taken.

        Returns:
            (channels, height, width), RGB or grey.

        Raises:
            ValueError: The file is no image, of another format, damaged, of an unknown range of values, or not of the
                size that it must have. The message goes on from the name of the file, as "is empty" does.

        Warns:
            DimImageWarning: The file has more than 8 bits, and uses less than 1/16 of their range.
        """
        _, *size = self.image_shape
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow about metadata, of PyTorch that bytes are read-only
            try:
                with open_image(content) as opened:
                    upright, is_dim = to_8_bits(opened, "RGB" if self.channels == 3 else "L")
                # Both Pillow and PyTorch's resize work on four bytes a pixel: three would be unpacked and packed again.
                planes = upright.tobytes("raw", "RGBX") if self.channels == 3 else upright.tobytes()
                flat = torch.frombuffer(planes, dtype=torch.uint8)
            except DAMAGE as error:
                raise ValueError(describe(content, error)) from error
        if is_dim:
            warnings.warn("uses less than 1/16 of the range of values that it declares", DimImageWarning, stacklevel=2)
        cut = self.cut(flat.view(upright.height, upright.width, -1)).permute(2, 0, 1)
        resized = interpolate(cut[None], size, mode="bilinear", antialias=True)
        return resized[0, : self.channels].contiguous().numpy()

    def cut(self, pixels: Tensor) -> Tensor:
        """Cut out the centre: the largest part of the central square, or of the image, of the result's proportions.

        Args:
            pixels: (H, W, channels).

        Returns:
            (height, width, channels), a view.

        Raises:
            ValueError: The image is smaller than the square, or not of the size that it must have.
        """
        height, width, _ = pixels.shape
        if self.source_size not in (None, (width, height)):
            raise ValueError(
                "is an image of {} x {} pixels, but must be of {} x {}".format(width, height, *self.source_size)
            )
        if self.crop and self.crop > min(width, height):
            raise ValueError(f"is an image of {width} x {height} pixels, smaller than the crop of {self.crop}")
        _, *size = self.image_shape
        high, wide = largest_within(self.crop or height, self.crop or width, *size)
        left, top = round((width - wide) / 2), round((height - high) / 2)  # rounds half to even, as torchvision does
        return pixels[top : top + high, left : left + wide]


def largest_within(height: int, width: int, *proportions: int) -> tuple[int, int]:
    """Height and width of the largest rectangle of given proportions, (height, width), within another.

    Example:
        >>> largest_within(218, 178, 64, 64), largest_within(218, 178, 64, 48), largest_within(178, 178, 64, 48)
        ((178, 178), (218, 164), (178, 134))
    """
    tall, broad = proportions
    if height * broad <= width * tall:
        return height, max(1, round(height * broad / tall))
    return max(1, round(width * tall / broad)), width


class DecodedChunks(Dataset[list[Decoded | OSError]]):
    """The images of a source, some at a time.

    Args:
        source: Where the files are.
        names: The files.
        decoder: Makes the pixels of a file.
    """

    def __init__(self, source: ImageSource, names: Sequence[str], decoder: Decoder) -> None:
        self.source = source
        self.names = names
        self.decoder = decoder
        self.chunk = max(1, min(MOST_IN_CHUNK, CHUNK_BYTES // math.prod(decoder.image_shape)))

    def __len__(self) -> int:
        """Number of chunks."""
        return math.ceil(len(self.names) / self.chunk)

    def __getitem__(self, index: int) -> list[Decoded | OSError]:
        """Decode the files of a chunk; what goes wrong is returned, for an exception would lose its type on the way."""
        first = index * self.chunk
        return [self.decode(name) for name in self.names[first : first + self.chunk]]

    def decode(self, name: str) -> Decoded | OSError:
        """Decode a file.

        Returns:
            What became of it, or why it cannot be read.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                pixels = self.decoder(self.source.read(name))
            except ValueError as error:
                return Decoded(None, str(error))
            except OSError as error:
                return error
        return Decoded(pixels, *(str(dim.message) for dim in caught if dim.category is DimImageWarning))


def decode_all(source: ImageSource, names: Sequence[str], decoder: Decoder) -> Iterator[Decoded]:
    """Decode files by as many processes as there are cores, or in this one if they are few.

    Args:
        source: Where the files are.
        names: The files.
        decoder: Makes the pixels of a file.

    Yields:
        In order for each file what became of it.

    Raises:
        OSError: A file cannot be read. It is not to be skipped as a damaged one is, for the disk may be at fault.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores, len(names) // 500)
    chunks: DataLoader[list[Decoded | OSError]] = DataLoader(
        DecodedChunks(source, names, decoder),
        batch_size=None,
        collate_fn=list,  # the default would make tensors of the arrays
        num_workers=workers if workers > 1 else 0,
        worker_init_fn=end_with_parent,
        generator=torch.Generator(),  # the default draws from that of the run
    )
    for chunk in chunks:
        for result in chunk:
            if isinstance(result, OSError):
                raise result
            yield result


def end_with_parent(worker: int) -> None:
    """Let a worker process end soon after its parent, also if that was killed.

    PyTorch's own watchdog does not: a worker whose results nobody takes waits forever to hand them over.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
