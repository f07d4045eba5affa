"""Adversarial losses (logits in, scalar out) and penalties (a regulariser of the discriminator)."""

from gan_lightning.losses.adversarial import (
    AdversarialLoss,
    HingeLoss,
    LeastSquaresLoss,
    MinimaxLoss,
    NonSaturatingLoss,
    RelativisticLoss,
    WassersteinLoss,
)
from gan_lightning.losses.penalties import R1, R2, GradientPenalty, Penalty

__all__ = [
    "R1",
    "R2",
    "AdversarialLoss",
    "GradientPenalty",
    "HingeLoss",
    "LeastSquaresLoss",
    "MinimaxLoss",
    "NonSaturatingLoss",
    "Penalty",
    "RelativisticLoss",
    "WassersteinLoss",
]
