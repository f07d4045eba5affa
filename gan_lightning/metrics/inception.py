"""Features of the Inception-v3 that the Fréchet inception distance was defined on."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchmetrics.image.fid import FrechetInceptionDistance

from gan_lightning.images import to_rgb
from gan_lightning.metrics.features import FeatureExtractor

WEIGHTS_NAME = "weights-inception-2015-12-05-6726825d.pth"
WEIGHTS_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS_NAME}"
WEIGHTS_SHA256_PREFIX = "6726825d"


class InceptionFeatures(FeatureExtractor):
    """The 2,048 pooled features of TensorFlow's Inception-v3 (Heusel et al., 2017, arXiv:1706.08500).

    Images of any size are resized to 299x299 by torchmetrics with ``antialias=True``, which differs from
    TensorFlow's resize without it: compare values only with others made so. Needs the extra ``inception``.

    Args:
        weights_path: torch-fidelity's weight file. By default the one in torch's hub folder
            (``$TORCH_HOME/hub/checkpoints``), downloaded on first use (95 MB).
    """

    num_features = 2048
    num_classes = 1008
    fid_name = "fid"
    preprocessing = "grey repeated to RGB, 299x299 bilinear with antialias=True, (x - 128) / 128"
    recommended_samples = 10_000

    def __init__(self, weights_path: str | None = None) -> None:
        super().__init__()
        self.weights_path = weights_path

    def build(self) -> nn.Module:
        """Torchmetrics' Inception with torch-fidelity's weights, made faster.

        Raises:
            ModuleNotFoundError: The extra ``inception`` is not installed.
            FileNotFoundError: There is no weight file, and it could not be downloaded.
            ValueError: The file is not torch-fidelity's.
        """
        if find_spec("torch_fidelity") is None:
            raise ModuleNotFoundError(
                "InceptionFeatures needs torch-fidelity: pip install torch-fidelity. "
                "For MNIST, MNISTFeatures needs nothing."
            )
        path = Path(self.weights_path) if self.weights_path else _download()
        _verify(path)
        with torch.random.fork_rng(devices=[]):  # initial weights are drawn before the file replaces them
            metric = FrechetInceptionDistance(
                self.num_features, feature_extractor_weights_path=str(path), antialias=True
            )
        self._fingerprint = self.fingerprint_of(metric.inception)
        return faster(metric.inception)

    @property
    def fingerprint(self) -> str:
        """That of the weights in the file, which are not those of the faster network; loads them."""
        self.load()
        return self._fingerprint

    def prepare(self, pixels: Tensor) -> Tensor:
        """RGB, uint8 (N, 3, H, W); the network resizes and scales by itself."""
        return to_rgb(pixels).contiguous(memory_format=torch.channels_last)

    def classify(self, network: nn.Module, features: Tensor) -> Tensor:
        """Without the bias, as the Inception score's authors have it."""
        weight: Tensor = network.get_parameter("fc.weight")
        return features @ weight.T


def faster(network: nn.Module) -> nn.Module:
    """The same function with batch norm as part of the convolutions, and channels last: half the time on a CPU."""
    for block in network.modules():
        norm: Any = getattr(block, "bn", None)
        if isinstance(norm, nn.BatchNorm2d):
            convolution: Any = block.conv
            block.conv, block.bn = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return network.to(memory_format=torch.channels_last)


def _download() -> Path:
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(WEIGHTS_URL, str(path), hash_prefix=WEIGHTS_SHA256_PREFIX)
    except OSError as error:
        raise FileNotFoundError(
            f"The Inception weights are not at {path} and could not be downloaded ({error}). "
            f"Fetch {WEIGHTS_URL} on a machine with network and put it there, or give weights_path. "
            "For MNIST, MNISTFeatures needs no download."
        ) from error
    return path


def _verify(path: Path) -> None:
    """Refuse a foreign file before it is unpickled: torch-fidelity loads with ``weights_only=False``."""
    if not path.is_file():
        raise FileNotFoundError(f"weights_path: there is no {path}; it should be {WEIGHTS_NAME}.")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not sha256.startswith(WEIGHTS_SHA256_PREFIX):
        raise ValueError(
            f"{path} is not torch-fidelity's Inception: its sha256 starts with {sha256[:8]}, "
            f"expected {WEIGHTS_SHA256_PREFIX}. It was not opened. Delete it and fetch {WEIGHTS_URL}."
        )
