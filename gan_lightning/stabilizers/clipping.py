"""Weight clipping."""

import torch

from gan_lightning.arguments import check_positive
from gan_lightning.game import Stabilizer, Update


class WeightClipping(Stabilizer):
    """Clips every parameter of D after each of its updates (Arjovsky et al., 2017, arXiv:1701.07875, algorithm 1).

    Args:
        clip_value: c: parameters are kept in [-c, c].

    Raises:
        ValueError: If it is not above 0.
    """

    def __init__(self, clip_value: float = 0.01) -> None:
        super().__init__()
        check_positive(clip_value=clip_value)
        self.clip_value = clip_value

    @torch.no_grad()
    def after(self, update: Update) -> None:
        """Clip."""
        if update.player == "d":
            for parameter in update.network.parameters():
                parameter.clamp_(-self.clip_value, self.clip_value)
