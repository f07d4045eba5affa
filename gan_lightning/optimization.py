"""The optimizers of the two players: their learning rates over a run, the clipping of gradients, what is counted."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gan_lightning.checks import check_choice, check_counts, check_decays, check_positive
from gan_lightning.sampling import SamplingModule
from gan_lightning.schedules import LR_SCHEDULES


class OptimizingModule(SamplingModule):
    """A module with a generator and a discriminator, each with an optimizer of its own.

    Attributes:
        discriminator: ``D(images, labels)`` maps (N, C, H, W) to logits (N,).
        lr: Learning rate of G.
        discriminator_lr: Learning rate of D.
        betas: Adam's, of G.
        discriminator_betas: Adam's, of D.
        lr_schedule: Of G's learning rate, a name in LR_SCHEDULES.
        discriminator_lr_schedule: Of D's.
        warmup_steps: Updates of G in which both learning rates rise linearly to their values.
        gradient_clip_norm: Largest norm of G's gradient, or None.
        discriminator_gradient_clip_norm: Largest norm of D's gradient, or None.
    """

    discriminator: nn.Module
    lr: float
    discriminator_lr: float
    betas: tuple[float, float]
    discriminator_betas: tuple[float, float]
    lr_schedule: str
    discriminator_lr_schedule: str
    warmup_steps: int
    gradient_clip_norm: float | None
    discriminator_gradient_clip_norm: float | None

    def check_optimization(self) -> None:
        """Refuse numbers out of their range.

        Raises:
            ValueError: If one is.
        """
        check_positive(lr=self.lr, discriminator_lr=self.discriminator_lr)
        check_decays(betas=self.betas, discriminator_betas=self.discriminator_betas)
        check_choice(list(LR_SCHEDULES), lr_schedule=self.lr_schedule)
        check_choice(list(LR_SCHEDULES), discriminator_lr_schedule=self.discriminator_lr_schedule)
        check_counts(warmup_steps=self.warmup_steps, least=0)
        norms = {name: getattr(self, name) for name in ("gradient_clip_norm", "discriminator_gradient_clip_norm")}
        check_positive(**{name: norm for name, norm in norms.items() if norm is not None})

    def make_optimizer(self, network: nn.Module, lr: float, betas: tuple[float, float]) -> Optimizer:
        """The optimizer of one player; Adam unless a variant overrides it."""
        return torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=not self._scales_gradients)

    @property
    def _scales_gradients(self) -> bool:
        """Whether a GradScaler is at work: fused optimizers undo its scale after gradients were clipped, too late."""
        return self._trainer is not None and self.trainer.precision == "16-mixed"

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LambdaLR]]:
        """The optimizers of G and D, in this order, with their schedules."""
        optimizers = [
            self.make_optimizer(self.generator, self.lr, self.betas),
            self.make_optimizer(self.discriminator, self.discriminator_lr, self.discriminator_betas),
        ]
        names = self.lr_schedule, self.discriminator_lr_schedule
        if names == ("constant", "constant") and not self.warmup_steps:
            return optimizers, []
        return optimizers, [self._schedule(*pair) for pair in zip(optimizers, names, strict=True)]

    def _schedule(self, optimizer: Optimizer, name: str) -> LambdaLR:
        steps = math.inf if name == "constant" else self.trainer.estimated_stepping_batches
        if name != "constant" and math.isinf(steps):
            raise ValueError(f"lr_schedule='{name}' needs an end: set the trainer's max_steps or max_epochs.")
        warmup = max(self.warmup_steps, 1)
        factor = LR_SCHEDULES[name]
        return LambdaLR(optimizer, lambda step: min((step + 1) / warmup, 1.0) * factor(min(step / steps, 1.0)))

    def step_schedules(self) -> None:
        """Go on with the learning rates: once an update of G."""
        schedulers: Any = self.lr_schedulers()
        for scheduler in schedulers or []:
            scheduler.step()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the player's gradient: here it is whole, over micro-batches and processes, and not scaled."""
        is_generator = optimizer is self.trainer.optimizers[0]
        norm = self.gradient_clip_norm if is_generator else self.discriminator_gradient_clip_norm
        if norm is not None:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, norm)

    def optimizers(self, use_pl_optimizer: bool = True) -> Any:
        """The optimizers of G and D. D's steps are not counted: ``global_step`` means updates of G."""
        optimizers: Any = super().optimizers(use_pl_optimizer)
        if use_pl_optimizer:
            discriminator = optimizers[1]
            # Lightning sets these anew for each batch.
            discriminator._on_before_step = discriminator._on_after_step = _do_nothing
        return optimizers


def _do_nothing() -> None:
    pass
