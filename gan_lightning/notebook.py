"""Pictures in a notebook, drawn with matplotlib (extra ``notebook``)."""

import torch
from torch import Tensor

from gan_lightning.images import tile, to_uint8

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("Notebooks draw with matplotlib: pip install 'gan-lightning[notebook]'.") from error

__all__ = ["plt", "show"]

INCH = 50
"""Pixels to an inch: one of an image is one of the picture."""


def show(images: Tensor, columns: int | None = None) -> None:
    """Show images as one contact sheet.

    Args:
        images: (N, C, H, W), C of 1 or 3; uint8, or float in [-1, 1].
        columns: Images per row; by default the smallest square that holds them all.

    Raises:
        ValueError: If there is no image, or no column.
    """
    sheet = tile(images if images.dtype == torch.uint8 else to_uint8(images), columns)
    axes = plt.figure(figsize=(sheet.shape[2] / INCH, sheet.shape[1] / INCH), dpi=INCH).add_axes((0, 0, 1, 1))
    axes.imshow(sheet.permute(1, 2, 0).squeeze().numpy(force=True), cmap="gray", vmin=0, vmax=255)
    axes.axis("off")
    plt.show()
