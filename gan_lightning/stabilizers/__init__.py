"""Additions to a game, one family per file: penalties, augmentation, noise, averages, looking ahead ..."""

from gan_lightning.stabilizers.ada import ADA
from gan_lightning.stabilizers.averaging import HistoricalAveraging
from gan_lightning.stabilizers.classifier import AuxiliaryClassifier
from gan_lightning.stabilizers.clipping import WeightClipping
from gan_lightning.stabilizers.diff_augment import DiffAugment
from gan_lightning.stabilizers.information import MutualInformation
from gan_lightning.stabilizers.labels import NoisyLabels
from gan_lightning.stabilizers.matching import FeatureMatching
from gan_lightning.stabilizers.minibatch import MinibatchDiscrimination, MinibatchStdDev
from gan_lightning.stabilizers.noise import InstanceNoise
from gan_lightning.stabilizers.path_length import PathLength
from gan_lightning.stabilizers.penalties import DRAGAN, R1, R2, Drift, GradientPenalty
from gan_lightning.stabilizers.unrolled import Unrolled

__all__ = [
    "ADA",
    "DRAGAN",
    "R1",
    "R2",
    "AuxiliaryClassifier",
    "DiffAugment",
    "Drift",
    "FeatureMatching",
    "GradientPenalty",
    "HistoricalAveraging",
    "InstanceNoise",
    "MinibatchDiscrimination",
    "MinibatchStdDev",
    "MutualInformation",
    "NoisyLabels",
    "PathLength",
    "Unrolled",
    "WeightClipping",
]
