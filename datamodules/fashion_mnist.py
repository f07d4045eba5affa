"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747): clothes in the format of MNIST."""

import torchvision

from datamodules.idx import IdxFile
from datamodules.mnist import MNISTDataModule, Source

FILES: dict[Source, tuple[IdxFile, IdxFile]] = {
    "train": (
        IdxFile("train-images-idx3-ubyte", (60_000, 28, 28), "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
        IdxFile("train-labels-idx1-ubyte", (60_000,), "9018921c3c673c538a1fc5bad174d6f9"),
    ),
    "test": (
        IdxFile("t10k-images-idx3-ubyte", (10_000, 28, 28), "8181f5470baa50b63fa0f6fddb340f0a"),
        IdxFile("t10k-labels-idx1-ubyte", (10_000,), "15d484375f8d13e6eb1aabb0c3f46965"),
    ),
}


class FashionMNISTDataModule(MNISTDataModule):
    """Fashion-MNIST: 55,000 training, 5,000 validation and 10,000 test images, read from `root/FashionMNIST/raw`.

    It has the arguments, the layout and the checks of :class:`MNISTDataModule`.

    Example:
        >>> data = FashionMNISTDataModule(image_size=32)
        >>> data.image_shape, data.num_classes
        ((1, 32, 32), 10)
    """

    name = "fashion_mnist"
    title = "Fashion-MNIST"
    downloader = torchvision.datasets.FashionMNIST

    @property
    def files(self) -> dict[Source, tuple[IdxFile, IdxFile]]:
        """The published files of images and of labels."""
        return FILES
