"""Feature extractors and what is measured with them."""

from gan_lightning.metrics.choice import features_for
from gan_lightning.metrics.classes import ClassHistogram, InceptionScore, IntraClassDistance
from gan_lightning.metrics.collected import FeatureSets
from gan_lightning.metrics.downstream import DownstreamAccuracy
from gan_lightning.metrics.features import FeatureExtractor
from gan_lightning.metrics.frechet import FrechetDistance
from gan_lightning.metrics.inception import InceptionFeatures
from gan_lightning.metrics.kernel import KernelDistance
from gan_lightning.metrics.memorization import MemorizationInformedDistance
from gan_lightning.metrics.mnist_features import MNISTFeatures
from gan_lightning.metrics.modes import DigitModes, ModeCoverage, PointModes
from gan_lightning.metrics.neighbours import PairwiseDiversity, PrecisionRecall
from gan_lightning.metrics.patch_features import PatchFeatures
from gan_lightning.metrics.perceptual import PerceptualDiversity
from gan_lightning.metrics.report import EvaluationReport

__all__ = [
    "ClassHistogram",
    "DigitModes",
    "DownstreamAccuracy",
    "EvaluationReport",
    "FeatureExtractor",
    "FeatureSets",
    "FrechetDistance",
    "InceptionFeatures",
    "InceptionScore",
    "IntraClassDistance",
    "KernelDistance",
    "MNISTFeatures",
    "MemorizationInformedDistance",
    "ModeCoverage",
    "PairwiseDiversity",
    "PatchFeatures",
    "PerceptualDiversity",
    "PointModes",
    "PrecisionRecall",
    "features_for",
]
