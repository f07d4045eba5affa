"""The latents whose images are nearest to given ones: ``gan-lightning project``."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import gan_lightning
from gan_lightning.commands.generate import device_of, import_class
from gan_lightning.commands.picture_files import find_pictures, read_picture
from gan_lightning.images import tile, to_float, to_uint8, write_bytes, write_pixels
from gan_lightning.inversion import project as find
from gan_lightning.pictures import beside
from gan_lightning.walks import STYLES, Space

MOST = 64
"""Pictures of a folder that are taken."""


def project(
    ckpt_path: str,
    images: str,
    out: str = "projected.png",
    label: int | None = None,
    starts: int = 8,
    steps: int = 300,
    feature_weight: float = 0.1,
    space: Space = "z",
    seed: int = 0,
    model: str | None = None,
    device: str = "auto",
) -> None:
    """Find the latents whose images are nearest to given ones, by pixels and features.

    Args:
        ckpt_path: A checkpoint of a GAN, or the name of a generator that comes with the package.
        images: A picture, or a folder of them, of which the first 64 by name are taken. Their centre is cut to the
            proportions of the GAN's images and resized.
        out: A .png with each picture beside what comes nearest; an existing one is replaced, but none of the pictures.
            The latents go beside it, to a file of its name that ends in .npy, or .w.npy if they are styles, (N,
            latent_dim); generate --latents takes it.
        label: For a conditional GAN: the class of all. Default: every class is tried.
        starts: Samples to begin at, for each picture and class, at least 1: more find nearer latents, and take longer.
        steps: Of the search, at least 1.
        feature_weight: Of the distance of features beside that of pixels, at least 0.
        space: "z": latents; "w": styles of StyleGAN2, which come nearer.
        seed: Of where the search begins, in [0, 2^63).
        model: A class of your own, such as mypkg.MyGAN, which the checkpoint needs.
        device: "auto", or what PyTorch calls it: cpu, cuda, cuda:1, mps.

    Raises:
        FileNotFoundError: If there is no checkpoint, or no picture.
        ValueError: If the checkpoint, a picture or the device cannot be used, a number is out of range, or a picture or
            other latents would be replaced.
    """
    path = Path(out)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise ValueError(f"out must be a file that ends in .png, got '{out}'.")
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed must be an integer in [0, 2^63), got {seed}.")
    latents = path.with_suffix(STYLES if space == "w" else ".npy")
    paths = find_pictures(Path(images))
    _check_free(path, latents, paths)
    paths = paths[:MOST]
    if model is not None:
        import_class(model)
    gan = gan_lightning.load(ckpt_path).to(device_of(device))
    channels, height, width = gan.sample(1, seed=0).shape[1:]
    pixels = torch.stack([read_picture(each, channels, height, width) for each in paths])
    options = {"starts": starts, "steps": steps, "feature_weight": feature_weight, "seed": seed}
    found = find(gan, to_float(pixels), label, space=space, **options)  # type: ignore[arg-type]
    points = io.BytesIO()
    np.save(points, found.points.cpu().numpy())
    write_pixels(beside(tile(pixels, 1), tile(to_uint8(found.images).cpu(), 1)), path)
    write_bytes(points.getvalue(), latents)
    errors = ", ".join(f"{255 / 2 * distance**0.5:.1f}" for distance in found.distances.tolist())
    classes = f" Classes: {', '.join(map(str, found.labels.tolist()))}." if gan.num_classes else ""
    print(f"Wrote {path}, and the latents beside it. Pixels differ by (root mean square, of 255): {errors}.{classes}")


def _check_free(path: Path, latents: Path, pictures: Sequence[Path]) -> None:
    """Refuse to replace what no earlier call has written.

    Raises:
        ValueError: If the path is one of the pictures, or there are latents without a sheet.
    """
    if path.resolve() in {picture.resolve() for picture in pictures}:
        raise ValueError(f"out is '{path}', one of the pictures: choose another one.")
    if latents.exists() and not path.exists():
        raise ValueError(
            f"The latents would replace '{latents}', which there is without '{path}': choose another --out, or remove "
            "it."
        )
