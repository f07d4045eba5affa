"""Which features judge images if nobody says."""

from collections.abc import Sequence

import torch

from gan_lightning.metrics.features import FeatureExtractor
from gan_lightning.metrics.mnist_features import MNISTFeatures
from gan_lightning.metrics.patch_features import PatchFeatures


def features_for(image_shape: Sequence[int] | None) -> FeatureExtractor:
    """Digits' own for images like those of MNIST, else those of patches. The usual FID is asked for by name.

    Args:
        image_shape: (channels, height, width); None if it is not known, which is taken for digits.

    Raises:
        ValueError: If neither can judge such images.
    """
    if image_shape is None:
        return MNISTFeatures()
    pixels = torch.zeros(1, *image_shape, dtype=torch.uint8)
    try:
        MNISTFeatures().prepare(pixels)
    except ValueError:
        PatchFeatures().prepare(pixels)
        return PatchFeatures()
    return MNISTFeatures()
