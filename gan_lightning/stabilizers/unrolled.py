"""Unrolled GAN."""

import copy
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.optim import Optimizer

from gan_lightning.arguments import check_counts
from gan_lightning.game import Letter, MicroBatches, Stabilizer, cached_weights, total

Parameters = dict[str, Tensor]


class Unrolled(Stabilizer):
    """G plays against D as it will be after more updates (Metz et al., 2016, arXiv:1611.02163, eq. 9).

    The gradient of G goes through these updates: D's parameters after them are a function of G. They are made by D's
    own optimizer, from its present state, on the images of D's last update. D and its optimizer stay as they were. G
    minimises its own loss there; in eq. 9 it minimises -D's, whose term of the reals then depends on G, too. What
    other stabilizers do after an update, such as weight clipping, is left out.

    Args:
        steps: K, how many updates of D to look ahead. Memory and time grow with it.

    Raises:
        ValueError: If it is below 1; in training, if D's optimizer has no differentiable steps.
    """

    def __init__(self, steps: int = 5) -> None:
        super().__init__()
        check_counts(steps=steps)
        self.steps = steps

    @contextmanager
    def around(self, player: Letter, gan: Any, batches: MicroBatches) -> Iterator[None]:
        """Let G move against the D of the future."""
        if player == "d":
            yield
            return
        optimizer: Optimizer = gan.optimizers()[1].optimizer
        buffers = {name: buffer.clone() for name, buffer in gan.discriminator.named_buffers()}
        original = dict(gan.discriminator.named_parameters())
        state = {name: optimizer.state.get(parameter, {}) for name, parameter in original.items()}
        parameters: Parameters = {name: parameter.detach().requires_grad_() for name, parameter in original.items()}
        try:
            for ahead in range(self.steps):
                gradients = self._gradients(gan, parameters, batches, gan.n_critic + 1 + ahead)
                parameters, state = differentiable_step(optimizer, parameters, gradients, state)
            with replaced(gan.discriminator, parameters):
                yield
        finally:
            with torch.no_grad():
                for name, buffer in gan.discriminator.named_buffers():
                    buffer.copy_(buffers[name])

    def _gradients(self, gan: Any, parameters: Parameters, batches: MicroBatches, number: int) -> Parameters:
        """Those of D's loss, as functions of its parameters and of G, averaged over micro-batches and processes."""
        losses = []
        with replaced(gan.discriminator, parameters), gan.twice_differentiable(), cached_weights(gan.discriminator):
            for k, (real, labels) in enumerate(batches):
                move = gan.move("d", real, labels, number, k, through_generator=True)
                move.update -= 1  # ``number`` skips n_critic, which is G's
                own, added, _ = gan.terms(move)
                losses.append(total(own, added))
            loss = torch.stack(losses).mean()
            gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True, materialize_grads=True)
        usable = _clipped(_averaged(gradients), gan.players.both[1].clip_norm)
        return {name: _smooth(gradient) for name, gradient in zip(parameters, usable, strict=True)}


def differentiable_step(
    optimizer: Optimizer, parameters: Parameters, gradients: Parameters, state: dict[str, dict[str, Any]]
) -> tuple[Parameters, dict[str, dict[str, Any]]]:
    """The step of an optimizer on other parameters, as a function of these and their gradients.

    Args:
        optimizer: Not changed; it holds the parameters of the same network, in the same order.
        parameters: By name, in the order of the optimizer.
        gradients: By name.
        state: The optimizer's for each parameter, by name.

    Returns:
        The new parameters and state.

    Raises:
        ValueError: If PyTorch has no differentiable form of the optimizer.
    """
    if "differentiable" not in optimizer.defaults:
        raise ValueError(f"Unrolled needs an optimizer of D with differentiable steps, such as Adam, got {optimizer}.")
    moved = {name: parameter.clone() for name, parameter in parameters.items()}
    names = iter(moved)
    ahead = copy.copy(optimizer)
    ahead.defaults = {**optimizer.defaults, "differentiable": True}
    ahead.param_groups = [
        {**group, "params": [moved[next(names)] for _ in group["params"]], "differentiable": True}
        | {option: False for option in ("foreach", "fused") if option in group}
        for group in optimizer.param_groups
    ]
    ahead.state = defaultdict(dict)
    for name, tensor in moved.items():
        tensor.retain_grad()  # otherwise its gradient cannot be read
        tensor.grad = gradients[name]
        # torch counts steps in 32 bits, in which 1 - beta ** step is off by 1e-5.
        ahead.state[tensor] = {
            key: value.to(tensor.dtype, copy=True) if isinstance(value, Tensor) else value
            for key, value in state[name].items()
        }
    ahead.step()
    return moved, {name: ahead.state[tensor] for name, tensor in moved.items()}


@contextmanager
def replaced(network: nn.Module, tensors: Parameters) -> Iterator[None]:
    """Let a network compute with other tensors in the place of its parameters, such as results of a computation."""
    places = [(network.get_submodule(name.rpartition(".")[0])._parameters, name.rpartition(".")[2]) for name in tensors]
    kept = [owner[name] for owner, name in places]
    for (owner, name), tensor in zip(places, tensors.values(), strict=True):
        owner[name] = tensor  # type: ignore[assignment]
    try:
        yield
    finally:
        for (owner, name), parameter in zip(places, kept, strict=True):
            owner[name] = parameter


def _clipped(gradients: Sequence[Tensor], norm: float | None) -> list[Tensor]:
    """Scaled as ``torch.nn.utils.clip_grad_norm_`` does, but differentiable."""
    if norm is None:
        return list(gradients)
    scale = norm / (torch.cat([gradient.reshape(-1) for gradient in gradients]).norm() + 1e-6)
    return [scale.clamp(max=1.0) * gradient for gradient in gradients]


def _averaged(gradients: Sequence[Tensor]) -> Sequence[Tensor]:
    """Means over processes, through which gradients flow as well."""
    if not dist.is_initialized():
        return gradients
    flat = all_reduce(torch.cat([gradient.reshape(-1) for gradient in gradients])) / dist.get_world_size()
    parts = flat.split([gradient.numel() for gradient in gradients])
    return [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]


def _smooth(gradient: Tensor) -> Tensor:
    """A gradient of 0 makes a step of 0, whose derivative Adam's root of 0 leaves undefined: it is taken as 0."""
    is_zero = gradient == 0  # a hook that held its own tensor would never be freed
    if gradient.requires_grad:
        gradient.register_hook(lambda above: torch.where(is_zero & ~above.isfinite(), 0.0, above))
    return gradient
