"""The forms that a batch may have, and what its images and labels must be."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from gan_lightning.images import to_float

FORM = "A batch must be (images, labels), or for an unconditional GAN images alone"
PAIR = 2


def read_batch(batch: Any) -> tuple[Tensor, Tensor | None]:
    """Images and labels of a batch of any form that is unambiguous.

    Args:
        batch: ``(images, labels)``, ``(images,)`` or ``images``, each (N, C, H, W), float in [-1, 1] or uint8.

    Returns:
        Images, float, and labels as they were; None if there are none.

    Raises:
        TypeError: If the form is another one, or the images are neither float nor uint8.
        ValueError: If the images are not (N, C, H, W).
    """
    if isinstance(batch, Tensor):
        images, labels = batch, None
    elif isinstance(batch, Sequence) and 1 <= len(batch) <= PAIR:
        images, labels = batch[0], batch[1] if len(batch) == PAIR else None
    else:
        raise TypeError(f"{FORM}, got {_form(batch)}. Let the data set return one of these.")
    if not isinstance(images, Tensor) or not (images.is_floating_point() or images.dtype == torch.uint8):
        got = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"{FORM}; images must be tensors, float in [-1, 1] or uint8, got {got}.")
    if images.ndim != 4:
        raise ValueError(f"Images must have the shape (N, C, H, W), got {tuple(images.shape)}.")
    return to_float(images) if images.dtype == torch.uint8 else images, labels


def read_labels(labels: Tensor | None, images: Tensor, num_classes: int, look: bool = True) -> Tensor:
    """The labels of a batch as networks take them.

    Args:
        labels: (N,) or (N, 1), of any type of integers. An unconditional GAN takes any tensor of N; other things become
            zeros.
        images: (N, C, H, W).
        num_classes: Of the GAN; 0 if it is unconditional.
        look: Whether to check the values, which waits for an accelerator.

    Returns:
        (N,) int64 in [0, num_classes) for a conditional GAN.

    Raises:
        TypeError: If a conditional GAN gets no labels, or others than integers.
        ValueError: If they are of another shape, or out of range.
    """
    if not num_classes:
        if isinstance(labels, Tensor) and labels.shape[:1] == images.shape[:1]:
            return labels
        return torch.zeros(len(images), dtype=torch.int64, device=images.device)
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex():
        got = "none" if labels is None else getattr(labels, "dtype", type(labels).__name__)
        raise TypeError(
            f"A conditional GAN needs labels, (N,) integers from 0 to {num_classes - 1}, got {got}. {FORM}."
        )
    if labels.shape not in {(len(images),), (len(images), 1)}:
        raise ValueError(f"Labels must have the shape ({len(images)},), one for each image, got {tuple(labels.shape)}.")
    labels = labels.reshape(len(images)).long()
    if look or labels.device.type == "cpu":
        least, most = (int(end) for end in labels.aminmax())
        if not 0 <= least <= most < num_classes:
            raise ValueError(
                f"Labels must be from 0 to {num_classes - 1}, as the GAN has {num_classes} classes; got {least} to "
                f"{most}."
            )
    return labels


def split_batch(images: Tensor, labels: Tensor, updates: int, parts: int) -> list[list[tuple[Tensor, Tensor]]]:
    """Split a batch into the micro-batches of each update of D.

    Args:
        images: (N, C, H, W).
        labels: (N, ...), a label for each image, or an image.
        updates: ``n_critic``.
        parts: ``accumulate``.

    Raises:
        ValueError: If the batch is too small.
    """
    size = len(images) // (updates * parts)
    if size == 0:
        raise ValueError(
            f"A batch of {len(images)} images cannot be split into n_critic={updates} updates of D of "
            f"accumulate={parts} micro-batches each. Make the batch at least {updates * parts} images large, or lower "
            "one of the two."
        )
    pairs = list(zip(images.split(size), labels.split(size), strict=True))
    return [pairs[k * parts :][:parts] for k in range(updates)]


@contextmanager
def one_image_explained() -> Iterator[None]:
    """Say what to do about a batch norm that sees only one value per channel.

    Raises:
        ValueError: If one does.
    """
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("Expected more than 1 value per channel"):
            raise
        raise ValueError(
            "Batch norm cannot normalise a batch of one image. Drop the last, smaller batch of an epoch "
            "(drop_last=True of the DataLoader), or enlarge the batch."
        ) from error


def _form(batch: Any) -> str:
    if isinstance(batch, dict):
        return f"a dictionary of {', '.join(map(str, batch))}"
    return f"a {type(batch).__name__} of {len(batch)}" if isinstance(batch, Sequence) else f"a {type(batch).__name__}"
