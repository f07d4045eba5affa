"""How pictures lie in memory: channels last, with which convolutions are faster, and nothing else changes."""

import copy

import torch
from torch import nn
from torch.optim import Optimizer

KNOWN = {"torch", "gan_lightning"}
"""Packages whose layers take pictures however they lie."""
FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a network may raise that cannot be copied, or takes other inputs than those of a trial."""
TRIAL = 12
"""Images of a trial, a multiple of what a D may judge together."""


def lay_channels_last(
    generator: nn.Module, discriminator: nn.Module, average: nn.Module | None, latent_dim: int
) -> None:
    """Let both networks compute with channels last, if they convolve and can; a ``.view`` after a convolution cannot.

    Args:
        generator: ``G(latents, labels)``.
        discriminator: ``D(images, labels)``.
        average: A copy of G, which is treated likewise.
        latent_dim: Features of a latent.
    """
    both = [generator, discriminator]
    if not any(map(_convolves, both)):
        return
    if all(map(_is_known, both)) or _can(generator, discriminator, latent_dim):
        for network in filter(None, (*both, average)):
            network.to(memory_format=torch.channels_last)


def lay_as_weights(optimizer: Optimizer) -> None:
    """Lay the state that a checkpoint gave an optimizer as its weights lie: fused steps take both to lie alike."""
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == weight.shape and value.stride() != weight.stride():
                state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _convolves(network: nn.Module) -> bool:
    return any(weight.ndim == 4 for weight in network.parameters())


def _is_known(network: nn.Module) -> bool:
    return all(type(layer).__module__.partition(".")[0] in KNOWN for layer in network.modules())


@torch.no_grad()
def _can(generator: nn.Module, discriminator: nn.Module, latent_dim: int) -> bool:
    """Whether copies of the networks play with channels last; what else is wrong with them, training will say."""
    weight = next(generator.parameters(), torch.zeros(()))
    latents = torch.zeros(TRIAL, latent_dim, device=weight.device, dtype=weight.dtype)
    labels = torch.zeros(TRIAL, dtype=torch.int64, device=weight.device)
    try:
        g, d = (copy.deepcopy(network).to(memory_format=torch.channels_last) for network in (generator, discriminator))
        with torch.random.fork_rng(devices=[]):
            for training in (True, False):
                images = g.train(training)(latents, labels)
                d.train(training)(images.contiguous(memory_format=torch.channels_last), labels)
    except FAILURES:
        return False
    return True
