"""Historical averaging."""

import torch
from torch import Tensor, nn

from gan_lightning.arguments import check_decays, check_weights
from gan_lightning.game import Move, Stabilizer, Terms, Update


class HistoricalAveraging(Stabilizer):
    """Keeps each player near the average of its past parameters (Salimans et al., 2016, arXiv:1606.03498, section 3.3).

    The term is weight * ‖θ - θ'‖², with θ' a moving average instead of the plain mean of the paper.

    Args:
        weight: Of the squared distance, at least 0.
        decay: Of the average, per update of the player, in [0, 1).

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, weight: float = 1e-3, decay: float = 0.99) -> None:
        super().__init__()
        check_weights(weight=weight)
        check_decays(decay=decay)
        self.weight = weight
        self.decay = decay

    def attach(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Begin with the initial parameters as the averages."""
        for player, network in (("g", generator), ("d", discriminator)):
            for number, parameter in enumerate(network.parameters()):
                self.register_buffer(f"{player}_{number}", parameter.detach().clone())

    def generator_terms(self, move: Move) -> Terms:
        """``historical_averaging``."""
        distances = [(p - self.get_buffer(f"{move.player}_{k}")).square().sum() for k, p in _numbered(move.network)]
        return {"historical_averaging": self.weight * torch.stack(distances).sum()}

    discriminator_terms = generator_terms

    @torch.no_grad()
    def after(self, update: Update) -> None:
        """Move the average towards the player."""
        for number, parameter in _numbered(update.network):
            self.get_buffer(f"{update.player}_{number}").lerp_(parameter, 1 - self.decay)


def _numbered(network: nn.Module) -> list[tuple[int, Tensor]]:
    return list(enumerate(network.parameters()))
