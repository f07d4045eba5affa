"""Pictures of a user's, read as a GAN takes them."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"}
"""Of pictures in a folder."""


def find_pictures(place: Path) -> list[Path]:
    """A picture, or those of a folder by name.

    Raises:
        FileNotFoundError: If there is none.
    """
    if place.is_dir():
        paths = sorted(path for path in place.iterdir() if path.suffix.lower() in ENDINGS)
        if not paths:
            raise FileNotFoundError(f"'{place}' holds no picture ({', '.join(sorted(ENDINGS))}).")
        return paths
    if not place.is_file():
        raise FileNotFoundError(f"There is no picture, nor folder of pictures, at '{place}'.")
    return [place]


def read_picture(path: Path, channels: int, height: int, width: int) -> Tensor:
    """The centre of a picture, (C, H, W) uint8.

    Raises:
        ValueError: If it is damaged.
    """
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("L" if channels == 1 else "RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"'{path}' is damaged, or no picture ({error}).") from error
    array = np.asarray(ImageOps.fit(upright, (width, height), Image.Resampling.BICUBIC))
    return torch.from_numpy(array.reshape(height, width, -1).copy()).permute(2, 0, 1)
