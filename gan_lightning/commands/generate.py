"""Images from a checkpoint, with no data and no config at hand: ``gan-lightning generate``."""

import importlib
import io
from pathlib import Path
from typing import Literal

import numpy as np

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.images import to_uint8, write_bytes, write_png


def generate(
    ckpt_path: str,
    num: int = 64,
    out: str = "samples.png",
    labels: str | None = None,
    seed: int = 0,
    format: Literal["png", "folder", "npz"] | None = None,
    model: str | None = None,
) -> None:
    """Make images from a checkpoint.

    Args:
        ckpt_path: A checkpoint of a GAN.
        num: How many images, at least 1.
        out: Where they go.
        labels: For a conditional GAN: one class or several, such as 7 or 0,1,2, repeated in turn. Default: all classes.
        seed: The images are a function of it.
        format: "png": one grid; "folder": one file an image; "npz": ``images``, uint8 (N, H, W, C), and ``labels``,
            -1 for an unconditional GAN. Default: what the ending of ``out`` says.
        model: A class of your own, such as mypkg.MyGAN, which the checkpoint needs; imported from the working
            directory or from what is installed.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the checkpoint cannot be used, a label is out of range, or the format is unclear.
    """
    if num < 1:
        raise ValueError(f"num must be at least 1, got {num}.")
    path = Path(out)
    kind = format or {".png": "png", ".npz": "npz", "": "folder"}.get(path.suffix)
    if kind is None:
        raise ValueError(
            f"Cannot tell the format from '{out}': end it in .png or .npz, or set format to png, folder or npz."
        )
    if model is not None:
        import_class(model)
    gan = gan_lightning.load(ckpt_path)
    classes = _parse_labels(labels) or list(range(gan.num_classes)) or None
    images = gan.sample(num, classes, seed)
    if kind == "png":
        write_png(images, path)
    elif kind == "folder":
        for k, image in enumerate(images):
            write_png(image[None], path / f"{k:06d}.png")
    else:
        written = np.resize(classes or [-1], num).astype(np.int64)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=to_uint8(images).permute(0, 2, 3, 1).numpy(), labels=written)
        write_bytes(buffer.getvalue(), path)
    print(f"Wrote {num} images of {type(gan).__name__} to {path}.")


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


def _parse_labels(labels: str | None) -> list[int] | None:
    if labels is None:
        return None
    try:
        return [int(label) for label in labels.strip("[]").split(",")]
    except ValueError:
        raise ValueError(f"labels must be classes with commas between, such as 7 or 0,1,2, got '{labels}'.") from None
