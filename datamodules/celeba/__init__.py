"""CelebA: where its files lie, what its tables say, and the data set that is made of them."""

from datamodules.celeba.datamodule import CelebADataModule

__all__ = ["CelebADataModule"]
