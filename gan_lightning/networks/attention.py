"""Self-attention over the pixels of feature maps."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from gan_lightning.arguments import check_counts

_fused = partial(scaled_dot_product_attention, scale=1.0)


class _Attend(torch.autograd.Function):
    """Fused attention whose gradient has a gradient, which penalties need and PyTorch's lacks."""

    @staticmethod
    def forward(ctx: Any, *parts: Tensor) -> Tensor:
        ctx.save_for_backward(*parts)
        with torch.enable_grad():
            ctx.parts = [part.detach().requires_grad_() for part in parts]
            read: Tensor = _fused(*ctx.parts)
        ctx.read = read
        return read.detach()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        is_kept, inputs, read = torch.is_grad_enabled(), ctx.parts, ctx.read
        if is_kept:
            inputs = query, key, value = ctx.saved_tensors
            read = (query @ key.mT).softmax(dim=-1) @ value
        found: tuple[Tensor, ...] = torch.autograd.grad(
            read, inputs, gradients, retain_graph=True, create_graph=is_kept
        )
        return found


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q K^T) V, without the matrix of all pairs in memory.

    Args:
        query, key, value: Q, K and V, (N, 1, pixels, channels).

    Returns:
        What each pixel reads, of the same shape.
    """
    parts = (query, key, value)
    if not any(part.requires_grad for part in parts):
        return _fused(*parts)
    learns = [part if part.requires_grad else part.detach().requires_grad_() for part in parts]  # some may be frozen
    read: Tensor = _Attend.apply(*learns)
    return read


class SelfAttention(nn.Module):
    """Each pixel adds what it reads from all others (Zhang et al., 2018, arXiv:1805.08318, section 3).

    Args:
        channels: C of input and output, (N, C, H, W).
        reduction: Queries, keys and values have C / reduction channels, and at least 1.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        check_counts(channels=channels, reduction=reduction)
        inner = max(channels // reduction, 1)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)  # f
        self.key = nn.Conv2d(channels, inner, 1, bias=False)  # g
        self.value = nn.Conv2d(channels, inner, 1, bias=False)  # h
        self.output = nn.Conv2d(inner, channels, 1, bias=False)  # v
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map x to γ o + x, which is x at first, as γ is 0."""
        layers = (self.query, self.key, self.value)
        query, key, value = (layer(x).flatten(2).mT.unsqueeze(1).contiguous() for layer in layers)
        read = attend(query, key, value)  # eq. 1 and 2: how much pixel j reads of pixel i, and what
        maps = read.squeeze(1).mT.unflatten(2, x.shape[2:])
        out: Tensor = self.gamma * self.output(maps) + x  # eq. 3
        return out


def with_attention(
    layers: Sequence[nn.Module], channels: Sequence[int], halvings: Sequence[int], attention: int | None
) -> list[nn.Module]:
    """Layers with :class:`SelfAttention` behind one of them.

    Args:
        layers: Of a generator or discriminator.
        channels: Feature maps that each gives.
        halvings: How often the resolution of the images is halved in what each gives.
        attention: The halvings at which pixels attend to each other; None for no attention.

    Raises:
        ValueError: If no layer gives such feature maps.
    """
    check_attention(halvings, attention)
    if attention is None:
        return list(layers)
    place = halvings.index(attention)
    return [*layers[: place + 1], SelfAttention(channels[place]), *layers[place + 1 :]]


def check_attention(halvings: Sequence[int], attention: int | None) -> None:
    """Refuse attention where no layer is.

    Args:
        halvings: How often the resolution of the images is halved behind the layers that there are.
        attention: The halvings at which pixels attend to each other; None for no attention.

    Raises:
        ValueError: If no layer gives such feature maps.
    """
    if attention is not None and attention not in halvings:
        raise ValueError(
            "attention must be the number of halvings of the images' resolution at which pixels attend to each other, "
            f"from {min(halvings)} to {max(halvings)} here, or None, got {attention!r}."
        )
