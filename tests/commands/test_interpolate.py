"""``gan-lightning interpolate``: films and strips, and what is said where they cannot be made."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gan_lightning
from gan_lightning.commands.interpolate import interpolate
from gan_lightning.images import to_uint8

NAME = "dcgan-mnist"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_strip_has_a_row_for_each_image_and_a_column_for_each_step() -> None:
    interpolate(NAME, "walk.png", seeds="0,7", num=2, steps=4)
    strip = np.asarray(Image.open("walk.png"))
    assert strip.shape == (2 * 30 - 2, 5 * 30 - 2)
    images = to_uint8(gan_lightning.load(NAME).sample(2, seed=7))[:, 0].numpy()
    for row, image in enumerate(images):
        assert (strip[30 * row : 30 * row + 28, -28:] == image).all()


def test_a_gif_plays_all_steps_for_ever() -> None:
    interpolate(NAME, "walk.gif", seeds="0,1", num=4, steps=5, fps=10, scale=3)
    film: Any = Image.open("walk.gif")
    assert film.n_frames == 10
    assert film.size == ((2 * 30 - 2) * 3, (2 * 30 - 2) * 3)
    assert (film.info["duration"], film.info["loop"]) == (100, 0)


def test_an_mp4_holds_all_steps() -> None:
    av = pytest.importorskip("av")
    interpolate(NAME, "walk.mp4", seeds="0,1", num=1, steps=5, scale=1)
    with av.open("walk.mp4") as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 10
    image = to_uint8(gan_lightning.load(NAME).sample(1, seed=0))[0, 0].numpy()
    assert np.abs(frames[0][:28, :28].mean(2) - image).mean() < 12  # compressed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "walk.avi"}, "Cannot tell the format from 'walk.avi'"),
        ({"seeds": "a"}, "seeds must be integers"),
        ({"seeds": "-1,2"}, r"seeds must be integers in \[0, 2\^63\), got '-1,2'"),
        ({"seeds": "0,18446744073709551616"}, "seeds must be integers"),
        ({"labels": "1;2"}, "labels must be integers"),
        ({"fps": 51}, "fps of a .gif must be at most 50, got 51"),
        ({"fps": 0}, "fps"),
        ({"scale": 0}, "scale"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=message):
        interpolate(NAME, **options)
    assert not list(folder.iterdir())


def test_a_folder_is_no_file(folder: Path) -> None:
    (folder / "walk.gif").mkdir()
    with pytest.raises(FileExistsError, match="folder"):
        interpolate(NAME)


def test_an_absent_extra_is_named_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match=r"gan-lightning\[video\].*\.gif"):
        interpolate("no such checkpoint", "walk.mp4")


def test_absent_codecs_are_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(codecs_available=set()))
    with pytest.raises(ValueError, match=r"none of libx264, mpeg4.*\.gif"):
        interpolate(NAME, "walk.mp4", seeds="0,1", num=1, steps=1)
    assert not list(folder.iterdir())


def test_a_gif_has_the_rate_that_is_asked_for() -> None:
    interpolate(NAME, "walk.GIF", seeds="0,1", num=1, steps=2, fps=50)
    assert Image.open("walk.GIF").info["duration"] == 20
