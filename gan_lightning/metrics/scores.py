"""All metrics at once, and which of them the images allow."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeVar

import torch
from torch import Tensor

from gan_lightning.metrics.classes import ClassHistogram, InceptionScore, IntraClassDistance
from gan_lightning.metrics.collected import FeatureSets
from gan_lightning.metrics.downstream import DownstreamAccuracy
from gan_lightning.metrics.features import FeatureExtractor
from gan_lightning.metrics.frechet import frechet, moments_of, root
from gan_lightning.metrics.image_set import ImageSet
from gan_lightning.metrics.kernel import KernelDistance
from gan_lightning.metrics.memorization import MemorizationInformedDistance
from gan_lightning.metrics.neighbours import PairwiseDiversity, PrecisionRecall

Values = dict[str, Tensor]
ENOUGH = 1_000
"""Samples of each side for shares that are right to a few percent, and for subsets of KID."""
SAMPLES_PER_FEATURE = 5
"""For covariances: with fewer, the distance says more of their number than of the images."""
PER_CLASS = 100
"""Images of a class for a share of it, or to train on."""
CERTAIN = 0.9
"""Probability of its first guess at which a classifier is certain of an image."""
ARROWS = {
    "kid_mean": "↓",
    "precision": "↑",
    "recall": "↑",
    "density": "↑",
    "coverage": "↑",
    "diversity": "→ 1",
    "inception_score": "↑",
    "class_coverage": "↑",
    "class_kl": "↓",
    "certainty": "↑",
    "accuracy": "↑",
    "intra_fid": "↓",
    "downstream_accuracy": "↑",
    "mifid": "↓",
    "memorization_distance": "↑",
    "l1": "↓",
    "psnr": "↑",
    "ssim": "↑",
}
"""Which values are better. Those of a Fréchet distance are the lower ones."""


def better(name: str) -> Literal["min", "max"]:
    """Whether a low or a high value is good, of a metric by its name or by its key, such as "val/recall"."""
    return "max" if ARROWS.get(name.rpartition("/")[2]) == "↑" else "min"


@dataclasses.dataclass(frozen=True)
class Kind:
    """Metrics that are computed together.

    Attributes:
        names: Of their values.
        least: Images of each side below which they are refused.
        compute: Values of fakes, by name.
        by_class: Whether ``least`` is of each class.
    """

    names: tuple[str, ...]
    least: int
    compute: Callable[[ImageSet], Values]
    by_class: bool = False


class Judge:
    """Compares fakes with real images by every metric that there is for them.

    Args:
        extractor: Maps images to features.
        real: Images that G was not trained on.
        training: Images that it was trained on, to see whether it repeats them; None if nobody knows. One is too few.
        num_classes: Of the data, 0 without; a classifier of as many is taken to be one of these classes.
    """

    def __init__(
        self, extractor: FeatureExtractor, real: ImageSet, training: ImageSet | None = None, num_classes: int = 0
    ) -> None:
        self.extractor = extractor
        self.real = real
        self.training = training
        self.num_classes = num_classes
        self._moments = moments_of(real.features)
        self._root = root(self._moments[1])

    def kinds(self, fakes: ImageSet) -> Iterator[Kind]:
        """What can be asked of fakes."""
        fid = self.extractor.fid_name
        moments = self.extractor.recommended_samples or SAMPLES_PER_FEATURE * self.extractor.num_features
        yield Kind((fid,), moments, self._distance)
        yield Kind(("kid_mean", "kid_std"), ENOUGH, self._kernel)
        shares = ("precision", "recall", "density", "coverage")
        yield Kind(shares, ENOUGH, lambda fakes: self._neighbours(fakes).compute())
        yield Kind(("diversity",), PER_CLASS, lambda fakes: filled(PairwiseDiversity(), self.real, fakes).compute())
        if self.training is not None and len(self.training) > 1:
            yield Kind(("mifid", "memorization_distance"), moments, self._memorization)
        if self.extractor.num_classes:
            yield Kind(("inception_score", "inception_score_std"), ENOUGH, self._inception_score)
        classified = self.extractor.num_classes == self.num_classes > 0
        if classified:
            yield Kind(("class_coverage", "class_kl"), PER_CLASS * self.num_classes, self._histogram)
            yield Kind(("certainty",), ENOUGH, lambda fakes: {"certainty": self._is_certain(fakes).mean()})
        if not (self.num_classes and fakes.has_classes and self.real.has_classes):
            return
        if classified:
            yield Kind(("accuracy",), PER_CLASS, lambda fakes: {"accuracy": self._is_right(fakes).mean()}, True)
        yield Kind(("intra_fid",), moments, self._intra_class, True)
        yield Kind(("downstream_accuracy",), PER_CLASS, self._downstream, True)

    def scores(self, fakes: ImageSet) -> tuple[Values, dict[str, str]]:
        """The values that the images allow, by name, and why others are refused.

        Raises:
            ValueError: If fakes are of another shape than the real images.
        """
        if fakes.pixels.shape[1:] != self.real.pixels.shape[1:]:
            shapes = [" x ".join(map(str, side.pixels.shape[1:])) for side in (fakes, self.real)]
            raise ValueError(f"The fakes are {shapes[0]}, the real images {shapes[1]} (channels x height x width).")
        values: Values = {}
        refused: dict[str, str] = {}
        for kind in self.kinds(fakes):
            sides = {"fakes": fakes, "real images": self.real}
            counts = {name: self._smallest_class(side) if kind.by_class else len(side) for name, side in sides.items()}
            few = min(counts, key=lambda name: counts[name])
            if counts[few] < kind.least:
                of_class = " of each class" if kind.by_class else ""
                reason = f"needs {kind.least:,} {few}{of_class}, there are {counts[few]:,}"
                refused |= dict.fromkeys(kind.names, reason)
            else:
                values |= kind.compute(fakes)
        return values, refused

    def deviations(self, fakes: ImageSet, names: Iterable[str], draws: int, seed: int = 0) -> dict[str, float]:
        """Bootstrap standard deviations (Efron, 1979) of those values that samples make up one by one.

        Args:
            fakes: Whose values.
            names: Values that are of interest; those of other kinds are left out.
            draws: How often both sides are drawn anew, with replacement; at least 2.
            seed: The draws are a function of it.
        """
        asked, random = set(names), torch.Generator().manual_seed(seed)
        found: dict[str, list[float]] = {}
        singles = self._neighbours(fakes).per_sample() if "precision" in asked else {}
        if "accuracy" in asked:
            singles["accuracy"] = self._is_right(fakes)
        if "certainty" in asked:
            singles["certainty"] = self._is_certain(fakes)
        for _ in range(draws):
            if self.extractor.fid_name in asked:
                real, fake = (moments_of(side.features[_again(len(side), random)]) for side in (self.real, fakes))
                found.setdefault(self.extractor.fid_name, []).append(float(frechet(real, fake)))
            for name, each in singles.items():
                found.setdefault(name, []).append(float(each[_again(len(each), random)].mean()))
        return {name: float(torch.tensor(values).std()) for name, values in found.items()}

    def _distance(self, fakes: ImageSet) -> Values:
        return {self.extractor.fid_name: frechet(self._moments, moments_of(fakes.features), self._root)}

    def _kernel(self, fakes: ImageSet) -> Values:
        return filled(KernelDistance(subset_size=ENOUGH), self.real, fakes).compute()

    def _neighbours(self, fakes: ImageSet) -> PrecisionRecall:
        return filled(PrecisionRecall(), self.real, fakes)

    def _memorization(self, fakes: ImageSet) -> Values:
        """With a threshold of half of what the real images score, which G has not seen."""
        training = self.training or self.real
        usual = filled(MemorizationInformedDistance(), training, self.real).compute()["memorization_distance"]
        return filled(MemorizationInformedDistance(threshold=float(usual) / 2), training, fakes).compute()

    def _inception_score(self, fakes: ImageSet) -> Values:
        metric = InceptionScore(self.extractor.num_classes)
        metric.update(self.extractor.logits(fakes.features))
        return metric.compute()

    def _histogram(self, fakes: ImageSet) -> Values:
        metric = ClassHistogram(self.num_classes)
        for side, is_real in ((self.real, True), (fakes, False)):
            metric.update(self.extractor.logits(side.features).argmax(1), real=is_real)
        return metric.compute()

    def _is_right(self, fakes: ImageSet) -> Tensor:
        """Whether the classifier sees the class that was asked for, (N,) of 0 and 1."""
        return (self.extractor.logits(fakes.features).argmax(1) == fakes.labels).float()

    def _is_certain(self, fakes: ImageSet) -> Tensor:
        """Whether the classifier is sure to see one of the classes, whichever, (N,) of 0 and 1."""
        return (self.extractor.logits(fakes.features).softmax(1).amax(1) >= CERTAIN).float()

    def _intra_class(self, fakes: ImageSet) -> Values:
        metric = IntraClassDistance(self.num_classes, self.extractor.num_features)
        for side, is_real in ((self.real, True), (fakes, False)):
            metric.update(side.features, side.labels, real=is_real)
        return metric.compute()

    def _downstream(self, fakes: ImageSet) -> Values:
        metric = DownstreamAccuracy(self.num_classes)
        for side, is_real in ((self.real, True), (fakes, False)):
            metric.update(side.pixels, side.labels, real=is_real)
        return metric.compute()

    def _smallest_class(self, images: ImageSet) -> int:
        return int(torch.bincount(images.labels, minlength=self.num_classes).min())


Metric = TypeVar("Metric", bound=FeatureSets)


def filled(metric: Metric, real: ImageSet, fakes: ImageSet) -> Metric:
    """The metric, having seen both sides."""
    metric.update(real.features, real=True)
    metric.update(fakes.features, real=False)
    return metric


def _again(length: int, random: torch.Generator) -> Tensor:
    """Places drawn with replacement."""
    return torch.randint(length, (length,), generator=random)
