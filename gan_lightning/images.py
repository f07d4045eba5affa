"""The one place where value ranges change: float images in [-1, 1] on one side, uint8 pixels on the other."""

import io
import math
import warnings
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

LARGEST = 1.2
"""Above this, a value is not in [-1, 1] even with an overshoot."""


def to_uint8(images: Tensor) -> Tensor:
    """Quantise images once, by rounding: -1 becomes 0, 1 becomes 255.

    Args:
        images: float, any shape, in [-1, 1]; values outside are clamped, not wrapped.

    Returns:
        uint8 of the same shape, in [0, 255].

    Example:
        >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0, 1.01]))
        tensor([  0, 128, 255, 255], dtype=torch.uint8)
    """
    return ((images.float().clamp(-1, 1) + 1) * 127.5 + 0.5).to(torch.uint8)


def to_float(pixels: Tensor) -> Tensor:
    """Inverse of :func:`to_uint8`: uint8 pixels in [0, 255] to float32 in [-1, 1].

    Example:
        >>> to_float(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-1.,  1.])
    """
    return (pixels.to(torch.float32) - 127.5) * (1 / 127.5)


def check_range(images: Tensor, what: str = "The real images") -> None:
    """Check that images are in [-1, 1], as G's are; this waits for an accelerator.

    Args:
        images: Float, any shape; a little more than [-1, 1] is allowed, for interpolation overshoots.
        what: Their name in messages.

    Raises:
        ValueError: If they are clearly outside, or not numbers.
    """
    least, most = (float(end) for end in images.detach().float().aminmax())
    if not -LARGEST <= least <= most <= LARGEST:
        raise ValueError(
            f"{what} must be in [-1, 1], got values from {least:.4g} to {most:.4g}. Scale pixels of 0 to 255 by "
            "x / 127.5 - 1, those of 0 to 1 by 2 * x - 1; remove any normalisation by mean and deviation."
        )
    if least >= 0 and most > least and images.shape[-2] > 1:  # points have a height of 1
        warnings.warn(
            f"{what} of the first batch hold nothing below 0 (from {least:.4g} to {most:.4g}), but -1 is black. "
            "If they are in [0, 1], scale them by 2 * x - 1.",
            stacklevel=2,
        )


def to_rgb(images: Tensor) -> Tensor:
    """Repeat a single grey channel three times; RGB images, (N, 3, H, W), pass through."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def tile(images: Tensor, columns: int | None = None) -> Tensor:
    """Lay images out in one contact sheet, row by row, with a gap of two black pixels.

    Args:
        images: (N, C, H, W), C of 1 or 3, any dtype.
        columns: Images per row; by default the smallest square that holds them all.

    Returns:
        (C, rows * (H + 2) - 2, columns * (W + 2) - 2), of the dtype of the images. Empty places are black.
    """
    count, channels, height, width = images.shape
    if count == 0 or (columns is not None and columns < 1):
        raise ValueError(f"A sheet needs at least one image and one column, got {count} images and {columns} columns.")
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    black = 0 if images.dtype == torch.uint8 else -1
    cells = images.new_full((rows * columns, channels, height + 2, width + 2), black)
    cells[:count, :, :height, :width] = images
    sheet = cells.reshape(rows, columns, channels, height + 2, width + 2).permute(2, 0, 3, 1, 4)
    return sheet.reshape(channels, rows * (height + 2), columns * (width + 2))[:, :-2, :-2]


def write_png(images: Tensor, path: Path, columns: int | None = None) -> None:
    """Write images as one contact sheet; the file appears complete or not at all.

    Args:
        images: (N, C, H, W) float in [-1, 1].
        path: The file; its folder is made if need be.
        columns: See :func:`tile`.

    Raises:
        OSError: If the folder cannot be written to, or the disk is full.
    """
    write_pixels(tile(to_uint8(images), columns), path)


def write_pixels(pixels: Tensor, path: Path) -> None:
    """Write one picture; the file appears complete or not at all.

    Args:
        pixels: (C, H, W) uint8, C of 1 or 3.
        path: The file; its folder is made if need be.
    """
    pixels = pixels.cpu()
    picture = Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy())
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    write_bytes(buffer.getvalue(), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file that appears complete or not at all, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
