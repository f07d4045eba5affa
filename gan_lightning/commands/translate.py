"""Pictures from one domain to the other: ``gan-lightning translate``."""

from pathlib import Path
from typing import Literal

import torch

import gan_lightning
from gan_lightning.commands.generate import device_of, import_class
from gan_lightning.commands.picture_files import find_pictures, read_picture
from gan_lightning.images import to_float, write_png
from gan_lightning.modules import CycleGAN
from gan_lightning.translation import TranslationModule

BATCH = 16
"""Pictures at a time."""


def translate(
    ckpt_path: str,
    images: str,
    out: str = "translated",
    to: Literal["target", "source"] = "target",
    model: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> None:
    """Translate pictures by Pix2Pix or CycleGAN.

    Args:
        ckpt_path: A checkpoint of such a GAN.
        images: A picture, or a folder of them. Their centre is cut to the proportions of the GAN's images and resized.
        out: A folder, for a .png of the same name for each; it must not be that of the pictures.
        to: "target": what the GAN has learnt to make; "source": back, by CycleGAN alone.
        model: A class of your own, such as mypkg.MyGAN, which the checkpoint needs.
        device: "auto", or what PyTorch calls it: cpu, cuda, cuda:1, mps.
        overwrite: Whether the pictures of an earlier call may be replaced in a folder that is not empty.

    Raises:
        FileNotFoundError: If there is no checkpoint, or no picture.
        FileExistsError: If the folder is not empty, or a file.
        TypeError: If the checkpoint is of another GAN.
        ValueError: If the checkpoint, a picture or the device cannot be used, or the GAN does not translate so.
    """
    folder = Path(out)
    paths = find_pictures(Path(images))
    if folder.resolve() in {path.resolve().parent for path in paths}:
        raise ValueError(f"out is '{out}', the folder of the pictures: choose another one.")
    if len({path.stem for path in paths}) < len(paths):
        raise ValueError(
            f"Pictures in '{images}' differ in endings alone, and would overwrite each other: rename them."
        )
    _check_folder(folder, overwrite)
    if model is not None:
        import_class(model)
    gan = gan_lightning.load(ckpt_path).to(device_of(device))
    if not isinstance(gan, TranslationModule):
        raise TypeError(f"'{ckpt_path}' holds {type(gan).__name__}, which makes images from latents: take generate.")
    if to == "source" and not isinstance(gan, CycleGAN):
        raise ValueError(f"{type(gan).__name__} translates to targets alone: leave out --to source.")
    shape = gan.generator.image_shape
    for batch in (paths[k : k + BATCH] for k in range(0, len(paths), BATCH)):
        pixels = torch.stack([read_picture(path, *shape) for path in batch])  # type: ignore[misc]
        changed = gan.translate_back(to_float(pixels)) if to == "source" else gan.translate(pixels)  # type: ignore[operator]
        for path, image in zip(batch, changed, strict=True):
            write_png(image[None], folder / f"{path.stem}.png")
    print(f"Wrote {len(paths)} translations to {folder}.")


def _check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse what holds files of the user's, as generate does."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"'{folder}' is a file. Name a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise FileExistsError(f"The folder '{folder}' is not empty. Choose another one, or add --overwrite true.")
