"""Self-attention over the pixels of feature maps."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_lightning.arguments import check_counts


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
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        # Fused attention has no second derivative, which gradient penalties need.
        attention = (query.transpose(1, 2) @ key).softmax(dim=2)  # eq. 1: how much pixel j reads of pixel i
        read = (value @ attention.transpose(1, 2)).unflatten(2, x.shape[2:])  # eq. 2
        out: Tensor = self.gamma * self.output(read) + x  # eq. 3
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
