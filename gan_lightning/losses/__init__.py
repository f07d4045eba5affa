"""Adversarial losses: logits in, a scalar out."""

from gan_lightning.losses.adversarial import (
    AdversarialLoss,
    HingeLoss,
    LeastSquaresLoss,
    MinimaxLoss,
    NonSaturatingLoss,
    RelativisticLoss,
    WassersteinLoss,
)
from gan_lightning.losses.equilibrium import BoundaryEquilibriumLoss

__all__ = [
    "AdversarialLoss",
    "BoundaryEquilibriumLoss",
    "HingeLoss",
    "LeastSquaresLoss",
    "MinimaxLoss",
    "NonSaturatingLoss",
    "RelativisticLoss",
    "WassersteinLoss",
]
