"""How a player learns: a torch optimizer with plain arguments, its learning rate over the run, clipping."""

import inspect
import math
from abc import ABC
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from torch.optim.lr_scheduler import LambdaLR

from gan_lightning.arguments import (
    arguments_of,
    check_betas,
    check_choice,
    check_counts,
    check_decays,
    check_positive,
    check_weights,
)
from gan_lightning.parts import Part, plain

__all__ = ["SGD", "Adam", "AdamW", "PlayerOptimizer", "RMSprop"]

LR_SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: (1.0 + math.cos(math.pi * progress)) / 2,
}
"""Factors of the learning rate by name, as functions of the fraction of training that is done, in [0, 1]."""


class PlayerOptimizer(Part, ABC):
    """How one player learns. A subclass names a torch optimizer as ``kind`` and takes its arguments, then these.

    Args:
        lr: Learning rate of this player; None for the GAN's ``lr``, shared by both.
        lr_schedule: Factor of the learning rate over the run: "constant", "linear" to 0, or "cosine" to 0.
        warmup_steps: Updates of G in which the learning rate rises linearly from 0, at least 0.
        clip_norm: Largest norm of the player's gradient, above which it is scaled down; None for no limit.

    Raises:
        ValueError: If a number is out of its range.
    """

    kind: ClassVar[type[torch.optim.Optimizer]]

    def __init__(
        self,
        lr: float | None = None,
        lr_schedule: Literal["constant", "linear", "cosine"] = "constant",
        warmup_steps: int = 0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__()
        optional = {"lr": lr, "clip_norm": clip_norm}
        check_positive(**{name: value for name, value in optional.items() if value is not None})
        check_choice(list(LR_SCHEDULES), lr_schedule=lr_schedule)
        check_counts(warmup_steps=warmup_steps, least=0)
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.warmup_steps = warmup_steps
        self.clip_norm = clip_norm

    @property
    def takes_betas(self) -> bool:
        """Whether the GAN's ``betas`` are used: by an optimizer that takes betas and sets none."""
        return getattr(self, "betas", ()) is None

    def arguments(self, betas: tuple[float, float] | None) -> dict[str, Any]:
        """What ``kind`` is called with besides parameters and learning rate.

        Args:
            betas: The GAN's.
        """
        own = arguments_of(type(self)).keys() - arguments_of(PlayerOptimizer).keys()
        chosen = {name: getattr(self, name) for name in own}
        return {**chosen, "betas": betas} if self.takes_betas else chosen

    def make(
        self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float] | None, fused: bool
    ) -> torch.optim.Optimizer:
        """Make the optimizer.

        Args:
            groups: The parameters, with the name of the player, which Lightning's LearningRateMonitor shows.
            lr: The GAN's, for a player whose own is None.
            betas: The GAN's.
            fused: Whether to take the fused implementation where there is one.
        """
        arguments = self.arguments(betas)
        if fused and "fused" in inspect.signature(self.kind).parameters:
            arguments.setdefault("fused", True)
        # Plain values, because the optimizer's state holds them, and the checkpoint that.
        return self.kind(groups, **plain({"lr": lr if self.lr is None else self.lr, **arguments}))

    @property
    def changes_lr(self) -> bool:
        """Whether the learning rate changes during training."""
        return self.lr_schedule != "constant" or self.warmup_steps > 0

    def schedule(self, optimizer: torch.optim.Optimizer, steps: float) -> LambdaLR:
        """What changes the learning rate, once per update of G.

        Args:
            optimizer: What :meth:`make` made.
            steps: Updates of G of the whole run; may be infinite for a constant learning rate.

        Raises:
            ValueError: If the schedule needs an end of the run, and there is none.
        """
        if self.lr_schedule == "constant":
            steps = math.inf
        elif math.isinf(steps):
            raise ValueError(f"lr_schedule {self.lr_schedule} needs an end: set the trainer's max_steps or max_epochs.")
        warmup = max(self.warmup_steps, 1)
        factor = LR_SCHEDULES[self.lr_schedule]
        return LambdaLR(optimizer, lambda step: min((step + 1) / warmup, 1.0) * factor(min(step / steps, 1.0)))

    def clip(self, optimizer: torch.optim.Optimizer) -> None:
        """Scale the gradients that the optimizer is about to use down to ``clip_norm``, if their norm exceeds it."""
        if self.clip_norm is not None:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.clip_norm)


class Adam(PlayerOptimizer):
    """Adam (Kingma and Ba, 2014, arXiv:1412.6980).

    Args:
        betas: Decays of the averages of the gradient and its square; None for the GAN's ``betas``.
        eps: Added to the denominator.
        weight_decay: L2 penalty.
        amsgrad: Whether to divide by the largest average so far (Reddi et al., 2018).
        kwargs: For :class:`PlayerOptimizer`.
    """

    kind: ClassVar[type[torch.optim.Optimizer]] = torch.optim.Adam

    def __init__(
        self,
        betas: tuple[float, float] | None = None,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if betas is not None:
            check_betas(betas)
        check_weights(eps=eps, weight_decay=weight_decay)
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.amsgrad = amsgrad


class AdamW(Adam):
    """Adam whose weight decay is not part of the gradient (Loshchilov and Hutter, 2017, arXiv:1711.05101).

    Args:
        betas: See :class:`Adam`.
        weight_decay: Fraction that a weight loses in a step, before the learning rate scales it.
        kwargs: For :class:`Adam`.
    """

    kind = torch.optim.AdamW

    def __init__(self, betas: tuple[float, float] | None = None, weight_decay: float = 0.01, **kwargs: Any) -> None:
        super().__init__(betas=betas, weight_decay=weight_decay, **kwargs)


class RMSprop(PlayerOptimizer):
    """RMSprop (Tieleman and Hinton, 2012; the form of Graves, 2013, arXiv:1308.0850).

    Args:
        alpha: Decay of the average of the gradient's square, in [0, 1).
        eps: Added to the denominator.
        momentum: In [0, 1).
        weight_decay: L2 penalty.
        kwargs: For :class:`PlayerOptimizer`.
    """

    kind = torch.optim.RMSprop

    def __init__(
        self, alpha: float = 0.99, eps: float = 1e-8, momentum: float = 0.0, weight_decay: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_decays(alpha=alpha, momentum=momentum)
        check_weights(eps=eps, weight_decay=weight_decay)
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum
        self.weight_decay = weight_decay


class SGD(PlayerOptimizer):
    """Stochastic gradient descent, with or without momentum.

    Args:
        momentum: In [0, 1).
        nesterov: Whether the momentum is Nesterov's.
        weight_decay: L2 penalty.
        kwargs: For :class:`PlayerOptimizer`.
    """

    kind = torch.optim.SGD

    def __init__(self, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_decays(momentum=momentum)
        check_weights(weight_decay=weight_decay)
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay


def wrap(kind: type[torch.optim.Optimizer]) -> type[PlayerOptimizer]:
    """The player's optimizer for one of torch's, with the same name and arguments; ``betas`` are by default the GAN's.

    Args:
        kind: Its constructor takes parameters and ``lr``, and plain values besides.
    """
    needless = {"params", "lr", *IMPLEMENTATION}
    own = [p for name, p in inspect.signature(kind).parameters.items() if name not in needless]
    own = [p.replace(default=None, annotation=tuple[float, float] | None) if p.name == "betas" else p for p in own]
    inherited = list(arguments_of(PlayerOptimizer).values())
    me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)

    def construct(self: PlayerOptimizer, **arguments: Any) -> None:
        chosen = {p.name: arguments.pop(p.name, p.default) for p in own}
        PlayerOptimizer.__init__(self, **arguments)
        for name, value in chosen.items():
            setattr(self, name, value)

    parameters = [me, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [*own, *inherited])]
    construct.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    summary = f"torch.optim.{kind.__name__}, with its own arguments and those of PlayerOptimizer."
    attributes = {"__init__": construct, "__doc__": summary, "__module__": __name__, "kind": kind}
    return type(kind.__name__, (PlayerOptimizer,), attributes)


IMPLEMENTATION = ("foreach", "fused", "capturable", "differentiable", "maximize")
"""Arguments of torch's optimizers that say how they compute."""
OTHERS = ("ASGD", "Adadelta", "Adafactor", "Adagrad", "Adamax", "NAdam", "RAdam", "Rprop")
"""torch's optimizers that fit any network."""
for _name in OTHERS:
    globals()[_name] = wrap(getattr(torch.optim, _name))
