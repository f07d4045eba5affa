"""The two players' optimizers together: G's and D's, in this order."""

from typing import Any

from lightning.pytorch import Trainer
from torch import nn
from torch.optim import Optimizer

from gan_lightning.arguments import check_decays, check_positive
from gan_lightning.engine.optimizers import PlayerOptimizer

Betas = tuple[float, float] | None


class Players:
    """How G and D learn.

    Args:
        generator: How G learns.
        discriminator: How D learns.
        lr: Of a player whose optimizer names none.
        betas: Likewise; None where no optimizer has any.
        usual_betas: What ``betas`` is when nobody says anything.

    Raises:
        ValueError: If a number is out of its range, or ``betas`` is missing or would not be used.
    """

    def __init__(
        self, generator: PlayerOptimizer, discriminator: PlayerOptimizer, lr: float, betas: Betas, usual_betas: Betas
    ) -> None:
        self.both = generator, discriminator
        self.lr = lr
        self.betas = betas
        check_positive(lr=lr)
        takers = [type(player).__name__ for player in self.both if player.takes_betas]
        if betas is None and takers:
            raise ValueError(f"betas must be a pair of numbers in [0, 1) for {takers[0]}, got None.")
        if betas is not None:
            check_decays(betas=betas)
        if not takers and betas not in (None, usual_betas):
            raise ValueError(f"betas must be None, for the optimizers of both players use none, got {betas}.")

    def configure(
        self, generator: nn.Module, discriminator: nn.Module, trainer: Trainer | None
    ) -> tuple[list[Optimizer], list[Any]]:
        """The optimizers of both networks, with their schedules, as Lightning wants them."""
        # Fused optimizers undo a GradScaler's scale after gradients were clipped, too late.
        fused = trainer is None or trainer.precision != "16-mixed"
        networks = zip(self.both, "GD", (generator, discriminator), strict=True)
        optimizers = [
            player.make([{"params": list(network.parameters()), "name": name}], self.lr, self.betas, fused)
            for player, name, network in networks
        ]
        if trainer is None or not any(player.changes_lr for player in self.both):
            return optimizers, []
        steps = trainer.estimated_stepping_batches
        return optimizers, [player.schedule(o, steps) for player, o in zip(self.both, optimizers, strict=True)]
