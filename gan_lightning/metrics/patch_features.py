"""Features of colour images without weights: what is where, and how sharp it is."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, pad

from gan_lightning.images import to_rgb
from gan_lightning.metrics.features import FeatureExtractor

SIDE = 8
"""Pixels of the side of a block, and fields of the side of a thumbnail."""
EDGES = (0, 2, 4, 7, 10, 14)
"""Bands of frequencies, each the sums of both indices above one edge and up to the next."""
QUIET = 1e-3
"""Energy of a frequency below which it counts less and less: that of noise of 8 grey levels, which is hardly seen."""
LEAST = 2 * SIDE
"""Pixels of the smallest side that are needed."""


class Patches(nn.Module):
    """Thumbnails and band energies of images (N, 3, H, W) in [0, 1], H and W of at least 16."""

    def __init__(self) -> None:
        super().__init__()
        index = torch.arange(SIDE)
        basis = torch.cos(math.pi * (2 * index + 1) * index[:, None] / (2 * SIDE)) * math.sqrt(2 / SIDE)
        basis[0] /= math.sqrt(2)
        frequency = index + index[:, None]
        bands = torch.stack([(low < frequency) & (frequency <= high) for low, high in itertools.pairwise(EDGES)])
        self.register_buffer("basis", basis)  # of the orthonormal cosine transform (DCT-II; Ahmed et al., 1974)
        self.register_buffer("bands", bands / bands.sum((1, 2), keepdim=True))  # (B, 8, 8), each a mean
        # Luma and chroma as in JPEG (ITU-T T.871).
        luma = torch.tensor([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
        self.register_buffer("luma", luma)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 252): means of 8x8 fields, and logarithms of the energies of five bands in each quarter."""
        means = adaptive_avg_pool2d(images, SIDE).flatten(1)
        whole = pad(images, (0, -images.shape[3] % SIDE, 0, -images.shape[2] % SIDE), mode="replicate")
        colours = torch.einsum("kc,nchw->nkhw", self.luma, whole)
        blocks = colours.unflatten(3, (-1, SIDE)).unflatten(2, (-1, SIDE)).transpose(3, 4)  # (N, 3, h, w, 8, 8)
        energies = (self.basis @ blocks @ self.basis.T).square()
        bands = torch.einsum("nchwij,bij->ncbhw", energies, self.bands)
        quarters = adaptive_avg_pool2d(bands.flatten(1, 2), 2).flatten(1)
        return torch.cat([means, (quarters + QUIET).log() / 4], dim=1)


class PatchFeatures(FeatureExtractor):
    """252 features of images of any size from 16x16 on, grey or RGB, that need no weights: ``fid_patches``.

    192 are the means of 8x8 fields, which see shapes, colours and which images there are; 60 are logarithms of the
    energies of five bands of frequencies, of luma and two chromas, in each quarter, which see blur, noise and the
    patterns that some networks leave. They know nothing of what an image means: a face with three eyes of the
    right sharpness is hardly worse than one with two. Values are comparable among themselves only, on one data set and
    at one size. ``benchmarks/rgb_features.py`` is why these.

    Example:
        >>> PatchFeatures()(torch.zeros(2, 3, 64, 48, dtype=torch.uint8)).shape
        torch.Size([2, 252])
    """

    num_features = 252
    fid_name = "fid_patches"
    preprocessing = "grey repeated to RGB, / 255"

    def build(self) -> nn.Module:
        """Nothing to read."""
        return Patches()

    def prepare(self, pixels: Tensor) -> Tensor:
        """RGB images (N, 3, H, W) in [0, 1].

        Raises:
            ValueError: If a side is smaller than 16.
        """
        if min(pixels.shape[2:]) < LEAST:
            size = f"{pixels.shape[2]}x{pixels.shape[3]}"
            raise ValueError(f"PatchFeatures judges images of at least {LEAST}x{LEAST} pixels, got {size}.")
        return to_rgb(pixels).float() / 255
