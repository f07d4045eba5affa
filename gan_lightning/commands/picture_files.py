"""Pictures of a user's, read as the data modules read them."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from datamodules.decode import Decoder, decode_all
from datamodules.sources import SUFFIXES, FolderSource, is_image_name


def find_pictures(place: Path) -> list[Path]:
    """A picture, or those of a folder by name; what is hidden is none.

    Raises:
        FileNotFoundError: If there is none.
    """
    if place.is_dir():
        paths = sorted(path for path in place.iterdir() if is_image_name(path.name) and not path.is_dir())
        if not paths:
            raise FileNotFoundError(f"'{place}' holds no picture ({', '.join(sorted(SUFFIXES))}).")
        return paths
    if not place.exists():
        raise FileNotFoundError(f"There is no picture, nor folder of pictures, at '{place}'.")
    return [place]


def read_picture(path: Path, channels: int, height: int, width: int) -> Tensor:
    """The centre of a picture, (C, H, W) uint8, with the pixels that it has in a training.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is damaged.

    Warns:
        UserWarning: If it has more than 8 bits, and uses less than 1/16 of their range.
    """
    decoder = Decoder((height, width), channels=channels)
    ((pixels, remark),) = decode_all(FolderSource(path.parent), [path.name], decoder)
    if pixels is None:
        raise ValueError(f"'{path}' is damaged, or no picture: it {remark}.")
    if remark:
        warnings.warn(f"'{path}' {remark}.", stacklevel=2)
    return torch.from_numpy(pixels)
