"""Image files to pixels: the one place that decodes, crops and resizes."""

import io
import math
import os
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset

from datamodules.sources import ImageSource

Pixels = npt.NDArray[np.uint8]

MOST_IN_CHUNK, CHUNK_BYTES = 64, 2**20
"""Images that a process decodes at a time: so many, and of no more bytes, but one at least."""

SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")
DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, OverflowError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow raises for damaged files: it depends on the format, and on where the damage is."""


@dataclass(frozen=True)
class Decoder:
    """Decodes an image file, cuts out its central square and resizes it.

    Pillow decodes; PyTorch resizes by the same antialiased bilinear filter as Pillow, in less than half the time. The
    pixels are those that torchvision's `CenterCrop(crop)` and `Resize(size)` make of a PIL image, to one part in 255.
    JPEGs are decoded in full: a decoder that scales (Pillow's `draft`) is faster and gives other pixels.

    Args:
        size: Height and width of the result in pixels, at least 1.
        crop: Side of the central square in pixels, at least 1; None for the largest that there is.
        source_size: (width, height) that every image must have; None for any.

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (178, 218), "red").save(file, "JPEG")
        >>> Decoder(size=64, crop=148)(file.getvalue()).shape
        (3, 64, 64)
    """

    size: int
    crop: int | None = None
    source_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for argument, value in (("image_size", self.size), ("crop", self.crop)):
            if value is not None and value < 1:
                raise ValueError(f"{argument} is {value}, but must be at least 1.")

    def __call__(self, content: bytes) -> Pixels:
        """Decode a file.

        Args:
            content: The whole file, of any format and mode that Pillow knows; of an animation the first frame.

        Returns:
            (3, size, size), RGB.

        Raises:
            ValueError: The file is no image, damaged, or not of the size that it must have. The message goes on from
                the name of the file, as "is empty" does.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow about metadata, of PyTorch that bytes are read-only
            try:
                with Image.open(io.BytesIO(content)) as image:
                    ImageOps.exif_transpose(image, in_place=True)
                    upright = to_rgb(image)
                # Both Pillow and PyTorch's resize work on four bytes a pixel: three would be unpacked and packed again.
                flat = torch.frombuffer(upright.tobytes("raw", "RGBX"), dtype=torch.uint8)
            except DAMAGE as error:
                raise ValueError(describe(content, error)) from error
        square = self.cut(flat.view(upright.height, upright.width, 4)).permute(2, 0, 1)
        resized = interpolate(square[None], (self.size, self.size), mode="bilinear", antialias=True)
        return resized[0, :3].contiguous().numpy()

    def cut(self, pixels: Tensor) -> Tensor:
        """Cut out the central square.

        Args:
            pixels: (H, W, channels).

        Returns:
            (side, side, channels), a view.

        Raises:
            ValueError: The image is smaller than the square, or not of the size that it must have.
        """
        height, width, _ = pixels.shape
        if self.source_size not in (None, (width, height)):
            raise ValueError(
                "is an image of {} x {} pixels, but must be of {} x {}".format(width, height, *self.source_size)
            )
        side = self.crop or min(width, height)
        if side > min(width, height):
            raise ValueError(f"is an image of {width} x {height} pixels, smaller than the crop of {side}")
        left, top = round((width - side) / 2), round((height - side) / 2)  # rounds half to even, as torchvision does
        return pixels[top : top + side, left : left + side]


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: of 16 bits the high byte, transparent on white.

    Raises:
        ValueError: Pixels are floats, whose range is not known.
    """
    if image.mode == "F":
        raise ValueError("its pixels are floats of unknown range")
    if image.mode in SIXTEEN_BITS:
        high_byte = np.asarray(image).astype(np.int64).clip(0, 2**16 - 1) >> 8
        return Image.fromarray(high_byte.astype(np.uint8)).convert("RGB")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        front = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", front.size, "white"), front).convert("RGB")
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


def describe(content: bytes, error: Exception) -> str:
    """Say what a file is that could not be decoded; the text goes on from its name."""
    if not content:
        return "is empty"
    if content.lstrip()[:1] == b"<" and isinstance(error, UnidentifiedImageError):
        return f"is a web page ({content.lstrip()[:20]!r} ...), not an image"
    if isinstance(error, UnidentifiedImageError):
        return f"is not an image: its {len(content):,} bytes begin with {content[:8]!r}"
    return f"cannot be decoded: {error}"


class DecodedChunks(Dataset[list[Pixels | str | OSError]]):
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
        self.chunk = max(1, min(MOST_IN_CHUNK, CHUNK_BYTES // (3 * decoder.size**2)))

    def __len__(self) -> int:
        """Number of chunks."""
        return math.ceil(len(self.names) / self.chunk)

    def __getitem__(self, index: int) -> list[Pixels | str | OSError]:
        """Decode the files of a chunk; what goes wrong is returned, for an exception would lose its type on the way."""
        first = index * self.chunk
        return [self.decode(name) for name in self.names[first : first + self.chunk]]

    def decode(self, name: str) -> Pixels | str | OSError:
        """Decode a file.

        Returns:
            Its pixels, or what is wrong with it, or why it cannot be read.
        """
        try:
            return self.decoder(self.source.read(name))
        except ValueError as error:
            return str(error)
        except OSError as error:
            return error


def decode_all(source: ImageSource, names: Sequence[str], decoder: Decoder) -> Iterator[Pixels | str]:
    """Decode files by as many processes as there are cores, or in this one if they are few.

    Args:
        source: Where the files are.
        names: The files.
        decoder: Makes the pixels of a file.

    Yields:
        In order for each file its pixels, or else what is wrong with it.

    Raises:
        OSError: A file cannot be read. It is not to be skipped as a damaged one is, for the disk may be at fault.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores, len(names) // 500)
    chunks: DataLoader[list[Pixels | str | OSError]] = DataLoader(
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
    """Let a worker process end soon after its parent, also where that was killed.

    PyTorch's own watch does not see to it: a worker whose results nobody takes waits for ever to hand them over.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
