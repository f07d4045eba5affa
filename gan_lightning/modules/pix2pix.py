"""Pix2Pix: images translated, learnt from pairs.

    G* = arg min_G max_D E[log D(x, y)] + E[log(1 - D(x, G(x)))] + λ E[‖y - G(x)‖₁].

Good where each image has its counterpart: edges and photos, maps and views, masks and scenes.
"""

from typing import Any

from torch import Tensor

from gan_lightning.arguments import check_weights
from gan_lightning.game import Move, Terms
from gan_lightning.losses import AdversarialLoss, NonSaturatingLoss
from gan_lightning.networks import PatchDiscriminator, UNetGenerator
from gan_lightning.parts import describe
from gan_lightning.translation import TranslationModule


class Pix2Pix(TranslationModule):
    """U-Net against PatchGAN, and the distance of pixels (Isola et al., 2017, arXiv:1611.07004).

    Two things differ from the paper: samples are drawn in evaluation mode, without dropout, and norms are of instances,
    which is what batch norm is for its batches of one.

    Args:
        image_shape: (C, H, W) of sources and targets; H and W multiples of 4, of 24 pixels or more.
        width: Feature maps at half the resolution, of both networks.
        dropout_prob: Of G's innermost layers.
        norm: "instance", "batch" or "none".
        halvings: Of D: the size of its patches.
        pixel_weight: λ, at least 0.
        loss: What each player minimises.
        kwargs: For the base.
    """

    adjustable = TranslationModule.adjustable | {"pixel_weight"}

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int] = (3, 256, 256),
        width: int = 64,
        dropout_prob: float = 0.5,
        norm: str = "instance",
        halvings: int = 3,
        pixel_weight: float = 100.0,
        loss: AdversarialLoss = describe(NonSaturatingLoss),
        **kwargs: Any,
    ) -> None:
        check_weights(pixel_weight=pixel_weight)
        generator = UNetGenerator(image_shape, width, dropout_prob, norm)
        super().__init__(generator, PatchDiscriminator(image_shape, width, halvings, norm), loss, **kwargs)
        self.pixel_weight = pixel_weight

    def setup(self, stage: str) -> None:
        """As the base's, on pairs alone; predictions need none.

        Raises:
            ValueError: If the data module has no pairs.
        """
        data: Any = getattr(self.trainer, "datamodule", None)
        if stage != "predict" and not getattr(data, "is_aligned", True):
            raise ValueError(
                f"{type(self).__name__} learns from pairs, but {type(data).__name__} has none: take "
                "PairedImageDataModule (--config data/pairs), or CycleGAN (--config model/cyclegan), which needs none."
            )
        super().setup(stage)

    def generator_terms(self, move: Move) -> Terms:
        """The loss's, and ``pixels``, eq. 3."""
        pixels = (move.fake - move.real).abs().mean()
        return {**super().generator_terms(move), "pixels": self.pixel_weight * pixels}

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log ``val/l1``, the mean absolute difference of translations and targets, both in [-1, 1]."""
        targets, sources = self.read(batch)
        difference: Tensor = (self.translation(sources) - targets).abs().mean()
        self.log("val/l1", difference, sync_dist=True, batch_size=len(targets))
