"""What a move of the game is, and the stabilizers that change it."""

import copy
from abc import ABC
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from gan_lightning.engine.draws import SharedDraws
from gan_lightning.parts import Part

Letter = Literal["d", "g"]
"""Whose move it is: the discriminator's or the generator's."""
Side = Literal["real", "fake"]
"""Which images D judges."""
MicroBatches = Sequence[tuple[Tensor, Tensor]]
"""Equal parts of a batch: images and labels."""
Terms = dict[str, Tensor]
"""Scalars by name, whose sum a player minimises."""


class Verdict(NamedTuple):
    """What D says of N images.

    Attributes:
        logits: (N,); (N / m,) where D judges m images together.
        heads: Its other outputs by name, such as "features", (N, F), the input of its last layer.
    """

    logits: Tensor
    heads: Mapping[str, Tensor] = {}

    def head(self, name: str, reader: object) -> Tensor:
        """The output that a part reads.

        Raises:
            ValueError: If D has none of this name.
        """
        if name not in self.heads:
            raise ValueError(
                f"{type(reader).__name__}: D has no head '{name}' (it has: {', '.join(sorted(self.heads)) or 'none'}). "
                f"Let D return gan_lightning.game.Verdict(logits, {{'{name}': ...}})."
            )
        return self.heads[name]


@dataclass(eq=False)
class Move:
    """All that the loss of one player sees of a micro-batch of N images.

    Attributes:
        player: Who moves.
        network: The player's own.
        step: Updates of G so far.
        update: Updates of the player so far.
        real: (N, C, H, W) in [-1, 1].
        fake: (N, C, H, W) in [-1, 1]; with G's graph in G's move, and where ``Unrolled`` looks ahead at D's.
        labels: (N,) int64, of the reals; the fakes were made from the same.
        latents: (N, latent_dim), of the fakes.
        judge: ``judge(images, labels)``: D, behind all that changes what it sees, in at least 32 bits.
        generate: ``generate(latents, labels)``: G, in at least 32 bits.
        draws: Source of random numbers.
    """

    player: Letter
    network: nn.Module
    step: int
    update: int
    real: Tensor
    fake: Tensor
    labels: Tensor
    latents: Tensor
    judge: Callable[[Tensor, Tensor], Verdict]
    generate: Callable[[Tensor, Tensor], Tensor]
    draws: SharedDraws

    @cached_property
    def on_real(self) -> Verdict:
        """What D says of the reals; computed once."""
        return self.judge(self.real, self.labels)

    @cached_property
    def on_fake(self) -> Verdict:
        """What D says of the fakes; computed once."""
        return self.judge(self.fake, self.labels)

    def look(self, reals: bool, slopes: Collection[Side] = ()) -> Self:
        """Let D judge now, the reals first if wanted, then the fakes; returns the move itself.

        Args:
            reals: Whether it judges them.
            slopes: Images for whose :meth:`slope` the same pass is to serve.
        """
        for side in slopes:
            images: Tensor = getattr(self, side)
            if not images.requires_grad:  # they do where Unrolled looks ahead
                setattr(self, side, images.detach().requires_grad_())
        if reals:
            _ = self.on_real
        _ = self.on_fake
        return self

    def slope(self, side: Side) -> Tensor:
        """The gradient of each logit with respect to its own image, differentiable: (N, C * H * W)."""
        images: Tensor = getattr(self, side)
        judge = (lambda *_: getattr(self, f"on_{side}")) if images.requires_grad else self.judge
        return input_gradient(judge, images, self.labels)

    def heard(self, real_logits: Tensor, fake_logits: Tensor) -> Self:
        """The same move with other logits of D, each (N,)."""
        other = copy.copy(self)
        other.on_real = self.on_real._replace(logits=real_logits)
        other.on_fake = self.on_fake._replace(logits=fake_logits)
        return other


def input_gradient(judge: Callable[[Tensor, Tensor], Verdict], images: Tensor, labels: Tensor) -> Tensor:
    """The gradient of each logit with respect to its own image, by a pass of its own, differentiable: (N, C * H * W).

    Args:
        judge: D.
        images: (N, C, H, W).
        labels: (N,) int64.
    """
    if not images.requires_grad:
        images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(judge(images, labels).logits.sum(), images, create_graph=True)
    return gradient.flatten(1)


def check_shapes(real: Tensor, fake: Tensor, gan: str) -> None:
    """Refuse real images of a shape other than G's, which many a D would accept.

    Raises:
        ValueError: If the shapes differ.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"The real images are {tuple(real.shape[1:])}, but {gan} makes {tuple(fake.shape[1:])} (C, H, W). Give the "
            "GAN the image_shape of the data, or the data the image_size of the GAN."
        )


def check_logits(logits: Tensor, images: int) -> None:
    """Refuse logits that are not one for each image, or for each pack of images, or a map of them for each image.

    Raises:
        ValueError: If D says something else.
    """
    is_map = logits.ndim == 4 and logits.shape[:2] == (images, 1)
    if not is_map and (logits.ndim != 1 or not len(logits) or images % len(logits)):
        raise ValueError(
            f"D gave logits of shape {tuple(logits.shape)} for {images} images; it must give one for each, of shape "
            f"({images},), or a map for each, ({images}, 1, h, w): return x.flatten(1).mean(1) of several, or "
            "x.squeeze(1) of a column."
        )


class Update(NamedTuple):
    """What parts are told about an update when it is done.

    Attributes:
        player: Who moved.
        network: The player's own, after its step.
        images: Real images of the update, over all processes.
        real_logits: Of D, over all micro-batches of this process; None in G's update.
        fake_logits: Of D, over all micro-batches of this process.
        mean: Averages a tensor over processes.
    """

    player: Letter
    network: nn.Module
    images: int
    real_logits: Tensor | None
    fake_logits: Tensor
    mean: Callable[[Tensor], Tensor]


class Stabilizer(Part, ABC):
    """An addition to a game, which overrides a hook or two; hooks are called in the order of the list.

    Attributes:
        per_image: Whether it looks at D's gradient image by image, which batch norm in D forbids.
        every: Lazy regularisation (Karras et al., 2019, arXiv:1912.04958, section 3.1): terms are computed only every
            so many updates of the player, and weigh that many times as much.
        slope_of: Images of whose ``move.slope`` D's terms are made: D then judges them once, for loss and slope.
        codes: Features at the end of a latent that ``prior`` sets: what they say is not noise.
    """

    per_image = False
    every = 1
    slope_of: Side | None = None
    codes = 0

    def wrap(self, discriminator: nn.Module) -> nn.Module:
        """Wrap D in another network, once, when a GAN is made."""
        return discriminator

    def attach(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Look at both networks, once, when a GAN is made; keeping one would save it twice."""

    def prior(self, latents: Tensor, generator: torch.Generator | None) -> Tensor:
        """Change latents (N, latent_dim) that were just drawn, with a source of randomness; None for torch's own."""
        return latents

    def view(self, images: Tensor, draws: SharedDraws) -> Tensor:
        """Change what D sees of images (N, C, H, W), real or fake, in the moves of both players."""
        return images

    def judged(self, move: Move) -> Move:
        """Change D's output before the loss sees it."""
        return move

    def discriminator_terms(self, move: Move) -> Terms:
        """Terms of D's loss by name, weighted; logged as ``train/d_<name>``."""
        return {}

    def generator_terms(self, move: Move) -> Terms:
        """Terms of G's loss by name, weighted; logged as ``train/g_<name>``."""
        return {}

    def around(self, player: Letter, gan: Any, batches: MicroBatches) -> AbstractContextManager[None]:
        """Surround a player's whole update, for example to look ahead.

        Args:
            player: Who moves.
            gan: The ``AdversarialModule``.
            batches: What the update is computed on.
        """
        return nullcontext()

    def slopes(self, move: Move) -> set[Side]:
        """Images whose slope is wanted in a move."""
        return {self.slope_of} if self.slope_of and move.player == "d" and self._is_due(move) else set()

    def _is_due(self, move: Move) -> bool:
        return move.update % self.every == 0

    def terms(self, move: Move) -> Terms:
        """The terms of the player whose move it is, if they are due."""
        if not self._is_due(move):
            return {}
        terms = self.discriminator_terms(move) if move.player == "d" else self.generator_terms(move)
        return {name: self.every * value for name, value in terms.items()}


def total(*terms: Terms) -> Tensor:
    """The sum of all terms, a scalar.

    Raises:
        ValueError: If a term is not a scalar.
    """
    for name, value in ((name, value) for group in terms for name, value in group.items()):
        if value.ndim:
            raise ValueError(
                f"The term '{name}' of a loss has the shape {tuple(value.shape)}, but must be a scalar, such as the "
                "mean over the images."
            )
    return torch.stack([value for group in terms for value in group.values()]).sum()


@contextmanager
def cached_weights(network: nn.Module) -> Iterator[None]:
    """Within it, parametrized weights are made once, those of the player that moves with their graph.

    They are made first, since a forward pass without gradients would leave weights without a graph to all that follow.
    """
    with parametrize.cached():
        for layer in filter(parametrize.is_parametrized, network.modules()):
            for name in layer.parametrizations:  # type: ignore[union-attr]
                getattr(layer, name)
        yield


def check_batch_norm(stabilizers: Sequence[Stabilizer], discriminator: nn.Module) -> None:
    """Refuse a penalty on D's gradient at each image together with batch norm in D.

    Raises:
        ValueError: If both are there.
    """
    per_image = [type(stabilizer).__name__ for stabilizer in stabilizers if stabilizer.per_image]
    if per_image and any(isinstance(layer, _BatchNorm) for layer in discriminator.modules()):
        raise ValueError(
            f"{per_image[0]} penalises D's gradient at each image separately, but D's batch norm mixes the images of a "
            "batch. Set norm to none, or leave the penalty out."
        )
