"""Which images each family of networks can make and judge, and the refusal of all others."""

import math
import operator
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from gan_lightning.arguments import check_counts

Shape = tuple[int, int, int]
"""(C, H, W)."""
Size = tuple[int, int]
"""(H, W)."""
LARGEST_STEM = 15
"""Pixels of its shorter side; a larger stem would leave too little to the doublings that follow."""


def read_count(value: Any) -> int:
    """A number in Python's integers, also one of NumPy's; 0 for what is no integer."""
    try:
        return 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return 0


def read_shape(image_shape: Sequence[int]) -> Shape:
    """The shape of images in Python's integers.

    Args:
        image_shape: (C, H, W): a sequence or an array of integers, also NumPy's.

    Raises:
        ValueError: If it is anything else.
    """
    sides = image_shape.tolist() if hasattr(image_shape, "tolist") else image_shape
    shape = [read_count(side) for side in sides] if isinstance(sides, Sequence) else []
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(
            "image_shape must be (C, H, W), three integers of at least 1, such as (3, 64, 48) for RGB images 64 pixels "
            f"high and 48 wide; got {image_shape!r}."
        )
    channels, height, width = shape
    return channels, height, width


def halvings(image_shape: Sequence[int]) -> list[Size]:
    """Sizes of an image that is halved, rounding down, until its shorter side has at most 4 pixels.

    Args:
        image_shape: (C, H, W).

    Raises:
        ValueError: If a side has fewer than 8 pixels.

    Example:
        >>> halvings((3, 64, 48)), halvings((1, 28, 28))
        ([(64, 48), (32, 24), (16, 12), (8, 6), (4, 3)], [(28, 28), (14, 14), (7, 7), (3, 3)])
    """
    _, height, width = shape = read_shape(image_shape)
    if min(height, width) < 8:
        nearest = max(height, 8), max(width, 8)
        raise _refusal("DCGAN's networks", shape, "height and width must be at least 8", nearest)
    sizes = [(height, width)]
    while min(sizes[-1]) > 4:
        height, width = height // 2, width // 2
        sizes.append((height, width))
    return sizes


def stem(image_shape: Sequence[int]) -> tuple[Size, int]:
    """How a network whose every layer exactly doubles or halves the resolution reaches a size: (stem, doublings).

    The shorter side of the stem has as few pixels as can be, 4 at least: 28 = 7 * 2², 32 = 4 * 2³, 36 = 9 * 2².

    Args:
        image_shape: (C, H, W).

    Raises:
        ValueError: If a side is odd or has fewer than 8 pixels, or if the shorter side of the stem would have more
            than 15.

    Example:
        >>> stem((1, 28, 28)), stem((3, 64, 48))
        (((7, 7), 2), ((8, 6), 3))
    """
    _, height, width = shape = read_shape(image_shape)
    shorter, both = min(height, width), height | width
    doublings = min(shorter.bit_length() - 3, (both & -both).bit_length() - 1)
    if doublings < 1 or shorter >> doublings > LARGEST_STEM:
        rule = (
            "height and width must be at least 8, and multiples of 2 where the shorter of them is at most 30, of 4 "
            "where it is at most 60, of 8 up to 120, of 16 up to 240, and so on"
        )
        raise _refusal("Residual networks", shape, rule, _nearest((height, width)))
    return (height >> doublings, width >> doublings), doublings


def _nearest(size: Size) -> Size:
    """The size nearest to one that :func:`stem` refuses."""
    height, width = size
    legal = []
    for step in (2**k for k in range(1, max(*size, 8).bit_length())):
        sides = [max(4, (2 * side + step) // (2 * step)) for side in size]
        shorter = sides.index(min(sides))
        sides[shorter] = min(sides[shorter], LARGEST_STEM)
        legal.append((sides[0] * step, sides[1] * step))
    # Of sizes that are equally near, the one of the same proportions.
    return min(legal, key=lambda s: (abs(s[0] - height) + abs(s[1] - width), abs(s[0] * width - s[1] * height)))


def _refusal(networks: str, shape: Shape, rule: str, nearest: Size) -> ValueError:
    first, second, third = shape
    is_reversed = third <= 4 < min(first, second)
    order = f", or give image_shape={(third, first, second)} if you meant (H, W, C)" if is_reversed else ""
    return ValueError(
        f"{networks} cannot make {second}x{third} images, the height and width of image_shape={shape} (C, H, W): "
        f"{rule}. The nearest size is {nearest[0]}x{nearest[1]}: resize the images to it{order}."
    )


def check_images(images: Tensor, image_shape: Shape, network: nn.Module) -> None:
    """Refuse images of another shape than a network was built for, for it might judge them all the same.

    Args:
        images: (N, C, H, W).
        image_shape: (C, H, W).
        network: What was built for it.

    Raises:
        ValueError: If the shapes differ.
    """
    if images.shape[1:] != image_shape:
        raise ValueError(
            f"{type(network).__name__} was built for images of shape {image_shape}, got {tuple(images.shape[1:])}: "
            "(C, H, W), where C counts planes of labels and the images of a pack, too. Give the data the image_size of "
            "the GAN, or the GAN the image_shape of the data."
        )


def check_features(images: Tensor, features: int, network: nn.Module) -> None:
    """Refuse images of another number of pixels than a network of flat images was built for.

    Args:
        images: (N, ...).
        features: Of each of the N.
        network: What was built for them.

    Raises:
        ValueError: If the numbers differ.
    """
    shape = tuple(images.shape[1:])
    if math.prod(shape) != features:
        raise ValueError(
            f"{type(network).__name__} was built for images of {features} features, got {math.prod(shape)}, of shape "
            f"{shape}; they count those that labels add, too. Give the data the image_size of the GAN, or the GAN the "
            "image_shape of the data."
        )


def check_latents(latents: Tensor, latent_dim: int, network: nn.Module) -> None:
    """Refuse latents of another shape than a generator was built for.

    Args:
        latents: (N, latent_dim).
        latent_dim: Features of a latent.
        network: What was built for it.

    Raises:
        ValueError: If the shape is another.
    """
    if latents.shape[1:] != (latent_dim,):
        raise ValueError(
            f"{type(network).__name__} was built for latents of shape (N, {latent_dim}), got {tuple(latents.shape)}: "
            "the features of its latent_dim, which count those that labels add, too. A GAN around it needs the same "
            "latent_dim; its sample_latent(n) draws them."
        )


def read_classes(num_classes: int) -> int:
    """The number of classes as Python's integer, also from one of NumPy's.

    Raises:
        ValueError: If it is not an integer of at least 1, such as the 0 of data without labels.
    """
    if read_count(num_classes) < 1:
        raise ValueError(
            f"num_classes must be an integer, at least 1, got {num_classes!r}: a conditional GAN learns from labels. "
            "Use data that have them, or an unconditional GAN."
        )
    return read_count(num_classes)


def with_planes(image_shape: Sequence[int], num_classes: int) -> Shape:
    """The shape of images with one more channel for each class, as :class:`LabelPlanes` makes them.

    Raises:
        ValueError: If there is no image of this shape, or no class.
    """
    channels, height, width = read_shape(image_shape)
    return channels + read_classes(num_classes), height, width


def joined(**features: int) -> int:
    """How many features several vectors have together.

    Raises:
        ValueError: If one, by its name, has none.
    """
    check_counts(**features)
    return sum(features.values())
