"""From an image back to a latent: the one whose image is nearest."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gan_lightning.arguments import check_counts, check_positive, check_weights
from gan_lightning.base import AdversarialModule
from gan_lightning.metrics import features_for
from gan_lightning.metrics.features import FeatureExtractor
from gan_lightning.precision import at_least_fp32
from gan_lightning.walks import Space, noise_features, styled

REFERENCES = 128
"""Samples whose features say how far apart features usually are."""


class Projection(NamedTuple):
    """What comes nearest to N images.

    Attributes:
        points: Latents, (N, latent_dim), or styles.
        labels: Classes, (N,) int64; zeros of an unconditional GAN.
        images: What G makes of them, (N, C, H, W) in [-1, 1].
        distances: Mean squared differences of pixels, (N,).
    """

    points: Tensor
    labels: Tensor
    images: Tensor
    distances: Tensor


def project(
    gan: AdversarialModule,
    images: Tensor,
    label: int | None = None,
    starts: int = 8,
    steps: int = 300,
    lr: float = 0.1,
    feature_weight: float = 0.1,
    space: Space = "z",
    seed: int = 0,
) -> Projection:
    """Find the latents whose images are nearest to given ones, by Adam from several samples.

    The distance is the mean squared difference of pixels, and of pixels at half the resolution, plus the weighted one
    of features, those of :func:`gan_lightning.metrics.features_for`, in units of their variance among samples. Normal
    latents keep the length √D that they have in high dimensions, uniform ones stay in [-1, 1]; styles are free, and so
    are codes, such as InfoGAN's.

    Args:
        gan: In evaluation mode, as :func:`gan_lightning.load` has it.
        images: (N, C, H, W) in [-1, 1], of the shape of G's.
        label: The class of all; by default every class is tried.
        starts: Samples to begin at, for each image and class, at least 1.
        steps: Of Adam, at least 1; its learning rate falls to 0 along half a cosine.
        lr: At first, above 0.
        feature_weight: At least 0; 0 for pixels alone.
        space: "z": latents; "w": styles, of a G with ``mapping`` and ``synthesis``, which come nearer.
        seed: Of the samples.

    Raises:
        ValueError: If the images are of another shape, a number is out of range, or G has no styles.
    """
    check_counts(starts=starts, steps=steps)
    check_positive(lr=lr)
    check_weights(feature_weight=feature_weight)
    shape = tuple(gan.sample(1, seed=0).shape[1:])
    if tuple(images.shape[1:]) != shape:
        raise ValueError(f"The images are {tuple(images.shape[1:])}, but {type(gan).__name__} makes {shape} (C, H, W).")
    images = images.to(gan.device)
    labels = _labels(gan, label, starts)
    tries = len(labels)
    labels = labels.repeat(len(images))  # image by image, all tries
    points = _begin(gan, len(labels), space, seed).requires_grad_()
    judge = _Distance(gan, images.repeat_interleave(tries, 0), feature_weight)
    optimizer = torch.optim.Adam([points], lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        (points.grad,) = torch.autograd.grad(judge(_draw(gan, points, labels, space)).sum(), points)
        optimizer.step()
        schedule.step()
        if space == "z":
            _keep_in_prior(points[:, : noise_features(gan)], gan.prior)
    with torch.no_grad():
        made = _draw(gan, points, labels, space)
        best = judge(made).view(len(images), tries).argmin(1) + tries * torch.arange(len(images), device=gan.device)
        distances = (made[best] - images).square().mean((1, 2, 3))
    return Projection(points.detach()[best], labels[best], made[best], distances)


def _labels(gan: AdversarialModule, label: int | None, starts: int) -> Tensor:
    """The class of each try of an image."""
    classes = list(range(max(1, gan.num_classes))) if label is None else [label]
    if label is None and not gan.num_classes:
        return torch.zeros(starts, dtype=torch.int64, device=gan.device)
    return gan.sample_labels(starts * len(classes), classes, torch.Generator())


@torch.no_grad()
def _begin(gan: AdversarialModule, count: int, space: Space, seed: int) -> Tensor:
    """Where the search begins: points of samples."""
    latents = gan.sample_latent(count, torch.Generator().manual_seed(seed)).to(gan.device)
    if space == "z":
        return latents
    styles: Tensor = styled(gan).mapping(latents)
    return styles


def _draw(gan: AdversarialModule, points: Tensor, labels: Tensor, space: Space) -> Tensor:
    if space == "w":
        return at_least_fp32(styled(gan).synthesis(points))
    made: Tensor = gan(points, labels if gan.num_classes else None)
    return made


class _Distance:
    """How far images are from their targets, (N,).

    Args:
        gan: Whose samples say how much features vary.
        targets: (N, C, H, W) in [-1, 1].
        feature_weight: 0 for pixels alone.
    """

    def __init__(self, gan: AdversarialModule, targets: Tensor, feature_weight: float) -> None:
        self.targets = targets
        self.weight = feature_weight
        self.extractor = _extractor(targets) if feature_weight else None
        with torch.no_grad():
            self.variance = self._features(gan.sample(REFERENCES, seed=0)).var(0).mean().clamp(min=1e-12)
            self.wanted = self._features(targets)

    def _features(self, images: Tensor) -> Tensor:
        """Those of the extractor, with gradients; none without one."""
        if self.extractor is None:
            return images.new_zeros(len(images), 2)
        features: Tensor = self.extractor.load().to(images.device)(self.extractor.prepare((images + 1) * 127.5))
        return features

    def __call__(self, images: Tensor) -> Tensor:
        difference = images - self.targets
        coarse = interpolate(difference, scale_factor=0.5, mode="area") if min(images.shape[2:]) > 1 else difference
        distance = difference.square().mean((1, 2, 3)) + coarse.square().mean((1, 2, 3))
        return distance + self.weight * (self._features(images) - self.wanted).square().mean(1) / self.variance


def _extractor(images: Tensor) -> FeatureExtractor | None:
    """What can judge such images; None for those that are too small."""
    try:
        return features_for(images.shape[1:])
    except ValueError:
        return None


@torch.no_grad()
def _keep_in_prior(latents: Tensor, prior: str) -> None:
    if prior == "uniform":
        latents.clamp_(-1, 1)
    else:
        latents.mul_(math.sqrt(latents.shape[1]) / latents.norm(dim=1, keepdim=True).clamp(min=1e-12))
