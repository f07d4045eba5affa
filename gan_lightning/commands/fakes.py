"""Images that any tool has made: a folder of pictures, or a file of arrays."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from gan_lightning.metrics.subsets import spread

CHANNELS = (1, 3)
"""Of pictures: grey or RGB."""
ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
LABEL = re.compile(r"_label(\d+)$")
"""How ``generate`` names the classes of pictures."""


def read_fakes(path: Path, num: int, batch_size: int = 250) -> Iterator[tuple[Tensor, Tensor]]:
    """Images of a folder, in the order of their names, or of a file in NumPy's npz; of many, some from all over.

    Args:
        path: A folder of pictures, whose names may end in a class, such as _label7; or an npz with uint8
            (N, H, W, C) or (N, C, H, W), and perhaps "labels", (N,), -1 for none.
        num: How many at most.
        batch_size: Images at a time.

    Yields:
        Pixels, uint8 (at most batch_size, C, H, W), C of 1 or 3, and classes, int64, -1 for none.

    Raises:
        FileNotFoundError: If there is nothing, or no picture.
        ValueError: If a picture or the file is damaged, or images are not of one shape.
    """
    if path.is_dir():
        pixels, labels = _read_folder(path, num)
    elif path.is_file():
        pixels, labels = _read_npz(path, num)
    else:
        raise FileNotFoundError(f"fakes: there is no '{path}'. Give a folder of pictures, or an npz file.")
    yield from zip(pixels.split(batch_size), labels.split(batch_size), strict=True)


def _read_folder(folder: Path, num: int) -> tuple[Tensor, Tensor]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if not found:
        raise FileNotFoundError(f"fakes: '{folder}' holds no picture ({', '.join(sorted(ENDINGS))}).")
    paths = [found[index] for index in spread(torch.arange(len(found)), num)]
    images = [_read_picture(path) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            raise ValueError(
                f"fakes: '{path}' is {_size(image)}, but '{paths[0]}' is {_size(images[0])}. Bring all to one size."
            )
    matches = [LABEL.search(path.stem) for path in paths]
    return torch.stack(images), torch.tensor([int(match[1]) if match else -1 for match in matches])


def _read_picture(path: Path) -> Tensor:
    try:
        with Image.open(path) as picture:
            array = np.array(picture if picture.mode == "L" else picture.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"fakes: '{path}' is damaged, or no picture ({error}). Remove it, or make it anew.") from error
    return torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1)


def _size(image: Tensor) -> str:
    return " x ".join(map(str, image.shape))


def _read_npz(path: Path, num: int) -> tuple[Tensor, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"fakes: '{path}' is damaged, or no npz file ({error}).") from error
    images = [array for array in arrays.values() if array.dtype == np.uint8 and array.ndim == 4]
    if len(images) != 1 or not {images[0].shape[1], images[0].shape[3]} & set(CHANNELS):
        found = ", ".join(f"{name}: {array.dtype} {array.shape}" for name, array in arrays.items())
        raise ValueError(
            f"fakes: '{path}' must hold one array of images, uint8 (N, H, W, C) or (N, C, H, W), C of 1 or 3; it holds "
            f"{found or 'nothing'}."
        )
    chosen = spread(torch.arange(len(images[0])), num)
    pixels = torch.from_numpy(images[0])[chosen]
    if pixels.shape[3] in CHANNELS:
        pixels = pixels.permute(0, 3, 1, 2).contiguous()
    labels = arrays.get("labels", np.full(len(images[0]), -1))
    if labels.shape != images[0].shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"fakes: labels of '{path}' must be integers, one for each of the {len(images[0])} images; they are "
            f"{labels.dtype} {labels.shape}."
        )
    return pixels, torch.from_numpy(labels.astype(np.int64))[chosen]
