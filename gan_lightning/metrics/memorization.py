"""Whether a generator repeats its training images."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from gan_lightning.arguments import check_positive
from gan_lightning.metrics.collected import FeatureSets
from gan_lightning.metrics.frechet import frechet, moments_of
from gan_lightning.metrics.neighbours import ROWS


class MemorizationInformedDistance(FeatureSets):
    """The Fréchet distance over a distance from the training images (Bai et al., 2021, arXiv:2106.03062, section 4).

    "memorization_distance" is the mean over fakes of ``1 - |cos|`` to the nearest training image, in features. "mifid"
    is the Fréchet distance, divided by it where it is below the threshold. The real images are the training images.

    torchmetrics' metric of this name takes the mean over real images, which a G that repeats a few of them does not
    lower: here it is over fakes, as in the paper.

    Args:
        features: As for :class:`FeatureSets`.
        threshold: Below it a G counts as repeating; above 0. Half of what real images score that were not trained on is
            a fair one; the default is that of the paper's competition, for Inception.
        kwargs: For :class:`FeatureSets`.
    """

    def __init__(self, features: nn.Module | None = None, threshold: float = 0.1, **kwargs: Any) -> None:
        super().__init__(features, **kwargs)
        check_positive(threshold=threshold)
        self.threshold = threshold

    def compute(self) -> dict[str, Tensor]:
        """The values by name; "mifid" is infinite if all fakes are training images.

        Raises:
            ValueError: If a side has fewer than two samples.
        """
        training, fake = self.sides(least=2)
        directions = normalize(training)
        nearest = [(normalize(rows) @ directions.T).abs().max(dim=1)[0] for rows in fake.split(ROWS)]
        distance = (1 - torch.cat(nearest).clamp(max=1)).mean()
        repeats = distance < self.threshold
        fid = frechet(moments_of(training), moments_of(fake))
        return {
            "mifid": (fid / distance if repeats else fid).float(),
            "memorization_distance": distance.float(),
        }
