"""A generator, its moving average, and what draws images from them."""

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gan_lightning.arguments import blamed, check_choice, check_counts, check_decays, check_positive
from gan_lightning.batches import read_batch, read_labels
from gan_lightning.engine.checkpointed import CheckpointedModule
from gan_lightning.engine.draws import counted_seed
from gan_lightning.engine.ema import move_average
from gan_lightning.images import check_range
from gan_lightning.precision import at_least_fp32

SAMPLING_BATCH = 250
"""Images that :meth:`GenerativeModule.sample_from` makes at a time, which bounds its memory."""


def truncated(latents: Tensor, threshold: float) -> Tensor:
    """Map draws of N(0, I) to draws of what N(0, I) is within a threshold, by the distribution functions of both.

    Args:
        latents: (N, latent_dim).
        threshold: Largest absolute value, above 0.

    Returns:
        (N, latent_dim).
    """
    inside = math.erf(threshold * math.sqrt(0.5))
    mapped = math.sqrt(2) * (inside * (latents.double() * math.sqrt(0.5)).erf()).erfinv()
    return mapped.clamp(-threshold, threshold).to(latents.dtype)


class GenerativeModule(CheckpointedModule):
    """A module that has a generator to draw images from.

    Args:
        generator: ``G(latents, labels)`` maps (N, latent_dim) to images (N, C, H, W) in [-1, 1].
        latent_dim: Features of a latent.
        prior: Latents are drawn from N(0, I), "normal", or U(-1, 1), "uniform".
        ema_decay: Decay per step of the moving average of the generator, in [0, 1); 0 for none.

    Attributes:
        num_classes: Classes that G is conditioned on, as its attribute of this name says; labels are in
            [0, num_classes). 0 for an unconditional GAN.
        ema: The moving average of G's weights and buffers, or None.

    Raises:
        ValueError: If a number is out of its range.
    """

    num_classes: int = 0

    def __init__(
        self, generator: nn.Module, latent_dim: int, prior: Literal["normal", "uniform"], ema_decay: float
    ) -> None:
        super().__init__()
        with blamed(type(self)):
            check_counts(latent_dim=latent_dim)
            check_choice(["normal", "uniform"], prior=prior)
            check_decays(ema_decay=ema_decay)
        self.generator = generator
        self.num_classes = getattr(generator, "num_classes", type(self).num_classes)
        self.latent_dim = latent_dim
        self.prior = prior
        self.ema_decay = ema_decay
        self.ema = copy.deepcopy(generator).requires_grad_(False) if ema_decay else None

    def setup(self, stage: str) -> None:
        """Forget the tensors of an earlier run."""
        super().setup(stage)
        self._has_looked = False

    def read(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Images and labels of a training batch in any form that :func:`~gan_lightning.batches.read_batch` knows.

        Only the values of a run's first batch are checked: checking each would stall an accelerator.

        Returns:
            images: (N, C, H, W), float in [-1, 1].
            labels: (N,) int64 in [0, num_classes); zeros where an unconditional GAN gets none.

        Raises:
            TypeError: If the batch has another form.
            ValueError: If images or labels are of another shape, or out of their range.
        """
        images, labels = read_batch(batch)
        labels = read_labels(labels, images, self.num_classes, look=not self._has_looked)
        if not self._has_looked:
            check_range(images)
            self._has_looked = True
        return images.to(self.dtype), labels

    def update_average(self) -> None:
        """Move the average of G, if there is one: once an update of G."""
        if self.ema is not None:
            move_average(self.ema, self.generator, self.ema_decay, self.global_step)

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Images of G, (N, C, H, W) in [-1, 1], in at least 32 bits whatever the precision G ran in."""
        return at_least_fp32(self.generator(latents, labels))

    def sample_latent(
        self, n: int, generator: torch.Generator | None = None, truncation: float | None = None
    ) -> Tensor:
        """Draw latents from the prior.

        Args:
            n: How many.
            generator: Source of randomness, whose device is used; by default torch's own, on the module's device.
            truncation: Largest absolute value of a feature, above 0; None for any. A smaller one gives better, but less
                diverse images (Brock et al., 2018, arXiv:1809.11096, section 3.1).

        Returns:
            (n, latent_dim).

        Raises:
            ValueError: If the truncation is out of its range, or the prior is not normal.
        """
        device = self.device if generator is None else generator.device
        latents = torch.empty(n, self.latent_dim, device=device)
        threshold = None if self._generator_truncates else truncation
        if threshold is not None:
            self._check_truncation(threshold)
        if self.prior == "uniform":
            return latents.uniform_(-1, 1, generator=generator)
        latents.normal_(generator=generator)
        return latents if threshold is None else truncated(latents, threshold)

    def _check_truncation(self, truncation: float) -> None:
        check_positive(truncation=truncation)
        if self.prior != "normal":
            raise ValueError(
                f"{type(self).__name__} draws latents from a {self.prior} prior, which cannot be truncated: leave "
                f"truncation={truncation} out."
            )

    @property
    def _generator_truncates(self) -> bool:
        return bool(getattr(self.generator, "truncates", False))

    def render(self, network: nn.Module, latents: Tensor, labels: Tensor, truncation: float | None) -> Tensor:
        """Images (N, C, H, W) of G or its average, as they are sampled: if G still grows, with its pixels repeated."""
        options = {} if truncation is None or not self._generator_truncates else {"truncation": truncation}
        images: Tensor = network(latents, labels, **options)
        _, *size = getattr(network, "image_shape", images.shape[1:])
        return images if list(images.shape[2:]) == size else interpolate(images, size)

    def forward(self, latents: Tensor, labels: Tensor | None = None, truncation: float | None = None) -> Tensor:
        """Map latents to images as :meth:`sample` does, with gradients: by G's moving average, in evaluation mode.

        Args:
            latents: (N, latent_dim).
            labels: (N,) int64, for a conditional GAN, or mixtures of classes, (N, num_classes).
            truncation: For a G that truncates; other GANs truncate in :meth:`sample_latent`, and ignore it here.

        Returns:
            (N, C, H, W) in [-1, 1].

        Raises:
            ValueError: If a conditional GAN gets no labels, or such as are none of its classes.
        """
        if labels is None:
            if self.num_classes:
                raise ValueError(f"{type(self).__name__} is conditional: give labels, (N,) in [0, {self.num_classes}).")
            labels = torch.zeros(len(latents), dtype=torch.int64, device=latents.device)
        elif self.num_classes and labels.shape != (len(latents), self.num_classes):
            self._check_classes(labels, labels)
            if len(labels) != len(latents):
                raise ValueError(f"There must be a label for each latent, got {len(labels)} for {len(latents)}.")
        network = self.generator if self.ema is None else self.ema
        was_training = network.training
        network.eval()
        try:
            return at_least_fp32(self.render(network, latents.to(self.dtype), labels, truncation)).contiguous()
        finally:
            network.train(was_training)

    def sample(
        self,
        n: int,
        labels: int | Sequence[int] | Tensor | None = None,
        seed: int | None = None,
        truncation: float | None = None,
    ) -> Tensor:
        """Draw images from G, as :meth:`sample_from` does.

        Args:
            n: How many.
            labels: What to draw, for a conditional GAN: one class, or several that are repeated in turn; by default
                each image gets a random class.
            seed: Of the images, the same on any device; by default torch's own generator is used.
            truncation: Trades diversity for quality: of latents, see :meth:`sample_latent`, or of what G makes of them,
                for a G whose attribute ``truncates`` is True and which takes it as a keyword. None for none.

        Returns:
            (n, C, H, W) in [-1, 1], on the module's device.

        Raises:
            ValueError: If a label is out of range, or given to an unconditional GAN; if the truncation is out of range.
        """
        return torch.cat([images for images, _ in self.stream(n, labels, seed, truncation=truncation)])

    def stream(
        self,
        n: int,
        labels: int | Sequence[int] | Tensor | None = None,
        seed: int | None = None,
        batch_size: int = SAMPLING_BATCH,
        truncation: float | None = None,
        latents: Tensor | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The images of :meth:`sample` in batches, with their classes: any number in little memory.

        Args:
            n: How many.
            labels: See :meth:`sample`.
            seed: See :meth:`sample`.
            batch_size: Images at a time, at least 1.
            truncation: See :meth:`sample`.
            latents: (n, latent_dim), in place of random ones.

        Yields:
            images: (at most batch_size, C, H, W) in [-1, 1], on the module's device.
            labels: (at most batch_size,) int64; zeros for an unconditional GAN.
        """
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())) if seed is None else seed)
        drawn = self.sample_latent(n, generator, truncation)
        latents = drawn if latents is None else latents
        classes = self.sample_labels(n, labels, generator)
        for batch in zip(latents.split(batch_size), classes.split(batch_size), strict=True):
            yield self.sample_from(batch[0].to(self.device), batch[1], truncation), batch[1]

    @torch.no_grad()
    def sample_from(self, latents: Tensor, labels: Tensor | None = None, truncation: float | None = None) -> Tensor:
        """Map latents to images, as the module itself does, without gradients and a batch at a time.

        Args:
            latents: (N, latent_dim).
            labels: (N,) int64, for a conditional GAN.
            truncation: As the module itself takes it.

        Returns:
            (N, C, H, W) in [-1, 1].
        """
        parts = latents.split(SAMPLING_BATCH)
        classes = [None] * len(parts) if labels is None else labels.split(SAMPLING_BATCH)
        return torch.cat([self.forward(*batch, truncation) for batch in zip(parts, classes, strict=True)])

    def sample_labels(self, n: int, labels: int | Sequence[int] | Tensor | None, generator: torch.Generator) -> Tensor:
        """The classes of n samples, (n,) int64 on the module's device: as given or random; 0 if unconditional."""
        if labels is None:
            return torch.randint(max(self.num_classes, 1), (n,), generator=generator).to(self.device)
        if not self.num_classes:
            raise ValueError(f"{type(self).__name__} is unconditional: it takes no labels, got {labels}.")
        asked = torch.as_tensor(labels).flatten()
        self._check_classes(asked, labels)
        return asked.long().repeat(math.ceil(n / len(asked)))[:n].to(self.device)

    def _check_classes(self, classes: Tensor, given: object) -> None:
        is_right = classes.numel() > 0 and not classes.is_floating_point()
        if not is_right or not 0 <= int(classes.min()) <= int(classes.max()) < self.num_classes:
            raise ValueError(
                f"labels must be classes of {type(self).__name__}, integers from 0 to {self.num_classes - 1}, "
                f"got {given}."
            )

    @property
    def logs_this_step(self) -> bool:
        """Whether the trainer logs at the end of this step: a metric logged in vain costs 0.3 ms."""
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return every > 0 and (self.global_step + 1) % every == 0

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Do nothing: a callback evaluates on the same batch."""

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Do nothing: a callback evaluates on the same batch."""

    def on_predict_start(self) -> None:
        """Begin to count samples."""
        self._predicted = 0

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """As many samples as the batch has images, (N, C, H, W) in [-1, 1], of the same classes if G is conditional.

        The latent of image k is a function of (seed, k) alone; process r of n has the images [r::n].
        """
        images, labels = read_batch(batch)
        labels = read_labels(labels, images, self.num_classes)
        numbers = range(self._predicted, self._predicted + len(labels))
        self._predicted += len(labels)
        seeds = [counted_seed(number * self.trainer.world_size + self.global_rank) for number in numbers]
        latents = [self.sample_latent(1, torch.Generator().manual_seed(seed)) for seed in seeds]
        return self.sample_from(torch.cat(latents).to(self.device), labels)
