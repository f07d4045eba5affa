"""Pictures to judge by: nearest real images, real beside generated, and training as a film."""

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageSequence, UnidentifiedImageError
from torch import Tensor

from gan_lightning.images import tile, write_bytes
from gan_lightning.metrics.neighbours import squared_distances

GAP = 6
"""Pixels between the parts of a sheet."""
WHITE = 255
SECONDS = (0.02, 100)
"""The least and the most that a picture of a film may be shown: delays of a GIF are hundredths of a second, 16 bits."""


def nearest(samples: Tensor, images: Tensor, count: int = 5) -> Tensor:
    """The nearest of some images for each sample, by the distance of what describes them.

    Args:
        samples: (N, ...): pixels, or features of any extractor.
        images: (M, ...), of the same kind; M at least ``count``.
        count: Images for each sample.

    Returns:
        Their places, (N, count) int64, the nearest first.

    Raises:
        ValueError: If the kinds differ, or there are too few images.
    """
    if samples.shape[1:] != images.shape[1:] or not 1 <= count <= len(images):
        raise ValueError(
            f"Nearest {count} of {len(images)} images of shape {tuple(images.shape[1:])} for samples of "
            f"{tuple(samples.shape[1:])}: shapes must be the same, and there must be as many images."
        )
    sides = [side.flatten(1).double() for side in (samples, images)]
    return torch.cat([squared_distances(rows, sides[1]).topk(count, largest=False)[1] for rows in sides[0].split(500)])


def neighbour_sheet(samples: Tensor, images: Tensor, *places: Tensor) -> Tensor:
    """Each sample in a row of its own, beside real images, such as the nearest by pixels and by features.

    Args:
        samples: uint8 (N, C, H, W).
        images: uint8 (M, C, H, W).
        places: What :func:`nearest` returned, (N, count); each makes a block of columns.

    Returns:
        uint8 (C, rows, columns).
    """
    blocks = [tile(images[found.flatten()], found.shape[1]) for found in places]
    return beside(tile(samples, 1), *blocks)


def beside(*sheets: Tensor) -> Tensor:
    """Sheets of one height, (C, H, W) uint8 each, from left to right with white between: real and generated, say.

    Raises:
        ValueError: If heights or channels differ.
    """
    if len({sheet.shape[:2] for sheet in sheets}) != 1:
        shapes = ", ".join(str(tuple(sheet.shape)) for sheet in sheets)
        raise ValueError(f"Sheets side by side must have the same channels and height, got {shapes}.")
    gap = sheets[0].new_full((*sheets[0].shape[:2], GAP), WHITE)
    return torch.cat([part for sheet in sheets for part in (gap, sheet)][1:], dim=2)


def write_film(pictures: Sequence[Path], path: Path, seconds: float = 0.2) -> None:
    """Show pictures one after another in a GIF, such as the sample grids of a run; the last stays five times as long.

    Args:
        pictures: Files of one size, at least one.
        path: The GIF, which appears complete or not at all.
        seconds: Each is shown, in [0.02, 100].

    Raises:
        ValueError: If there is no picture, one is damaged, sizes differ, or the seconds are out of range.
        OSError: If the file cannot be written.
    """
    if not pictures:
        raise ValueError("A film needs at least one picture: the run has drawn no sample grid yet.")
    if not SECONDS[0] <= seconds <= SECONDS[1]:
        raise ValueError(f"seconds must be in [{SECONDS[0]}, {SECONDS[1]}], got {seconds}.")
    frames = [_read(picture) for picture in pictures]
    for picture, frame in zip(pictures, frames, strict=True):
        if frame.size != frames[0].size:
            raise ValueError(f"'{picture}' is {frame.size} pixels, but '{pictures[0]}' is {frames[0].size}.")
    durations = [round(1000 * seconds)] * (len(frames) - 1) + [round(5000 * seconds)]
    content = io.BytesIO()
    frames[0].save(content, "gif", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    write_bytes(content.getvalue(), path)


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return next(iter(ImageSequence.Iterator(picture))).convert("L" if picture.mode == "L" else "RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"'{path}' is damaged, or no picture ({error}).") from error
