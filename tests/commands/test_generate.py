"""Images from a checkpoint: the same for a seed however they are made, and nothing half-written."""

import errno
import math
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.commands import generate as module
from gan_lightning.commands.generate import generate
from gan_lightning.images import to_uint8


@pytest.fixture
def checkpoint(tiny_gan: Any, trainer: Any, tiny_data: Any, tmp_path: Path) -> Callable[[str], str]:
    """Saves a small GAN."""

    def save(name: str) -> str:
        fit = trainer(max_steps=1)
        fit.fit(tiny_gan(name), tiny_data)
        fit.save_checkpoint(tmp_path / f"{name}.ckpt")
        return str(tmp_path / f"{name}.ckpt")

    return save


@pytest.fixture(autouse=True)
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def expected(path: str, num: int, labels: Any = None, seed: int = 0) -> np.ndarray:
    images = gan_lightning.load(path).sample(num, labels, seed)
    return to_uint8(images).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_the_size_of_batches_changes_nothing(checkpoint: Any, batch_size: int) -> None:
    path = checkpoint("CGAN")
    generate(path, num=7, out="x.npz", labels="3,0", seed=5, batch_size=batch_size)
    arrays = np.load("x.npz")
    assert arrays["labels"].tolist() == [3, 0, 3, 0, 3, 0, 3]
    assert arrays["images"].dtype == np.uint8
    assert np.abs(arrays["images"].astype(int) - expected(path, 7, [3, 0], seed=5)).max() <= 1  # rounding
    generate(path, num=7, out="images", labels="3,0", seed=5, batch_size=batch_size)
    names = sorted(file.name for file in Path("images").iterdir())
    assert names == [f"00000{k}_label{label}.png" for k, label in enumerate([3, 0, 3, 0, 3, 0, 3])]
    pictures = [np.asarray(Image.open(Path("images") / name)) for name in names]
    assert (np.stack(pictures) == arrays["images"][..., 0]).all()


def test_samples_stream(tiny_gan: Any) -> None:
    gan: AdversarialModule = tiny_gan("CGAN")
    batches = list(gan.stream(7, [1, 2], seed=3, batch_size=3))
    assert [len(images) for images, _ in batches] == [3, 3, 1]
    assert torch.cat([labels for _, labels in batches]).tolist() == [1, 2, 1, 2, 1, 2, 1]
    torch.testing.assert_close(torch.cat([images for images, _ in batches]), gan.sample(7, [1, 2], seed=3))


def test_a_folder_that_is_not_empty_is_kept_unless_asked(checkpoint: Any) -> None:
    path = checkpoint("GAN")
    Path("images").mkdir()
    generate(path, num=2, out="images")  # empty is fine
    before = {file.name: file.read_bytes() for file in Path("images").iterdir()}
    assert [*sorted(before)] == ["000000.png", "000001.png"]
    with pytest.raises(FileExistsError, match=r"The folder 'images' is not empty\. .* --overwrite"):
        generate(path, num=3, out="images", seed=1)
    assert {file.name: file.read_bytes() for file in Path("images").iterdir()} == before
    Path("images/notes.txt").touch()
    generate(path, num=1, out="images", seed=1, overwrite=True)
    assert sorted(file.name for file in Path("images").iterdir()) == ["000000.png", "notes.txt"]
    assert Path("images/000000.png").read_bytes() != before["000000.png"]


@pytest.mark.parametrize(
    ("name", "labels", "columns"), [("CGAN", None, 4), ("CGAN", "3,0", 2), ("CGAN", "3", 3), ("GAN", None, 3)]
)
def test_a_sheet_has_a_column_a_class(checkpoint: Any, name: str, labels: str | None, columns: int) -> None:
    generate(checkpoint(name), num=8, out="x.png", labels=labels)
    assert Image.open("x.png").size == (columns * 10 - 2, math.ceil(8 / columns) * 10 - 2)


def test_a_file_is_replaced(checkpoint: Any) -> None:
    path = checkpoint("GAN")
    for seed in (0, 1):
        generate(path, num=2, out="x.npz", seed=seed)
    assert (np.load("x.npz")["images"] == expected(path, 2, seed=1)).all()


@pytest.mark.parametrize("name", ["x.png", "x.npz", "x", "new/folder/x.npz", "new/x"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_written_is_left(
    checkpoint: Any, monkeypatch: pytest.MonkeyPatch, out: Path, name: str, error: BaseException
) -> None:
    path = checkpoint("GAN")
    made: list[int] = []

    def failing(images: torch.Tensor) -> torch.Tensor:
        made.append(len(images))
        if len(made) == 2:
            raise error
        return to_uint8(images)

    monkeypatch.setattr(module, "to_uint8", failing)
    with pytest.raises(type(error)):
        generate(path, num=9, out=name, batch_size=4)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num": 0}, "num must be an integer, at least 1, got 0"),
        ({"num": 10**12}, r"1000000000000 images take .* GiB of memory, but this machine has"),
        ({"num": 10**12, "out": "x"}, r"1000000000000 images take .* GiB of memory"),
        ({"batch_size": 0}, "batch_size must be an integer, at least 1, got 0"),
        ({"seed": -1}, r"seed must be an integer in \[0, 2\^63\), got -1"),
        ({"seed": 2**70}, r"seed must be an integer in \[0, 2\^63\), got 1180591620717411303424"),
        ({"out": "x.jpg"}, "Cannot tell the format from 'x.jpg'"),
        ({"device": "cuda:77"}, "device 'cuda:77' cannot be used here"),
        ({"device": "warp"}, "device 'warp' cannot be used here"),
        ({"device": "meta"}, "device 'meta' cannot be used here"),
        ({"labels": "2"}, "GAN is unconditional: it takes no labels"),
        ({"labels": "a"}, "labels must be integers with commas between"),
        ({"out": ".", "format": "png"}, "'.' is a folder"),
        ({"out": "../GAN.ckpt", "format": "folder"}, "'../GAN.ckpt' is a file"),
    ],
)
def test_what_makes_no_sense_is_refused(checkpoint: Any, out: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        generate(checkpoint("GAN"), **options)
    assert list(out.iterdir()) == []


def test_images_for_which_the_disk_has_no_room_are_refused(checkpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5 * 64}))
    path = checkpoint("GAN")
    for out in ("x.npz", "x.png", "new/x"):
        with pytest.raises(OSError, match=r"6 images take up to 0\.0. MiB, but the disk of '.*' has 0\.00 MiB left"):
            generate(path, num=6, out=out)
    generate(path, num=5, out="x.npz")


def test_arrays_are_written_batch_by_batch(checkpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than two batches are alive at a time."""
    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    most = []

    def watched(images: torch.Tensor) -> torch.Tensor:
        pixels = to_uint8(images)
        alive.add(pixels)
        most.append(len(alive))
        return pixels

    monkeypatch.setattr(module, "to_uint8", watched)
    generate(checkpoint("GAN"), num=40, out="x.npz", batch_size=4)
    generate(checkpoint("GAN"), num=40, out="x", batch_size=4)
    assert len(most) == 20
    assert max(most) <= 2


def test_the_device_is_chosen(checkpoint: Any) -> None:
    path = checkpoint("GAN")
    generate(path, num=2, out="x.npz", device="cpu")
    assert (np.load("x.npz")["images"] == expected(path, 2)).all()


def test_images_may_be_truncated(checkpoint: Any) -> None:
    path = checkpoint("BigGAN")
    generate(path, num=4, out="x.npz", labels="1", truncation=0.5)
    images = to_uint8(gan_lightning.load(path).sample(4, 1, 0, truncation=0.5)).permute(0, 2, 3, 1).numpy()
    assert np.abs(np.load("x.npz")["images"].astype(int) - images).max() <= 1
    assert not np.array_equal(images, expected(path, 4, 1))
    with pytest.raises(ValueError, match="truncation must be a finite number above 0, got -1"):
        generate(path, num=4, out="y.npz", truncation=-1)
    assert not Path("y.npz").exists()
