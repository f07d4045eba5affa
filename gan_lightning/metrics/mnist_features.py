"""Features of a small MNIST classifier, bundled with the package: the Fréchet distance without a download."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from gan_lightning.metrics.features import FeatureExtractor

WEIGHTS = Path(__file__).with_name("mnist_features.safetensors")
SHA256 = "21ca0a48f25a43ea65189c145f0c1d8d920117e12f8c56cad42f1410ccb8a0c3"
TEST_ACCURACY = 0.9956  # on the 10,000 test images, of which training and its schedule saw nothing


class DigitClassifier(nn.Module):
    """Three convolutions and two linear layers; LeakyReLU throughout, so that no feature is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.LeakyReLU(0.1)),
            nn.AvgPool2d(2),
            *(nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.LeakyReLU(0.1)),
            nn.AvgPool2d(2),
            *(nn.Conv2d(32, 40, 3, stride=2, bias=False), nn.BatchNorm2d(40), nn.LeakyReLU(0.1)),
        )
        self.penultimate = nn.Sequential(nn.Linear(40 * 3 * 3, 128), nn.LeakyReLU(0.1))
        self.classes = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Penultimate features, (N, 128), of images (N, 1, 28, 28) in [0, 1]."""
        features: Tensor = self.penultimate(self.convolutions(images).flatten(1))
        return features


class MNISTFeatures(FeatureExtractor):
    """128 features of a digit classifier (99.6 % on the test images) that saw the MNIST training images only.

    Takes 28x28 images, and 32x32 ones, of which it sees the central 28x28: MNIST at 32 px is MNIST padded by 2 black
    pixels. RGB is averaged to grey. Made by ``scripts/train_mnist_features.py``.

    Example:
        >>> MNISTFeatures()(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
        torch.Size([2, 128])
    """

    num_features = 128
    num_classes = 10
    fid_name = "fid_mnist"
    preprocessing = "mean over channels, central 28x28, / 255"

    def build(self) -> nn.Module:
        """The classifier with the bundled weights.

        Raises:
            FileNotFoundError: The file is not in the package.
            ValueError: The file is not the one this version was released with.
        """
        content = WEIGHTS.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != SHA256:
            raise ValueError(
                f"{WEIGHTS} is damaged or of another version: its sha256 is {sha256}, expected {SHA256}. "
                "Install gan-lightning again."
            )
        with torch.device("meta"):  # draws no initial weights, so leaves the global generator alone
            classifier = DigitClassifier()
        classifier.load_state_dict(load_safetensors(content), assign=True)
        return classifier

    def prepare(self, pixels: Tensor) -> Tensor:
        """Grey images (N, 1, 28, 28) in [0, 1].

        Raises:
            ValueError: The pixels are neither (N, 1, 28, 28) nor (N, 1, 32, 32).
        """
        channels, height, width = pixels.shape[1:]
        if (channels, height, width) not in ((1, 28, 28), (1, 32, 32)):
            raise ValueError(
                f"MNISTFeatures judges grey digits of 28x28 or 32x32 pixels, got {channels} channels of "
                f"{height}x{width}: evaluate with PatchFeatures (--evaluation.features PatchFeatures), with "
                "InceptionFeatures, for which the weights of Inception are needed, or not at all "
                "(--evaluation.num_samples 0)."
            )
        border = (height - 28) // 2
        pixels = pixels[..., border : height - border, border : width - border]
        return pixels.float() / 255

    def classify(self, network: nn.Module, features: Tensor) -> Tensor:
        """Of the digits."""
        logits: Tensor = network.get_submodule("classes")(features)
        return logits
