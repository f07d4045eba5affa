"""``gan-lightning project``: pictures to latents, and back by ``generate --latents``."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_lightning.commands.generate import generate
from gan_lightning.commands.project import project

NAME = "dcgan-mnist"
QUICK: dict[str, Any] = {"starts": 2, "steps": 20}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pictures_become_latents_that_generate_draws(capsys: pytest.CaptureFixture[str]) -> None:
    generate(NAME, num=3, out="own", seed=4)
    project(NAME, "own", "found.png", **QUICK)
    assert "Pixels differ" in capsys.readouterr().out
    sheet = np.asarray(Image.open("found.png"))
    given = np.asarray(Image.open("own/000001.png"))
    assert (sheet[30:58, :28] == given).all()
    generate(NAME, out="again", latents="found.npy")
    assert len(list(Path("again").iterdir())) == 3
    again = np.asarray(Image.open("again/000001.png")).astype(int)
    assert np.abs(again - sheet[30:58, -28:]).max() <= 1


def test_one_picture_of_another_size_and_mode() -> None:
    Image.new("RGBA", (90, 60), (255, 0, 0, 255)).save("red.png")
    project(NAME, "red.png", **QUICK)
    assert np.load("projected.npy").shape[0] == 1


def test_styles_are_drawn_as_styles(tiny_gan: Any, trainer: Any, tiny_data: Any) -> None:
    fit = trainer(max_steps=1)
    fit.fit(tiny_gan("StyleGAN2"), tiny_data)
    fit.save_checkpoint("style.ckpt")
    generate("style.ckpt", num=2, out="own", seed=4)
    project("style.ckpt", "own", "found.png", space="w", **QUICK)
    size = np.asarray(Image.open("own/000001.png")).shape[1]
    generate("style.ckpt", out="again", latents="found.w.npy")
    again = np.asarray(Image.open("again/000001.png")).astype(int)
    assert np.abs(again - np.asarray(Image.open("found.png"))[-size:, -size:]).max() <= 1
    with pytest.raises(ValueError, match="truncation is of random latents"):
        generate("style.ckpt", out="truncated", latents="found.w.npy", truncation=0.5)


def test_given_latents_are_not_truncated_without_a_word() -> None:
    np.save("given.npy", np.zeros((1, 100)))
    with pytest.raises(ValueError, match=r"truncation is of random latents, not of those of 'given\.npy'"):
        generate(NAME, latents="given.npy", truncation=0.5)


@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        ("none.png", {}, FileNotFoundError, "no picture"),
        ("empty", {}, FileNotFoundError, "holds no picture"),
        ("broken.png", {}, ValueError, "damaged"),
        ("broken.png", {"out": "x.jpg"}, ValueError, r"ends in \.png"),
        ("broken.png", {"seed": -1}, ValueError, r"seed must be an integer in \[0, 2\^63\), got -1"),
        ("broken.png", {"seed": 2**64}, ValueError, r"seed must be an integer in \[0, 2\^63\)"),
    ],
)
def test_what_is_wrong_is_named(images: str, options: Any, error: type[Exception], message: str, folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "broken.png").write_bytes(b"no picture")
    with pytest.raises(error, match=message):
        project(NAME, images, **options)
    assert not (folder / "projected.png").exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3), np.float32), r"must hold finite floats \(N, 100\)"),
        (np.zeros((2, 100), np.int64), "finite floats"),
        (np.full((2, 100), np.nan, np.float32), "finite floats"),
        (np.zeros((0, 100), np.float32), "finite floats"),
        (np.array([{}], dtype=object), "damaged"),
    ],
)
def test_latents_that_do_not_fit_are_refused(array: Any, message: str) -> None:
    np.save("z.npy", array)
    with pytest.raises(ValueError, match=message):
        generate(NAME, latents="z.npy")
    with pytest.raises(FileNotFoundError, match="no file of latents"):
        generate(NAME, latents="none.npy")


@pytest.mark.parametrize("images", ["keep.png", "./", "../{}/keep.png"])
def test_a_picture_is_not_replaced_by_what_comes_nearest(images: str, folder: Path) -> None:
    Image.new("L", (28, 28), 7).save("keep.png")
    before = Path("keep.png").read_bytes()
    with pytest.raises(ValueError, match=r"out is 'keep\.png', one of the pictures"):
        project(NAME, images.format(folder.name), "keep.png", **QUICK)
    assert Path("keep.png").read_bytes() == before


def test_latents_of_the_user_are_not_replaced_but_those_of_an_earlier_call(folder: Path) -> None:
    Image.new("L", (28, 28), 7).save("picture.png")
    Path("photo.npy").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"would replace 'photo\.npy', which there is without 'photo\.png'"):
        project(NAME, "picture.png", "photo.png", **QUICK)
    assert Path("photo.npy").read_bytes() == b"mine"
    for _ in range(2):
        project(NAME, "picture.png", "other.png", starts=1, steps=1)
