"""Walks through what a generator has learnt: from latent to latent, style to style, class to class."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_lightning.arguments import check_counts, check_probabilities
from gan_lightning.base import AdversarialModule
from gan_lightning.precision import at_least_fp32

Curve = Literal["slerp", "lerp"]
Space = Literal["z", "w"]
STYLES = ".w.npy"
"""How the name of a file of styles ends."""
SMALLEST_SINE = 1e-3
"""Of an angle; below it there is a line for an arc: between equal latents, between opposite ones, and from 0."""


def slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """Points on arcs: so latents keep the length that those of N(0, I) have (White, 2016, arXiv:1609.04468).

    Args:
        start, end: (N, D).
        t: From 0 at the start to 1 at the end.
    """
    cosine = (start * end).sum(1, keepdim=True) / (start.norm(dim=1, keepdim=True) * end.norm(dim=1, keepdim=True))
    angle = cosine.clamp(-1, 1).acos()
    arc = (((1 - t) * angle).sin() * start + (t * angle).sin() * end) / angle.sin()
    return torch.where(angle.sin() > SMALLEST_SINE, arc, start.lerp(end, t))


def walk(
    gan: AdversarialModule,
    seeds: Sequence[int] = (0, 1, 2, 3),
    labels: Sequence[int] | None = None,
    num: int = 16,
    steps: int = 16,
    curve: Curve | None = None,
    space: Space = "z",
    truncation: float | None = None,
    loop: bool = True,
) -> Iterator[Tensor]:
    """Images on the way through several points, each of which is a seed and, of a conditional GAN, a class.

    At a point the images are those of ``gan.sample(num, labels, seed)``. Classes are mixed on the way: G is given both,
    each by its share.

    Args:
        gan: In evaluation mode, as :func:`gan_lightning.load` has it.
        seeds: Of the points.
        labels: Classes of the points; the shorter of both lists is repeated. By default each image keeps a class of its
            own, in turn.
        num: Images at a time, at least 1.
        steps: From a point to the next, at least 1.
        curve: "slerp", arcs, or "lerp", lines; by default arcs between latents of N(0, I), and lines otherwise, such as
            between InfoGAN's codes.
        space: "z": between latents; "w": between styles, of a G with ``mapping`` and ``synthesis``.
        truncation: See ``gan.sample``.
        loop: Whether the last point is followed by the first.

    Yields:
        (num, C, H, W) in [-1, 1].

    Raises:
        ValueError: If there are less than two points, a class does not exist, or G has no styles.
    """
    check_counts(num=num, steps=steps)
    count = max(len(seeds), len(labels or ()))
    if count < 2:
        raise ValueError(f"A walk needs two points or more: give several seeds, or several labels; got seeds {seeds}.")
    points = [_point(gan, seeds[k % len(seeds)], num, space, truncation) for k in range(count)]
    classes = [_classes(gan, labels[k % len(labels)] if labels else None, num) for k in range(count)]
    curved = curve or ("slerp" if space == "z" and gan.prior == "normal" else "lerp")
    noise = noise_features(gan) if space == "z" else None
    for k in range(count if loop else count - 1):
        following = (k + 1) % count
        for step in range(steps):
            t = step / steps
            mixture = classes[k].lerp(classes[following], t)
            yield _images(gan, _between(points[k], points[following], t, curved, noise), mixture, space, truncation)
    if not loop:
        yield _images(gan, points[-1], classes[-1], space, truncation)


def noise_features(gan: AdversarialModule) -> int:
    """How many features of a latent are noise; those behind them are codes, such as InfoGAN's."""
    return gan.latent_dim - sum(part.codes for part in gan.stabilizers)  # type: ignore[misc]


def _between(start: Tensor, end: Tensor, t: float, curve: Curve, noise: int | None) -> Tensor:
    """A point on the way, whose features after the first ``noise`` are on a line."""
    arc = slerp(start[:, :noise], end[:, :noise], t) if curve == "slerp" else start[:, :0]
    return torch.cat([arc, start.lerp(end, t)[:, arc.shape[1] :]], 1)


@torch.no_grad()
def _point(gan: AdversarialModule, seed: int, num: int, space: Space, truncation: float | None) -> Tensor:
    latents = gan.sample_latent(num, torch.Generator().manual_seed(seed), truncation).to(gan.device)
    if space == "z":
        return latents
    network = styled(gan)
    styles: Tensor = network.mapping(latents)
    check_probabilities(truncation=1.0 if truncation is None else truncation)
    return styles if truncation is None else network.mean_style().lerp(styles, truncation)


def _classes(gan: AdversarialModule, label: int | None, num: int) -> Tensor:
    """The share of each class in each image, (num, num_classes)."""
    asked = list(range(gan.num_classes)) or None if label is None else label
    labels = gan.sample_labels(num, asked, torch.Generator())
    return one_hot(labels, max(1, gan.num_classes)).float()


@torch.no_grad()
def _images(gan: AdversarialModule, points: Tensor, classes: Tensor, space: Space, truncation: float | None) -> Tensor:
    if space == "w":
        return at_least_fp32(styled(gan).synthesis(points))
    is_mixed = bool(((classes > 0) & (classes < 1)).any())
    return gan.sample_from(points, classes if is_mixed else classes.argmax(1), truncation)


def styled(gan: AdversarialModule) -> Any:
    """The network that samples are drawn with, whose ``mapping`` makes styles and whose ``synthesis`` takes them.

    Raises:
        ValueError: If it has no styles.
    """
    network = gan.generator if gan.ema is None else gan.ema
    if not hasattr(network, "synthesis"):
        raise ValueError(f"The generator of {type(gan).__name__} has no styles: let space be z.")
    return network
