"""Data sets for image generation. Each is one class that names its pixels; none knows any model."""

from datamodules.base import ImageDataModule
from datamodules.celeba import CelebADataModule
from datamodules.cifar10 import CIFAR10DataModule
from datamodules.fashion_mnist import FashionMNISTDataModule
from datamodules.folder import ImageFolderDataModule
from datamodules.gaussian import GaussianDataModule
from datamodules.grid import GridDataModule
from datamodules.mnist import MNISTDataModule, MNISTSampleDataModule
from datamodules.pairs import PairedImageDataModule, UnpairedImageDataModule
from datamodules.ring import RingDataModule
from datamodules.stacked_mnist import StackedMNISTDataModule
from datamodules.streaming import StreamingImageDataModule

__all__ = [
    "CIFAR10DataModule",
    "CelebADataModule",
    "FashionMNISTDataModule",
    "GaussianDataModule",
    "GridDataModule",
    "ImageDataModule",
    "ImageFolderDataModule",
    "MNISTDataModule",
    "MNISTSampleDataModule",
    "PairedImageDataModule",
    "RingDataModule",
    "StackedMNISTDataModule",
    "StreamingImageDataModule",
    "UnpairedImageDataModule",
]
