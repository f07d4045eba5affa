"""How different fakes look to a network that agrees with people on what looks different."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.hub import get_dir
from torch.nn.functional import interpolate
from torchmetrics import Metric
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from gan_lightning.images import to_rgb

SMALLEST = 64
"""Height and width that all backbones can take."""


class PerceptualDiversity(Metric):
    """The mean LPIPS of pairs of fakes (Zhang et al., 2018, arXiv:1801.03924): 0 if all are alike.

    Each image of a batch is compared with the next, so give them in random order. Images smaller than 64 pixels are
    enlarged. The backbone is torchvision's, trained on ImageNet, which torch downloads at first, or finds in its hub
    folder.

    Args:
        backbone: "alex", "vgg" or "squeeze".
        kwargs: For torchmetrics' ``Metric``.

    Raises:
        FileNotFoundError: If the backbone's weights are not there, and cannot be downloaded.
    """

    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, backbone: Literal["alex", "vgg", "squeeze"] = "alex", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        try:
            with torch.random.fork_rng(devices=[]):  # initial weights are drawn before the files replace them
                self.distance = LearnedPerceptualImagePatchSimilarity(net_type=backbone).net
        except OSError as error:
            raise FileNotFoundError(
                f"The weights of LPIPS's backbone '{backbone}' are not in {get_dir()}/checkpoints and could not be "
                f"downloaded ({error}). Put torchvision's file there, or leave the metric out."
            ) from error
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, pixels: Tensor) -> None:
        """Compare the fakes of a batch, uint8 (N, 1 or 3, H, W)."""
        images = to_rgb(pixels).float() / 127.5 - 1
        if min(images.shape[2:]) < SMALLEST:
            size = [max(side, SMALLEST) for side in images.shape[2:]]
            images = interpolate(images, size, mode="bilinear", antialias=True)
        with torch.no_grad():
            distances = self.distance(images[:-1], images[1:])
        self.total += distances.double().sum()
        self.count += len(images) - 1

    def compute(self) -> dict[str, Tensor]:
        """The value by name; NaN without a pair."""
        return {"lpips_diversity": (self.total / self.count).float()}
