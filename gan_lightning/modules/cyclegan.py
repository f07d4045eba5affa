"""CycleGAN: images translated, learnt without pairs.

    L(G, F, D_X, D_Y) = L_GAN(G, D_Y) + L_GAN(F, D_X) + λ (E[‖F(G(x)) - x‖₁] + E[‖G(F(y)) - y‖₁]).

Good where no image has a counterpart: horses and zebras, summer and winter, photos and paintings.
"""

from typing import Any

import torch
from torch import Tensor

from gan_lightning.arguments import check_weights
from gan_lightning.engine.pool import ImagePool
from gan_lightning.game import Move, Terms
from gan_lightning.losses import AdversarialLoss, LeastSquaresLoss
from gan_lightning.networks import CycleGANGenerator, PatchDiscriminator, TwoWayDiscriminator, TwoWayGenerator
from gan_lightning.parts import describe
from gan_lightning.translation import TranslationModule, check_floats


class CycleGAN(TranslationModule):
    """Two translations, each of which undoes the other (Zhu et al., 2017, arXiv:1703.10593).

    Both generators are one player, and both discriminators the other: "images" of the game are pairs of a source and a
    target, (N, 2C, H, W), and losses are means over both domains. With the ½ of ``LeastSquaresLoss``, which eq. 1 has
    not, that makes λ = 5 here what λ = 10 is in the paper, and 2.5 its 0.5 λ.

    Args:
        image_shape: (C, H, W) of sources and targets; H and W multiples of 4, of 24 pixels or more.
        width: Feature maps of G at the full resolution, and of D at half of it.
        blocks: Residual blocks of each generator; None for 9 where the shorter side has 256 pixels, else 6.
        halvings: Of D: the size of its patches.
        cycle_weight: λ, at least 0.
        identity_weight: Of the distance of a target to its own "translation", section 5.2; 0 for none.
        pool_size: Earlier fakes that D is shown again, section 4; 0 for none.
        loss: What each player minimises.
        kwargs: For the base.
    """

    adjustable = TranslationModule.adjustable | {"cycle_weight", "identity_weight"}

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (3, 256, 256),
        width: int = 64,
        blocks: int | None = None,
        halvings: int = 3,
        cycle_weight: float = 5.0,
        identity_weight: float = 2.5,
        pool_size: int = 50,
        loss: AdversarialLoss = describe(LeastSquaresLoss),
        **kwargs: Any,
    ) -> None:
        check_weights(cycle_weight=cycle_weight, identity_weight=identity_weight)
        generators = (CycleGANGenerator(image_shape, width, blocks) for _ in range(2))
        judges = (PatchDiscriminator(image_shape, width, halvings, sees_source=False) for _ in range(2))
        super().__init__(TwoWayGenerator(*generators), TwoWayDiscriminator(*judges), loss, **kwargs)
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        channels, *size = image_shape
        self.pool = ImagePool(pool_size, 2 * channels, *size)

    def read(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Pairs of a source and a target that have nothing to do with each other, (N, 2C, H, W), twice."""
        targets, sources = super().read(batch)
        pairs = torch.cat([sources, targets], 1)
        return pairs, pairs

    def move(self, player: Any, *arguments: Any, **options: Any) -> Move:
        """As the base's; D sees fakes of the pool."""
        move = super().move(player, *arguments, **options)
        if player == "d":
            move.fake = self.pool.exchange(move.fake, move.draws)
        return move

    def generator_terms(self, move: Move) -> Terms:
        """The loss's, ``cycle``, eq. 2, and ``identity``."""
        terms = super().generator_terms(move)
        back = self.generate(move.latents, move.fake)
        terms["cycle"] = self.cycle_weight * (back - move.real).abs().mean()
        if self.identity_weight:
            sources, targets = move.real.chunk(2, 1)
            same = self.generate(move.latents, torch.cat([targets, sources], 1))
            terms["identity"] = self.identity_weight * (same - move.real).abs().mean()
        return terms

    def translate_back(self, targets: Tensor) -> Tensor:
        """Translate targets (N, C, H, W) in [-1, 1] to sources, as :meth:`translate` does the other way.

        Raises:
            ValueError: If they are not in [-1, 1].
        """
        check_floats(targets, "The targets")
        return self.translation_back(targets)

    def translation_back(self, targets: Tensor) -> Tensor:
        """As :meth:`translate_back`, of images that need no check."""
        back, _ = self.translation(torch.cat([targets, targets], 1)).chunk(2, 1)
        return back

    def beside(self, sources: Tensor, targets: Tensor) -> list[Tensor]:
        """What a grid shows after the translation: its translation back."""
        return [self.translation_back(self.translation(sources))]
