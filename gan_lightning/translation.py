"""What GANs that translate images share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gan_lightning.base import AdversarialModule
from gan_lightning.batches import read_batch
from gan_lightning.images import check_range, to_float
from gan_lightning.losses import AdversarialLoss

EXAMPLES_PER_ROW = 4
"""Of a grid."""


class TranslationModule(AdversarialModule):
    """A conditional GAN whose condition is an image: G maps sources to targets (Isola et al., 2017, arXiv:1611.07004).

    It plays the game of its base, whose labels are images here, so losses, stabilizers and optimizers are the same. A
    batch is ``(targets, sources)``, both (N, C, H, W), float in [-1, 1] or uint8, as the data modules of pairs give it.
    G draws no latent.

    Args:
        generator: ``G(latents, sources)``; it is given latents, but has no need of them.
        discriminator: ``D(images, sources)``.
        loss: What each player minimises.
        reuse_latents: As the base's; here by default G's update goes through the fakes that D has just seen.
        ema_decay: As the base's; the papers have no moving average.
        kwargs: For the base.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        *,
        reuse_latents: bool = True,
        ema_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            generator, discriminator, loss, latent_dim=1, reuse_latents=reuse_latents, ema_decay=ema_decay, **kwargs
        )
        self._examples: Any = None

    def setup(self, stage: str) -> None:
        """Take the images to be translated for grids and scores from the data module, if it has pairs."""
        super().setup(stage)
        data: Any = getattr(self.trainer, "datamodule", None)
        if hasattr(data, "is_aligned"):
            held_out = data.dataset("test" if stage in ("test", "predict") else "val")
            self._examples = held_out if len(held_out) else data.dataset("train")

    def read(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Targets and sources of a training batch, both (N, C, H, W), float in [-1, 1].

        Raises:
            TypeError: If the batch has no sources.
            ValueError: If a run's first targets or sources are not in [-1, 1].
        """
        is_first = not self._has_looked
        targets, sources = super().read(batch)
        if sources.ndim != 4:
            raise TypeError(
                f"{type(self).__name__} learns from batches (targets, sources), both images (N, C, H, W): take "
                f"PairedImageDataModule or UnpairedImageDataModule; got labels of shape {tuple(sources.shape)}."
            )
        sources = _as_floats(sources)
        if is_first:
            check_range(sources, "The sources")
        return targets, sources.to(self.dtype)

    def translate(self, sources: Tensor) -> Tensor:
        """Translate images (N, C, H, W) in [-1, 1], or uint8, without gradients and in evaluation mode.

        Raises:
            ValueError: If floats are not in [-1, 1].
        """
        check_floats(sources, "The sources")
        return self.translation(sources)

    def translation(self, sources: Tensor) -> Tensor:
        """As :meth:`translate`, of images that need no check, which would wait for an accelerator."""
        sources = _as_floats(sources).to(self.device)
        return self.sample_from(torch.zeros(len(sources), self.latent_dim, device=self.device), sources)

    def sample_labels(self, n: int, labels: int | Sequence[int] | Tensor | None, generator: Generator) -> Tensor:
        """The sources of n samples, (n, C, H, W): those given, in turn, or random ones that no update has seen.

        None comes again before all have come.

        Raises:
            ValueError: If none are given, and there is no data module to take them from.
        """
        if labels is None:
            if self._examples is None:
                raise ValueError(
                    f"{type(self).__name__} translates images, and has none: give it some, translate(images), or "
                    "gan-lightning translate --images FOLDER."
                )
            sources = self._examples.sources
            rounds = [torch.randperm(len(sources), generator=generator) for _ in range(0, max(n, 1), len(sources))]
            labels = sources[torch.cat(rounds)[:n].tolist()][0]
        if not isinstance(labels, Tensor) or labels.ndim != 4:
            raise ValueError(f"{type(self).__name__} translates images: labels must be (N, C, H, W), got {labels}.")
        turns = -(-n // len(labels))
        return _as_floats(labels).repeat(turns, 1, 1, 1)[:n].to(self.device)

    def grid(self, num_images: int, seed: int) -> tuple[Tensor, int]:
        """Examples for a picture: each source, its translation, and what :meth:`beside` has.

        Args:
            num_images: About how many.
            seed: Of the sources.

        Returns:
            images: (N, C, H, W) in [-1, 1].
            columns: Of the picture.
        """
        count = max(EXAMPLES_PER_ROW, num_images // 3 // EXAMPLES_PER_ROW * EXAMPLES_PER_ROW)
        chosen = torch.randint(len(self._examples), (count,), generator=Generator().manual_seed(seed)).tolist()
        targets, sources = (_as_floats(images).to(self.device) for images in self._examples[chosen])
        shown = [sources, self.translation(sources), *self.beside(sources, targets)]
        return torch.stack(shown, 1).flatten(0, 1), EXAMPLES_PER_ROW * len(shown)

    def beside(self, sources: Tensor, targets: Tensor) -> list[Tensor]:
        """What a grid shows of each example after its translation: the target."""
        return [targets]

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The translations of a batch's sources, (N, C, H, W) in [-1, 1]."""
        _, sources = read_batch(batch)
        if sources is None:
            raise TypeError(f"{type(self).__name__} needs batches (targets, sources) to predict, got images alone.")
        return self.translate(sources)


def check_floats(images: Tensor, what: str) -> None:
    """Check the range of images, unless they are uint8.

    Args:
        images: Any shape.
        what: Their name in messages.

    Raises:
        ValueError: If they are not in [-1, 1].
    """
    if images.dtype != torch.uint8:
        check_range(images, what)


def _as_floats(images: Tensor) -> Tensor:
    return to_float(images) if images.dtype == torch.uint8 else images
