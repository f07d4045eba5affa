"""What samples say of a generator, beside real images: whether they are all alike, or those it was trained on."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gan_lightning.findings import Finding
from gan_lightning.images import to_uint8
from gan_lightning.metrics import MNISTFeatures
from gan_lightning.metrics.neighbours import squared_distances

SIDE = 16
"""Height and width of the thumbnails that are compared."""
ALIKE = 0.5
"""Mean distance of samples from each other over that of real images, below which they are alike."""
LEAST = 20
"""Images of a class, or of all, whose distances from each other are averaged."""
REALS = 4
"""Real images for each sample, whose distances are averaged."""
COPY = 0.5
"""A sample is a copy if a training image is nearer than this share of the distance to any validation image."""
COPIES = 0.05
"""Share of copies above which a generator repeats its training images."""

DIMENSIONS = 16
"""Pixels of a thumbnail, in fewer of which some real images are as near to each other as copies."""
SHOWN = 5
"""Classes that a message names."""


class SamplesCheck:
    """Keeps thumbnails of real images as they pass, and compares samples with them.

    Args:
        most: Images of either split that are kept, at most.

    Attributes:
        has_validation: Whether the validation images have passed once; set by the caller.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.has_validation = False
        self._training: list[Tensor] = []
        self._lacking = most
        self._unseen: list[tuple[Tensor, ...]] = []
        self._suspected: set[str] = set()
        self._features = MNISTFeatures()
        self._random = torch.Generator().manual_seed(0)

    def see_training(self, images: Tensor) -> None:
        """Take images that G is trained on, (N, C, H, W), in random order and none twice, while there are too few.

        Their thumbnails stay where they are, so that no training step waits for the device.
        """
        if self._lacking > 0:
            self._lacking -= len(images)
            self._training.append(thumbnails(images))

    def see_validation(self, images: Tensor, labels: Tensor) -> None:
        """Take images that it is not trained on, and their classes, (N,), zeros without: a random choice of all."""
        lots = torch.rand(len(images), generator=self._random)
        self._unseen.append((lots, thumbnails(images).cpu(), labels.cpu(), self._digits(images)))
        if sum(len(lots) for lots, *_ in self._unseen) > 2 * self.most:
            self._unseen = [self._drawn()]

    def _drawn(self) -> tuple[Tensor, ...]:
        """Those validation images with the lowest lots."""
        parts = [torch.cat(part) for part in zip(*self._unseen, strict=True)]
        kept = parts[0].argsort()[: self.most]
        return tuple(part[kept] if len(part) else part for part in parts)

    def findings(self, images: Tensor, asked: Tensor) -> list[Finding]:
        """What was found of samples, (N, C, H, W) of classes (N,), this time and the last time."""
        if not self._training or not self._unseen:
            return []
        _, real, labels, digits = self._drawn()
        rows, training = thumbnails(images).cpu(), torch.cat(self._training).cpu()
        few = REALS * len(rows)
        found = [
            *of_diversity(real[:few], rows, labels[:few], asked),
            *of_memory(training[: self.most], real, rows),
            *(of_classes(digits, self._digits(images)) if len(digits) else ()),
        ]
        twice = [finding for finding in found if finding.name in self._suspected]
        self._suspected = {finding.name for finding in found}
        return twice

    def _digits(self, images: Tensor) -> Tensor:
        """The digits that the bundled classifier sees, (N,); none in images that it does not take."""
        pixels = to_uint8(images)
        try:
            return self._features.logits(self._features(pixels)).argmax(1).cpu()
        except ValueError:
            return torch.zeros(0, dtype=torch.int64)


def thumbnails(images: Tensor) -> Tensor:
    """Means of fields of images (N, C, H, W), at most 16x16 of them, as rows (N, F)."""
    height, width = (min(side, SIDE) for side in images.shape[2:])
    return adaptive_avg_pool2d(images.detach().float(), (height, width)).flatten(1)


def spread(rows: Tensor) -> float:
    """The mean distance of rows (N, F) from each other."""
    distances = squared_distances(rows.double(), rows.double()).sqrt()
    return float(distances.sum() / (len(rows) * (len(rows) - 1)))


def of_diversity(real: Tensor, fake: Tensor, real_labels: Tensor, fake_labels: Tensor) -> Iterator[Finding]:
    """Whether samples are alike, all of them, or those of a class.

    Args:
        real: Thumbnails, (N, F).
        fake: Likewise, (M, F).
        real_labels: (N,) int64; all the same where there are no classes.
        fake_labels: (M,) int64.
    """
    ratios: dict[int, float] = {}
    for label in fake_labels.unique().tolist():
        sides = [rows[labels == label] for rows, labels in ((real, real_labels), (fake, fake_labels))]
        if min(map(len, sides)) >= LEAST and (usual := spread(sides[0])) > 0:
            ratios[label] = spread(sides[1]) / usual
    low = {label: ratio for label, ratio in ratios.items() if ratio < ALIKE}
    if low:
        worst = min(low, key=lambda label: low[label])
        whose = f"of class {_listed(low)} " if len(ratios) > 1 else ""
        yield Finding(
            "collapse",
            f"Samples {whose}are alike: their distances from each other are {low[worst]:.0%} of those of real images "
            f"(below {ALIKE:.0%}).",
            "Try --model.stabilizers+=R1 with RelativisticLoss, MinibatchStdDev, or a lower learning rate of G; "
            "docs/collapse.md compares remedies.",
        )


def of_memory(training: Tensor, unseen: Tensor, fake: Tensor) -> Iterator[Finding]:
    """Whether samples are copies of training images.

    Args:
        training: Thumbnails, (N, F).
        unseen: Those of validation images; as many are compared.
        fake: (M, F).
    """
    count = min(len(training), len(unseen))
    if min(count, len(fake)) < LEAST or fake.shape[1] < DIMENSIONS:
        return
    sides = (rows[:count].double() for rows in (training, unseen))
    near, far = (squared_distances(fake.double(), rows).min(1)[0].sqrt() for rows in sides)
    copies = float((near < COPY * far).double().mean())
    if copies > COPIES + float((far < COPY * near).double().mean()):
        yield Finding(
            "memorisation",
            f"{copies:.0%} of the samples are less than half as far from a training image as from one of validation.",
            "G repeats what it was trained on. Add images, or --model.stabilizers+=DiffAugment, or train for fewer "
            "updates.",
        )


def of_classes(real: Tensor, fake: Tensor) -> Iterator[Finding]:
    """Whether classes are missing.

    Args:
        real: The classes of real images, (N,) int64, as a classifier sees them.
        fake: Those of samples, (M,).
    """
    shares = [torch.bincount(side, minlength=int(real.max()) + 1).double() / len(side) for side in (real, fake)]
    due = len(fake) * shares[0]
    missing = [label for label in range(len(due)) if due[label] >= LEAST and shares[1][label] < 0.1 * shares[0][label]]
    if missing:
        yield Finding(
            "missing classes",
            f"Of class {_listed(missing)} there are hardly any samples, less than a tenth of what is due.",
            "G leaves out a part of the data: docs/collapse.md compares remedies, such as RelativisticLoss, R1 and R2.",
        )


def _listed(classes: Iterable[int]) -> str:
    """The first of them."""
    names = [str(label) for label in classes]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
