"""Images from a checkpoint, with no data and no config at hand: ``gan-lightning generate``."""

import importlib
import itertools
import math
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

import gan_lightning
from gan_lightning.arguments import check_counts
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.generative import SAMPLING_BATCH
from gan_lightning.images import tile, to_uint8, write_pixels
from gan_lightning.precision import at_least_fp32
from gan_lightning.walks import STYLES, styled

Batches = Iterator[tuple[Tensor, Tensor]]
"""Pixels, (N, C, H, W) uint8, and classes, (N,) int64, -1 without classes; N images at a time."""
Shape = tuple[int, int, int, int]
"""Of all images, (N, H, W, C)."""
OURS = re.compile(r"\d{6,}(_label\d+)?\.png")
"""Names of files in a folder of images."""
FIRST_SENTENCE = re.compile(r"[.!]?(?:\s*\n|(?<=[.!])\s|$)")
BLOCK = 4096
"""Bytes that a file takes at least."""
MAX_COLUMNS = 40
"""Of a sheet whose columns are classes."""
COPIES_OF_GRID = 6
"""What a grid takes in memory while it is made and compressed, in sizes of its images."""


def generate(
    ckpt_path: str,
    num: int = 64,
    out: str = "samples.png",
    labels: str | None = None,
    seed: int = 0,
    latents: str | None = None,
    truncation: float | None = None,
    format: Literal["png", "folder", "npz"] | None = None,
    model: str | None = None,
    device: str = "auto",
    batch_size: int = SAMPLING_BATCH,
    overwrite: bool = False,
) -> None:
    """Make images from a checkpoint.

    Args:
        ckpt_path: A checkpoint of a GAN.
        num: How many images, at least 1.
        out: Where they go; an existing file is replaced.
        labels: For a conditional GAN: one class or several, such as 7 or 0,1,2, repeated in turn. Default: all classes.
        seed: The images are a function of it, in [0, 2^63).
        latents: A .npy file of latents, (N, latent_dim), to draw in place of random ones; num is then N. One that ends
            in .w.npy holds styles of StyleGAN2. See project.
        truncation: Trades diversity for quality: no feature of a latent exceeds it, in absolute value. StyleGAN2 lets
            styles have this share, in [0, 1], of their distance from the mean style. Default: none.
        format: "png": one grid; "folder": one file an image, with its class in the name; "npz": images, uint8
            (N, H, W, C), and labels, -1 for an unconditional GAN. Default: what the ending of out says.
        model: A class of your own, such as mypkg.MyGAN, which the checkpoint needs; imported from the working
            directory or from what is installed.
        device: "auto", or what PyTorch calls it: cpu, cuda, cuda:1, mps.
        batch_size: Images made at a time, at least 1. It changes memory and speed, and the images at most by rounding.
        overwrite: Whether the images of an earlier call may be replaced in a folder that is not empty.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        FileExistsError: If the folder is not empty.
        ValueError: If the checkpoint or device cannot be used, a number is out of range, or the format is unclear.
        OSError: If the images need more memory or room than there is.
    """
    check_counts(num=num, batch_size=batch_size)
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed must be an integer in [0, 2^63), got {seed}.")
    path = Path(out)
    kind = _kind(path, format, overwrite)
    if model is not None:
        import_class(model)
    gan = gan_lightning.load(ckpt_path).to(device_of(device))
    classes = parse_integers("labels", labels) if labels is not None else list(range(gan.num_classes)) or None
    given = None if latents is None else _read_latents(Path(latents), gan, truncation)
    num = num if given is None else len(given)
    channels, height, width = gan.sample(1, classes, seed=0, truncation=truncation).shape[1:]
    shape = (num, height, width, channels)
    _check_room(shape, gan.latent_dim, path, kind)
    offset = 0 if gan.num_classes else 1
    styles = given if str(latents).endswith(STYLES) else None
    streamed = gan.stream(num, classes, seed, batch_size, truncation, given)
    batches = streamed if styles is None else _of_styles(gan, styles, batch_size)
    WRITERS[kind](path, ((to_uint8(images).cpu(), labels.cpu() - offset) for images, labels in batches), shape)
    print(f"Wrote {num} images of {type(gan).__name__} to {path}.")


def _read_latents(path: Path, gan: AdversarialModule, truncation: float | None) -> Tensor:
    """Latents, or styles, of a file.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it holds something else, or cannot be truncated.
    """
    if truncation is not None and (path.name.endswith(STYLES) or not getattr(gan.generator, "truncates", False)):
        raise ValueError(f"truncation is of random latents, not of those of '{path}': leave it out.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of latents at '{path}'.")
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"'{path}' is damaged, or no .npy file ({error}).") from error
    fits = isinstance(array, np.ndarray) and array.ndim == 2 and len(array) > 0 and array.shape[1] == gan.latent_dim
    if not (fits and np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()):
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "several arrays"
        raise ValueError(
            f"'{path}' must hold finite floats (N, {gan.latent_dim}), the latent_dim of this {type(gan).__name__}, got "
            f"{found}."
        )
    return torch.from_numpy(array).float()


@torch.no_grad()
def _of_styles(gan: AdversarialModule, styles: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images, and the class 0, of styles (N, latent_dim)."""
    network = styled(gan)
    for part in styles.to(gan.device).split(batch_size):
        yield at_least_fp32(network.synthesis(part)), torch.zeros(len(part), dtype=torch.int64)


def _kind(path: Path, asked: str | None, overwrite: bool) -> str:
    """The format that is asked for, or that a path ends in; refuses at once what could not be written."""
    kind = asked or {".png": "png", ".npz": "npz", "": "folder"}.get(path.suffix.lower())
    if kind is None:
        raise ValueError(
            f"Cannot tell the format from '{path}': end it in .png or .npz, or set format to png, folder or npz."
        )
    if kind != "folder" and path.is_dir():
        raise FileExistsError(f"'{path}' is a folder. Name a file, or set format to folder.")
    if kind == "folder" and path.exists() and not path.is_dir():
        raise FileExistsError(f"'{path}' is a file. Name a folder, or set format to png or npz.")
    if kind == "folder" and path.is_dir() and any(path.iterdir()) and not overwrite:
        raise FileExistsError(f"The folder '{path}' is not empty. Choose another one, or add --overwrite true.")
    return kind


def _write_png(path: Path, batches: Batches, shape: Shape) -> None:
    """Write one sheet: of a conditional GAN, with a column a class, unless they are too many."""
    pixels, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    classes = len(labels.unique())
    write_pixels(tile(pixels, classes if 1 < classes <= MAX_COLUMNS else None), path)


def _write_folder(path: Path, batches: Batches, shape: Shape) -> None:
    with finished(path) as part:
        part.mkdir()
        numbers = itertools.count()
        for pixels, labels in batches:
            for image, label in zip(pixels, labels.tolist(), strict=True):
                name = f"{next(numbers):06d}" + f"_label{label}" * (label >= 0)
                write_pixels(image, part / f"{name}.png")
        path.mkdir(exist_ok=True)
        for old in path.iterdir():
            if OURS.fullmatch(old.name):
                old.unlink()
        for picture in part.iterdir():
            picture.replace(path / picture.name)


def _write_npz(path: Path, batches: Batches, shape: Shape) -> None:
    """Write arrays whose size is known beforehand, so that memory holds a batch alone."""
    written: list[Tensor] = []
    with finished(path) as part:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("images.npy", "w", force_zip64=True) as member:
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, header)
                for images, labels in batches:
                    member.write(images.permute(0, 2, 3, 1).contiguous().numpy().data)
                    written.append(labels)
            with archive.open("labels.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, torch.cat(written).numpy())
        part.replace(path)


WRITERS: dict[str, Callable[[Path, Batches, Shape], None]] = {
    "png": _write_png,
    "folder": _write_folder,
    "npz": _write_npz,
}


@contextmanager
def finished(path: Path) -> Iterator[Path]:
    """A place beside a path where things are made; nothing is left of it, whatever happens."""
    new = list(itertools.takewhile(lambda folder: not folder.exists(), path.absolute().parents))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            yield Path(folder) / "part"
    finally:
        for made in new:
            with suppress(OSError):  # something was written
                made.rmdir()


def device_of(name: str) -> torch.device:
    """The device of a name.

    Raises:
        ValueError: If there is none.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device '{name}' cannot be used here: {FIRST_SENTENCE.split(str(error))[0]}. Use auto or cpu."
        ) from error
    return device


def _check_room(shape: Shape, latent_dim: int, path: Path, kind: str) -> None:
    """Refuse what cannot fit: all latents are drawn at once, and a grid is made of all images."""
    num, pixels = shape[0], math.prod(shape)
    needed = num * (4 * latent_dim + 16) + pixels * COPIES_OF_GRID * (kind == "png")
    room = max(pixels, num * BLOCK) if kind == "folder" else pixels
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else needed
    if needed > there:
        raise OSError(
            f"{num} images take {_size(needed)} of memory, but this machine has {_size(there)}. "
            "Make fewer at a time, each time with another seed."
        )
    place = next(folder for folder in path.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(place).free
    if room > free:
        raise OSError(
            f"{num} images take up to {_size(room)}, but the disk of '{place}' has {_size(free)} left. Make fewer, or "
            "choose another --out."
        )


def _size(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.2f} MiB"


def import_class(path: str) -> None:
    """Import a GAN of the user's.

    Raises:
        ValueError: If it cannot be imported.
        TypeError: If it is not a GAN.
    """
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module or path), name, None)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"'{path}' cannot be imported: {error}. Run the command in the folder that holds {path.partition('.')[0]}."
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, AdversarialModule)):
        raise TypeError(f"'{path}' is not a GAN: give the import path of a subclass of AdversarialModule.")


def parse_integers(name: str, text: str) -> list[int]:
    """Integers with commas between.

    Raises:
        ValueError: If they are something else.
    """
    try:
        found = [int(word) for word in text.strip("[]").split(",")]
    except ValueError:
        found = []
    if not found or max(map(abs, found)) >= 2**63:
        raise ValueError(f"{name} must be integers with commas between, such as 7 or 0,1,2, got '{text}'.")
    return found
