"""Adaptive discriminator augmentation: random affine maps of pixels and colours, the more often the more D overfits."""

import math

import torch
from torch import Tensor

from gan_lightning.arguments import check_counts, check_probabilities
from gan_lightning.engine.draws import SharedDraws
from gan_lightning.game import Stabilizer, Update


class ADA(Stabilizer):
    """Adaptive discriminator augmentation (Karras et al., 2020, arXiv:2006.06676).

    Each change of appendix B's first three groups (pixel blitting, geometry, colour) is applied to an image with
    probability p; p rises while D overfits, that is while r_t = E[sign D(x)] exceeds its target, and falls otherwise
    (section 3). Images are resampled bilinearly and reflected at the border; the paper uses wavelet filters.

    Args:
        target: The r_t to aim at, in [0, 1].
        interval: Updates of D from one adjustment of p to the next.
        images: Real images in which p can rise from 0 to 1.
        initial_prob: p at the start, in [0, 1].
        pixels: Factor of p for mirroring, quarter turns and shifts by whole pixels, in [0, 1].
        geometry: Factor of p for scaling, rotating, stretching and shifts, in [0, 1].
        color: Factor of p for brightness, contrast, inverted luma, hue and saturation, in [0, 1].

    Attributes:
        prob: p; a buffer.

    Raises:
        ValueError: If a number is out of its range.
    """

    prob: Tensor
    signs: Tensor
    updates: Tensor

    def __init__(
        self,
        target: float = 0.6,
        interval: int = 4,
        images: int = 500_000,
        initial_prob: float = 0.0,
        pixels: float = 1.0,
        geometry: float = 1.0,
        color: float = 1.0,
    ) -> None:
        super().__init__()
        check_probabilities(target=target, initial_prob=initial_prob, pixels=pixels, geometry=geometry, color=color)
        check_counts(interval=interval, images=images)
        self.target = target
        self.interval = interval
        self.images = images
        self.initial_prob = initial_prob
        self.pixels = pixels
        self.geometry = geometry
        self.color = color
        self.register_buffer("prob", torch.tensor(float(initial_prob)))
        self.register_buffer("signs", torch.zeros(()))  # sum of r_t since the last adjustment
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def after(self, update: Update) -> None:
        """Adjust p, if that is due."""
        if update.real_logits is None:
            return
        self.signs += update.mean(update.real_logits.sign().mean())  # r_t, eq. 1
        self.updates += 1
        is_due = self.updates % self.interval == 0
        direction = (self.signs / self.interval - self.target).sign()
        self.prob.add_(is_due * direction * (self.interval * update.images / self.images)).clamp_(0, 1)
        self.signs.mul_(~is_due)

    def view(self, images: Tensor, draws: SharedDraws) -> Tensor:
        """Change images (N, C, H, W), each by its own random numbers."""
        count, channels = images.shape[:2]
        uniform = draws.uniform(count, 21).to(images)
        normal = draws.share(count, lambda n, generator: torch.randn(n, 7, generator=generator, device=draws.device))
        normal = normal.to(images)
        chance = self.prob.to(images)
        chances = self.pixels * chance, self.geometry * chance
        images = warped(images, pixel_map(uniform[:, :14], normal[:, :4], *chances, images.shape[2:]))
        colors = color_map(uniform[:, 14:], normal[:, 4:], self.color * chance)
        if channels not in (1, 3):
            raise ValueError(f"ADA changes images of 1 or 3 channels, got {channels}: use DiffAugment instead.")
        if channels == 3:
            return recolored(images, colors)
        return recolored(images.expand(-1, 3, -1, -1), colors).mean(1, keepdim=True)


def pixel_map(uniform: Tensor, normal: Tensor, pixels: Tensor, geometry: Tensor, size: torch.Size) -> Tensor:
    """Where the pixels of each image come from, as an affine map of (x, y, 1), the centre of the image being 0.

    Args:
        uniform: (N, 14) from U(0, 1).
        normal: (N, 4) from N(0, 1).
        pixels: Probability of each change by whole pixels.
        geometry: Probability of each other change.
        size: (H, W).

    Returns:
        (N, 3, 3).
    """
    u, z = uniform.unbind(1), normal.unbind(1)
    height, width = size
    turning = 1 - (1 - geometry).clamp(min=0).sqrt()  # so that the chance of any rotation is ``geometry``
    half_turns = (2 * u[1]).floor()
    steps = [
        (pixels, u[0], _scaling(1 - 2 * half_turns, torch.ones_like(half_turns))),
        (pixels, u[2], _rotation((4 * u[3]).floor() * (math.pi / 2))),
        (pixels, u[4], _shift(((2 * u[5] - 1) * width / 8).round(), ((2 * u[6] - 1) * height / 8).round())),
        (geometry, u[7], _scaling(2 ** (0.2 * z[0]), 2 ** (0.2 * z[0]))),
        (turning, u[8], _rotation((2 * u[9] - 1) * math.pi)),
        (geometry, u[10], _scaling(2 ** (0.2 * z[1]), 2 ** (-0.2 * z[1]))),
        (turning, u[11], _rotation((2 * u[12] - 1) * math.pi)),
        (geometry, u[13], _shift(z[2] * width / 8, z[3] * height / 8)),
    ]
    return _product(steps)


def color_map(uniform: Tensor, normal: Tensor, chance: Tensor) -> Tensor:
    """How the colours of each image change, as an affine map of (red, green, blue, 1).

    Args:
        uniform: (N, 7) from U(0, 1).
        normal: (N, 3) from N(0, 1).
        chance: Probability of each change.

    Returns:
        (N, 4, 4).
    """
    u, z = uniform.unbind(1), normal.unbind(1)
    identity = torch.eye(4, dtype=uniform.dtype, device=uniform.device).expand(len(uniform), 4, 4)
    grey = torch.zeros_like(identity)
    grey[:, :3, :3] = 1 / 3  # the projection on the axis of luma
    colors = identity.clone()
    colors[:, 3, 3] = 0
    colors = colors - grey
    brightness = identity.clone()
    brightness[:, :3, 3] = 0.2 * z[0][:, None]
    contrast, saturation = 2 ** (0.5 * z[1].view(-1, 1, 1)), 2 ** z[2].view(-1, 1, 1)
    ones = identity - grey - colors  # of the last row
    inverted = (2 * u[3]).floor().view(-1, 1, 1)
    steps = [
        (chance, u[0], brightness),
        (chance, u[1], contrast * (grey + colors) + ones),
        (chance, u[2], identity - 2 * inverted * grey),
        (chance, u[4], _hue((2 * u[5] - 1) * math.pi, grey, colors) + ones),
        (chance, u[6], grey + saturation * colors + ones),
    ]
    return _product(steps[::-1])  # brightness first: this map goes forwards, that of pixels backwards


def warped(images: Tensor, places: Tensor) -> Tensor:
    """Resample images bilinearly, reflected at the border; second derivatives exist, unlike those of ``grid_sample``.

    Args:
        images: (N, C, H, W).
        places: Where pixels come from, (N, 3, 3), see :func:`pixel_map`.
    """
    height, width = images.shape[2:]
    columns = torch.arange(width, dtype=images.dtype, device=images.device) - (width - 1) / 2
    rows = torch.arange(height, dtype=images.dtype, device=images.device) - (height - 1) / 2
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    points = torch.stack([x.flatten(), y.flatten(), torch.ones_like(x).flatten()])
    found = places[:, :2] @ points
    left, right, x_part = _neighbors(found[:, 0] + (width - 1) / 2, width)
    top, bottom, y_part = _neighbors(found[:, 1] + (height - 1) / 2, height)
    flat = images.flatten(2)

    def take(row: Tensor, column: Tensor) -> Tensor:
        return flat.gather(2, (row * width + column)[:, None].expand(flat.shape))

    above = torch.lerp(take(top, left), take(top, right), x_part.expand(flat.shape))
    below = torch.lerp(take(bottom, left), take(bottom, right), x_part.expand(flat.shape))
    return torch.lerp(above, below, y_part.expand(flat.shape)).view(images.shape)


def recolored(images: Tensor, colors: Tensor) -> Tensor:
    """Map the colours of images (N, 3, H, W) by (N, 4, 4), see :func:`color_map`."""
    flat = colors[:, :3, :3] @ images.flatten(2) + colors[:, :3, 3:]
    return flat.view(images.shape)


def _product(steps: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """The product of the matrices, each of which is taken with its probability, as a number from U(0, 1) decides."""
    _, _, first = steps[0]
    identity = torch.eye(first.shape[-1], dtype=first.dtype, device=first.device).expand(first.shape)
    product = identity
    for chance, number, matrix in steps:
        product = product @ torch.where((number < chance).view(-1, 1, 1), matrix, identity)
    return product


def _neighbors(places: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels on both sides of places (N, P), in [0, size), and the part of the way to the second, (N, 1, P)."""
    period = max(2 * (size - 1), 1)
    places = places.remainder(period)
    places = torch.minimum(places, period - places).clamp(0, size - 1)
    first = places.floor()
    second = (first + 1).clamp(max=size - 1)
    return first.long(), second.long(), (places - first)[:, None]


def _matrix(rows: list[list[Tensor | float]], like: Tensor) -> Tensor:
    """(N, R, C) of entries that are (N,) or numbers."""
    return torch.stack([torch.stack([torch.zeros_like(like) + entry for entry in row], 1) for row in rows], 1)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return _matrix([[x, 0, 0], [0, y, 0], [0, 0, 1]], x)


def _shift(x: Tensor, y: Tensor) -> Tensor:
    return _matrix([[1, 0, x], [0, 1, y], [0, 0, 1]], x)


def _rotation(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return _matrix([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], angle)


def _hue(angle: Tensor, grey: Tensor, colors: Tensor) -> Tensor:
    """A rotation about the axis of luma, by Rodrigues' formula."""
    r = 3**-0.5
    cross = _matrix([[0, -r, r, 0], [r, 0, -r, 0], [-r, r, 0, 0], [0, 0, 0, 0]], angle)
    return grey + angle.cos().view(-1, 1, 1) * colors + angle.sin().view(-1, 1, 1) * cross
