"""Differentiable augmentation of a fixed strength."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from gan_lightning.arguments import check_probabilities, check_weights
from gan_lightning.engine.draws import SharedDraws
from gan_lightning.game import Stabilizer


class DiffAugment(Stabilizer):
    """D sees reals and fakes in other colours, shifted, and with a hole (Zhao et al., 2020, arXiv:2006.10738).

    Gradients reach G through it. Each image is changed by its own random numbers; 0 turns a change off.

    Args:
        brightness: b: a number from U(-b, b) is added to all pixels.
        saturation: s: distances to the grey of the same pixel are multiplied by a number from U(1 - s, 1 + s).
        contrast: c: distances to the mean of the image are multiplied by a number from U(1 - c, 1 + c).
        translation: Largest shift, as a fraction of height and width; what moves in is 0.
        cutout: Side of the square that becomes 0, as a fraction of height and width; it may overlap the border.

    Raises:
        ValueError: If a number is negative, or a fraction above 1.
    """

    def __init__(
        self,
        brightness: float = 0.5,
        saturation: float = 1.0,
        contrast: float = 0.5,
        translation: float = 0.125,
        cutout: float = 0.5,
    ) -> None:
        super().__init__()
        check_weights(brightness=brightness, saturation=saturation, contrast=contrast)
        check_probabilities(translation=translation, cutout=cutout)
        self.brightness = brightness
        self.saturation = saturation
        self.contrast = contrast
        self.translation = translation
        self.cutout = cutout

    def view(self, images: Tensor, draws: SharedDraws) -> Tensor:
        """Change images (N, C, H, W)."""
        numbers = draws.uniform(len(images), 7).to(images)
        brightness, saturation, contrast = (2 * numbers[:, :3] - 1).T.reshape(3, -1, 1, 1, 1)
        images = recolored(
            images, self.brightness * brightness, 1 + self.saturation * saturation, 1 + self.contrast * contrast
        )
        images = translated(images, numbers[:, 3:5], self.translation)
        return cut_out(images, numbers[:, 5:7], self.cutout)


def recolored(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Add a number to each image, then multiply distances to the grey of the pixel, then to the mean of the image.

    Args:
        images: (N, C, H, W).
        brightness, saturation, contrast: (N, 1, 1, 1).
    """
    images = images + brightness
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * saturation
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * contrast


def translated(images: Tensor, places: Tensor, part: float) -> Tensor:
    """Shift images by whole pixels; what moves in is 0.

    Args:
        images: (N, C, H, W).
        places: (N, 2) in [0, 1): from the largest shift down and to the right to the largest up and to the left.
        part: Largest shift, as a fraction of height and width.
    """
    for place in places.unbind(1):
        images = images.transpose(2, 3)  # rows, then columns, are the last dimension
        size = images.shape[3]
        reach = int(part * size + 0.5)
        first = (place * (2 * reach + 1)).long()
        index = first[:, None] + torch.arange(size, device=images.device)
        images = pad(images, (reach, reach)).gather(3, index.view(-1, 1, 1, size).expand(images.shape))
    return images


def cut_out(images: Tensor, places: Tensor, part: float) -> Tensor:
    """Set a square of each image to 0, which may overlap the border.

    Args:
        images: (N, C, H, W).
        places: (N, 2) in [0, 1): of the centre, as fractions of height and width.
        part: Side of the square, as a fraction of height and width.
    """
    inside = []
    for size, place in zip(images.shape[2:], places.unbind(1), strict=True):
        side = int(part * size + 0.5)
        first = (place * (size + 1 - side % 2)).long() - side // 2
        distance = torch.arange(size, device=images.device) - first[:, None]
        inside.append((distance >= 0) & (distance < side))
    rows, columns = inside
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill(hole, 0.0)
