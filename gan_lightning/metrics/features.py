"""What every feature extractor of this package promises: uint8 images in, fp32 features out, never trained."""

import hashlib
from abc import ABC, abstractmethod
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from gan_lightning.precision import full_precision


class FeatureExtractor(nn.Module, ABC):
    """A frozen network that maps images to features for FID and its relatives.

    The constructor reads nothing: the weights come with :meth:`load`, which the first use calls. The network stays
    in eval mode, needs no gradient and runs in fp32 outside autocast, whatever the caller does. A subclass states
    the class attributes and writes :meth:`build` and :meth:`prepare`.

    Attributes:
        num_features: Length of one feature vector.
        fid_name: Name of the Fréchet distance on these features. Values are comparable only under one extractor,
            so two extractors never share a name.
        preprocessing: What :meth:`prepare` does, in words; part of the fingerprint.
        recommended_samples: Images below which the distance is biased enough to be warned about; 0 for no warning.
        num_classes: Of the classifier that the network is part of; 0 if it is part of none.
    """

    num_features: ClassVar[int]
    fid_name: ClassVar[str]
    preprocessing: ClassVar[str]
    recommended_samples: ClassVar[int] = 0
    num_classes: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.network: nn.Module | None = None

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with its weights, on the CPU: prepared images -> (N, num_features)."""

    @abstractmethod
    def prepare(self, pixels: Tensor) -> Tensor:
        """Bring pixels, uint8 (N, C, H, W), C of 1 or 3, to what the network takes."""

    def load(self) -> nn.Module:
        """Read the weights unless that was done; returns the network.

        Raises:
            FileNotFoundError: The weights are not there.
            ValueError: The weights are not the ones expected.
        """
        if self.network is None:
            self.network = self.build().eval().requires_grad_(False)
        return self.network

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of images.

        Args:
            pixels: uint8 (N, C, H, W) in [0, 255], C of 1 or 3.

        Returns:
            float32 (N, num_features), on the device of the pixels.

        Raises:
            TypeError: The pixels are not uint8.
            ValueError: The pixels are not (N, C, H, W) with C of 1 or 3, or of a size the network cannot take.
        """
        if pixels.dtype != torch.uint8:
            raise TypeError(
                f"{type(self).__name__} takes uint8 pixels in [0, 255], got {pixels.dtype}: "
                "convert images in [-1, 1] with gan_lightning.images.to_uint8."
            )
        if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
            raise ValueError(f"Expected images (N, 1 or 3, H, W), got {tuple(pixels.shape)}.")
        network = self.load().to(pixels.device)
        with torch.no_grad(), full_precision(pixels.device):
            features: Tensor = network(self.prepare(pixels))
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Class logits, (N, num_classes), of what :meth:`forward` returned, (N, num_features).

        Raises:
            TypeError: The network is part of no classifier.
        """
        with torch.no_grad(), full_precision(features.device):
            return self.classify(self.load().to(features.device), features)

    def classify(self, network: nn.Module, features: Tensor) -> Tensor:
        """The last layer of the classifier that the network is part of."""
        raise TypeError(f"{type(self).__name__} is no classifier: choose features of one.")

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode: running statistics must not move."""
        return super().train(False)

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that change with the weights or the preprocessing; loads the weights."""
        return self.fingerprint_of(self.load())

    def fingerprint_of(self, network: nn.Module) -> str:
        """That of a network with the preprocessing of this extractor."""
        digest = hashlib.sha256(f"{type(self).__name__}: {self.preprocessing}".encode())
        for name, tensor in sorted(network.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:8]
