"""Path length regularisation."""

from typing import Any

import torch
from torch import Tensor

from gan_lightning.arguments import check_counts, check_decays, check_weights
from gan_lightning.game import Move, Stabilizer, Terms, Update
from gan_lightning.precision import at_least_fp32


class PathLength(Stabilizer):
    """Lets equal steps in the latent change images equally (Karras et al., 2019, arXiv:1912.04958, eq. 4).

    A latent is here what :meth:`synthesis` of G maps to images, the style, if G has this method and ``mapping``.

    The term is weight * E(‖Jᵀy‖ - a)², with J the Jacobian of G at a latent, y from N(0, I) divided by the root of the
    number of pixels, and a the moving average of the lengths ‖Jᵀy‖, which moves after the update. Under batch norm in G
    an image depends on all latents of its batch, and so does its length.

    Args:
        weight: Of the term, at least 0.
        every: The term is added only every so many updates of G, and weighs that many times as much.
        decay: Of a, in [0, 1).

    Raises:
        ValueError: If a number is out of its range.
    """

    mean_length: Tensor

    def __init__(self, weight: float = 2.0, every: int = 16, decay: float = 0.99) -> None:
        super().__init__()
        check_weights(weight=weight)
        check_counts(every=every)
        check_decays(decay=decay)
        self.weight = weight
        self.every = every
        self.decay = decay
        self.register_buffer("mean_length", torch.zeros(()))
        self._lengths: list[Tensor] = []  # of the micro-batches of an update

    def generator_terms(self, move: Move) -> Terms:
        """``path_length``."""
        network: Any = move.network
        if hasattr(network, "synthesis"):
            latents = network.mapping(move.latents)
            images = at_least_fp32(network.synthesis(latents))
        else:
            latents = move.latents.detach().requires_grad_()
            images = move.generate(latents, move.labels)
        noise = move.draws.normal_like(images) / images[0, 0].numel() ** 0.5
        (gradient,) = torch.autograd.grad((images * noise).sum(), latents, create_graph=True)
        lengths = gradient.norm(dim=1)
        self._lengths.append(lengths.detach())
        return {"path_length": self.weight * (lengths - self.mean_length).square().mean()}

    @torch.no_grad()
    def after(self, update: Update) -> None:
        """Move a towards the mean length of the update, if there is one."""
        if update.player == "g" and self._lengths:
            self.mean_length.lerp_(update.mean(torch.cat(self._lengths).mean()).to(self.mean_length), 1 - self.decay)
            self._lengths = []
