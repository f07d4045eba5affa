"""The two players' optimizers together: G's and D's, in this order."""

from typing import Any, cast

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gan_lightning.arguments import check_betas, check_positive
from gan_lightning.engine.layout import lay_as_weights
from gan_lightning.engine.optimizers import PlayerOptimizer

Betas = tuple[float, float] | None


class Players:
    """How G and D learn.

    Args:
        generator: How G learns.
        discriminator: How D learns.
        lr: Of a player whose optimizer sets none.
        betas: Likewise; None if neither optimizer has any.
        usual_betas: The default of ``betas``.

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
            check_betas(betas)
        if not takers and betas not in (None, usual_betas):
            raise ValueError(f"betas must be None, as the optimizers of both players use none, got {betas}.")

    def configure(
        self, generator: nn.Module, discriminator: nn.Module, trainer: Trainer | None
    ) -> tuple[list[Optimizer], list[Any]]:
        """The optimizers of both networks, with their schedules, as Lightning expects them."""
        # Fused optimizers undo a GradScaler's scale only after gradients were clipped, which is too late.
        fused = trainer is None or trainer.precision != "16-mixed"
        optimizers = []
        for player, name, network in zip(self.both, "GD", (generator, discriminator), strict=True):
            weights = list(network.parameters())
            group = {"params": weights, "name": name}
            optimizers.append(player.make([group], self.lr, self.betas, fused and all(map(_can_be_fused, weights))))
        schedules: list[Any] = []
        if trainer is not None and any(player.changes_lr for player in self.both):
            steps = trainer.estimated_stepping_batches
            schedules = [player.schedule(o, steps) for player, o in zip(self.both, optimizers, strict=True)]
        self._options = [{k: v for k, v in o.param_groups[0].items() if k != "params"} for o in optimizers]
        return optimizers, schedules

    def advance(self, trainer: Trainer) -> None:
        """Make a step of the schedules."""
        for config in trainer.lr_scheduler_configs:
            config.scheduler.step()  # type: ignore[call-arg]

    def apply_options(self, trainer: Trainer, step: int) -> None:
        """Apply the present options again, after a checkpoint has restored its own.

        Args:
            trainer: Has what :meth:`configure` made.
            step: Updates of G so far.
        """
        for optimizer, options in zip(trainer.optimizers, self._options, strict=True):
            optimizer.param_groups[0].update(options)
            lay_as_weights(optimizer)
        for config in trainer.lr_scheduler_configs:
            schedule = cast("LambdaLR", config.scheduler)
            (group,) = schedule.optimizer.param_groups
            schedule.base_lrs = [group["initial_lr"]]
            schedule.last_epoch = step
            group["lr"] = group["initial_lr"] * schedule.lr_lambdas[0](step)
            schedule._last_lr = [group["lr"]]


def _can_be_fused(weight: Tensor) -> bool:
    """Whether a fused step changes it as a usual one does: its numbers are real, and lie as those of the state will."""
    return weight.is_floating_point() and torch.empty_like(weight, device="meta").stride() == weight.stride()


def uncounted(optimizers: Any) -> Any:
    """Lightning's optimizers of G and D, D's kept out of ``global_step``, as must be repeated for each batch.

    Others, such as those before training, are returned as they are.
    """
    if isinstance(optimizers, list) and all(isinstance(optimizer, LightningOptimizer) for optimizer in optimizers):
        optimizers[1]._on_before_step = optimizers[1]._on_after_step = _do_nothing
    return optimizers


def _do_nothing() -> None:
    pass
