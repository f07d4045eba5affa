"""Data sets for image generation. Each is one class that names its pixels; none knows any model."""

from datamodules.base import ImageDataModule
from datamodules.mnist import MNISTDataModule, MNISTSampleDataModule

__all__ = ["ImageDataModule", "MNISTDataModule", "MNISTSampleDataModule"]
