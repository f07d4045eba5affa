"""Which image files are read, and how the pixels of each become 8 bits of RGB or grey."""

import io
import struct
import zlib
from contextlib import suppress
from typing import Literal

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of the formats that are read. It knows others, some unsafe: it hands PostScript to Ghostscript."""
LEGAL = "BMP, GIF, JPEG, PNG, PPM, TIFF or WebP"

WIDE_GREY = ("I", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of grey of more than 8 bits."""
DIM = 1 / 16
"""Share of the range of values that a file declares; an image that stays below it is dim."""
BITS_PER_SAMPLE, PHOTOMETRIC, MAX_VALUE, SAMPLE_FORMAT, TYPED_MAX_VALUE = 258, 262, 281, 339, 341
"""Tags of TIFF."""
WHITE_IS_ZERO, SIGNED = 0, 2
"""Values of PHOTOMETRIC and of SAMPLE_FORMAT."""
CURE = "Save it as unsigned integers, for example as a PNG of 8 bits"
DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, OverflowError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow raises for damaged files: it depends on the format, and on where the damage is."""


class DimImageWarning(UserWarning):
    """An image uses less than 1/16 of the range of values that its file declares."""


def open_image(content: bytes) -> ImageFile.ImageFile:
    """Open an image of one of :data:`FORMATS`, and of no other, whatever the file is called.

    Raises:
        PIL.UnidentifiedImageError: It is no such image.
        Exception: One of :data:`DAMAGE`.
    """
    return Image.open(io.BytesIO(content), formats=FORMATS)


def describe(content: bytes, error: Exception) -> str:
    """Say what a file is that could not be decoded; the text goes on from its name."""
    if not content:
        return "is empty"
    if not isinstance(error, UnidentifiedImageError):
        return f"cannot be decoded: {error}"
    if content.lstrip()[:1] == b"<":
        return f"is a web page ({content.lstrip()[:20]!r} ...), not an image"
    found = format_of(content)
    if found in FORMATS:
        return f"cannot be decoded: this {found} file is damaged, or of a kind that Pillow does not know"
    if found:
        return f"begins like a file of the format {found}, but must be {LEGAL}: convert it"
    return f"is not an image: its {len(content):,} bytes begin with {content[:8]!r}, but it must be {LEGAL}"


def format_of(content: bytes) -> str:
    """Pillow's name of the format that a file begins like; empty if there is none. The file is not opened."""
    Image.init()
    for name in (*FORMATS, *sorted(Image.OPEN)):
        accepts = Image.OPEN[name][1]
        try:
            if accepts and accepts(content[:16]) is True:
                return name
        except (IndexError, struct.error):
            continue
    return ""


def to_8_bits(opened: ImageFile.ImageFile, mode: Literal["RGB", "L"]) -> tuple[Image.Image, bool]:
    """Turn an image as its camera was held, and convert it from any mode, transparent on white.

    Grey of more than 8 bits is scaled by the range that the file declares; of colours of 16 bits the high byte is
    taken.

    Args:
        opened: The image, not loaded yet.
        mode: RGB, or L for grey.

    Returns:
        The image in this mode, and whether it is dim: of more than 8 bits, and within the lowest 1/16 of their range.

    Raises:
        ValueError: The range of its values is not known, or not kept to.
        Exception: One of :data:`DAMAGE`.
    """
    has_wide_colors = _has_wide_colors(opened)
    opened.load()
    with suppress(*DAMAGE):  # metadata that cannot be read turns nothing
        ImageOps.exif_transpose(opened, in_place=True)
    image: Image.Image = opened
    is_dim = False
    if image.mode == "F":
        raise ValueError(f"its pixels are floats of unknown range. {CURE}")
    if image.mode in WIDE_GREY or (image.mode == "L" and _tag(image, SAMPLE_FORMAT) == SIGNED):
        image, is_dim = _scale(image)
    elif has_wide_colors:
        is_dim = bool(np.asarray(image)[..., :3].max() < 256 * DIM)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        front = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", front.size, "white"), front)
    image.load()
    return image if image.mode == mode else image.convert(mode), is_dim


def _has_wide_colors(image: ImageFile.ImageFile) -> bool:
    """Whether a channel has more than 8 bits in the file; not known any more once the image is loaded."""
    arguments = [tile[3] for tile in image.tile]
    if image.format == "PPM":  # ("RGB", greatest value)
        return any(isinstance(pair, tuple) and int(pair[-1]) > 255 for pair in arguments)
    return any(";16" in str(argument) for argument in arguments)


def _scale(image: Image.Image) -> tuple[Image.Image, bool]:
    """Scale grey to 8 bits by the range that the file declares, and say whether it is dim."""
    is_signed = _tag(image, SAMPLE_FORMAT) == SIGNED
    bits = (_tag(image, BITS_PER_SAMPLE) or 16) - is_signed
    most = _tag(image, TYPED_MAX_VALUE) or _tag(image, MAX_VALUE) or 2**bits - 1
    stored = np.asarray(image)
    order, size = stored.dtype.str[0], stored.dtype.itemsize
    values = stored.view(f"{order}{'i' if is_signed else 'u'}{size}")
    low, high = int(values.min()), int(values.max())
    if low < 0:
        raise ValueError(f"it holds negative values ({low:,}), which are no shade between black and white. {CURE}")
    if high > most:
        raise ValueError(f"it holds values up to {high:,}, but declares none above {most:,}. {CURE}")
    shades = np.rint(values * (255 / most))
    if _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO:
        shades = 255 - shades
    if isinstance(transparent := image.info.get("transparency"), int):
        shades[values == transparent] = 255
    return Image.fromarray(shades.astype(np.uint8)), 0 < high < most * DIM


def _tag(image: Image.Image, number: int) -> int | None:
    """The first value of a tag of a TIFF; None where there is none."""
    value = image.tag_v2.get(number) if isinstance(image, TiffImageFile) else None
    return value[0] if isinstance(value, tuple) else value
