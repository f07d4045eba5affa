"""Nearest images and sheets, by closed forms."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from gan_lightning.images import write_pixels
from gan_lightning.pictures import GAP, beside, nearest, neighbour_sheet, write_film


def test_nearest_images_come_in_order() -> None:
    images = torch.tensor([0.0, 1.0, 10.0, 11.0]).view(4, 1, 1, 1)
    assert nearest(torch.tensor([0.9, 10.4]).view(2, 1, 1, 1), images, 2).tolist() == [[1, 0], [2, 3]]
    with pytest.raises(ValueError, match=r"Nearest 5 of 4 images"):
        nearest(images, images)
    with pytest.raises(ValueError, match="shapes must be the same"):
        nearest(images, torch.zeros(9, 2))


def test_a_row_shows_a_sample_and_its_neighbours() -> None:
    samples = torch.full((2, 1, 2, 2), 7, dtype=torch.uint8)
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    sheet = neighbour_sheet(samples, images, torch.tensor([[1, 2], [3, 0]]), torch.tensor([[0], [1]]))
    assert sheet.shape == (1, 6, 2 + GAP + 6 + GAP + 2)
    assert sheet[0, 0].tolist() == [7, 7, *[255] * GAP, 1, 1, 0, 0, 2, 2, *[255] * GAP, 0, 0]
    assert sheet[0, 4].tolist() == [7, 7, *[255] * GAP, 3, 3, 0, 0, 0, 0, *[255] * GAP, 1, 1]


def test_sheets_of_other_heights_are_refused() -> None:
    with pytest.raises(ValueError, match="same channels and height"):
        beside(torch.zeros(1, 4, 4), torch.zeros(1, 5, 4))


def test_a_film_shows_each_picture_and_the_last_one_longer(tmp_path: Path) -> None:
    pictures = [tmp_path / f"step-{k}.png" for k in range(3)]
    for shade, picture in enumerate(pictures):
        write_pixels(torch.full((3, 8, 8), 100 * shade, dtype=torch.uint8), picture)
    write_film(pictures, tmp_path / "film.gif", seconds=0.1)
    with Image.open(tmp_path / "film.gif") as film:
        shades, durations = [], []
        for number in range(film.n_frames):
            film.seek(number)
            shades.append(film.convert("RGB").getpixel((4, 4))[0])
            durations.append(film.info["duration"])
    assert shades == [0, 100, 200]
    assert durations == [100, 100, 500]


def test_a_film_of_nothing_of_damaged_or_of_unequal_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        write_film([], tmp_path / "film.gif")
    write_pixels(torch.zeros(1, 8, 8, dtype=torch.uint8), tmp_path / "a.png")
    write_pixels(torch.zeros(1, 9, 8, dtype=torch.uint8), tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b.png' is \(8, 9\) pixels"):
        write_film([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "film.gif")
    for seconds in (0.01, 101.0, float("nan")):
        with pytest.raises(ValueError, match=r"seconds must be in \[0\.02, 100\]"):
            write_film([tmp_path / "a.png"], tmp_path / "film.gif", seconds)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:30])
    with pytest.raises(ValueError, match=r"b\.png' is damaged"):
        write_film([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "film.gif")
    assert not (tmp_path / "film.gif").exists()
