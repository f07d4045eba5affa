"""Pictures of a user's have the pixels that they have in a training, and hidden ones are left alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import ImageFolderDataModule
from gan_lightning.commands.picture_files import find_pictures, read_picture

SIDE = 8


def draw(mode: str) -> Image.Image:
    """Random smooth pixels of a mode, not square."""
    random = np.random.default_rng(0)
    channels = {"RGB": (3,), "RGBA": (4,)}.get(mode, ())
    if mode == "I;16":
        return Image.fromarray(random.integers(0, 65536, (40, 30), np.uint16))
    return Image.fromarray(random.integers(0, 256, (40, 30, *channels), np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["RGB", "L", "I;16", "RGBA"])
def test_a_picture_has_the_pixels_of_a_training(mode: str, channels: int, tmp_path: Path) -> None:
    draw(mode).save(tmp_path / "one.png")
    options = {"channels": channels, "val_fraction": 0.0, "test_fraction": 0.0}
    pixels, _ = ImageFolderDataModule(str(tmp_path), [SIDE, 2 * SIDE], **options).read("train")
    assert torch.equal(read_picture(tmp_path / "one.png", channels, SIDE, 2 * SIDE), pixels[0])


def test_hidden_pictures_and_folders_are_none(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.ppm", "._b.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in find_pictures(tmp_path)] == ["a.ppm", "b.PNG"]


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.png' is damaged, or no picture: it is empty"):
        read_picture(tmp_path / "a.png", 3, SIDE, SIDE)


def test_a_dim_picture_is_named(tmp_path: Path) -> None:
    Image.fromarray(np.full((SIDE, SIDE), 255, np.uint16)).save(tmp_path / "a.png")
    with pytest.warns(UserWarning, match=r"a\.png' uses less than 1/16"):
        read_picture(tmp_path / "a.png", 1, SIDE, SIDE)
