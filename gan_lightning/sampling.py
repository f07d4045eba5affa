"""Drawing images from a trained generator."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_lightning.checkpoints import CheckpointedModule
from gan_lightning.schedules import counted_seed

SAMPLING_BATCH = 250
"""Images that :meth:`SamplingModule.sample_from` makes at a time, which bounds its memory."""


class SamplingModule(CheckpointedModule):
    """A module with a generator, and perhaps its moving average, to draw images from.

    Attributes:
        generator: ``G(latents, labels)`` maps (N, latent_dim) to images (N, C, H, W) in [-1, 1].
        ema: The moving average of G's weights and buffers, or None.
        latent_dim: Features of a latent.
        prior: "normal" or "uniform".
        num_classes: Classes that G is conditioned on; labels are in [0, num_classes). 0 for an unconditional GAN.
    """

    generator: nn.Module
    ema: nn.Module | None
    latent_dim: int
    prior: str
    num_classes: int = 0

    def sample_latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw latents from the prior.

        Args:
            n: How many.
            generator: Source of randomness, whose device is used; by default torch's own, on the module's device.

        Returns:
            (n, latent_dim).
        """
        device = self.device if generator is None else generator.device
        latents = torch.empty(n, self.latent_dim, device=device)
        if self.prior == "uniform":
            return latents.uniform_(-1, 1, generator=generator)
        return latents.normal_(generator=generator)

    def sample(self, n: int, labels: int | Sequence[int] | Tensor | None = None, seed: int | None = None) -> Tensor:
        """Draw images from G, as :meth:`sample_from` does.

        Args:
            n: How many.
            labels: What to draw, for a conditional GAN: one class, or several that are repeated in turn; by default
                each image gets a class at random.
            seed: Makes the images a function of it, on any device; by default torch's own generator is used.

        Returns:
            (n, C, H, W) in [-1, 1], on the module's device.

        Raises:
            ValueError: If a label is out of range, or given to an unconditional GAN.
        """
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())) if seed is None else seed)
        latents = self.sample_latent(n, generator).to(self.device)
        return self.sample_from(latents, self.sample_labels(n, labels, generator))

    @torch.no_grad()
    def sample_from(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents to images: by G's moving average where there is one, always in evaluation mode.

        Args:
            latents: (N, latent_dim).
            labels: (N,) int64, for a conditional GAN.

        Returns:
            (N, C, H, W) in [-1, 1].
        """
        classes = latents.new_zeros(len(latents), dtype=torch.int64) if labels is None else labels
        network = self.generator if self.ema is None else self.ema
        was_training = network.training
        network.eval()
        try:
            batches = zip(latents.split(SAMPLING_BATCH), classes.split(SAMPLING_BATCH), strict=True)
            return torch.cat([at_least_fp32(network(*batch)) for batch in batches])
        finally:
            network.train(was_training)

    def sample_labels(self, n: int, labels: int | Sequence[int] | Tensor | None, generator: torch.Generator) -> Tensor:
        """The classes of n samples, (n,) int64 on the module's device: as asked for or random; 0 if unconditional."""
        if labels is None:
            return torch.randint(max(self.num_classes, 1), (n,), generator=generator).to(self.device)
        if not self.num_classes:
            raise ValueError(f"{type(self).__name__} is unconditional: it takes no labels, got {labels}.")
        asked = torch.as_tensor(labels).flatten()
        if (
            len(asked) == 0
            or asked.is_floating_point()
            or not 0 <= int(asked.min()) <= int(asked.max()) < self.num_classes
        ):
            raise ValueError(
                f"labels must be classes of {type(self).__name__}, integers from 0 to {self.num_classes - 1}, "
                f"got {labels}."
            )
        return asked.long().repeat(math.ceil(n / len(asked)))[:n].to(self.device)

    def on_predict_start(self) -> None:
        """Begin to count samples."""
        self._predicted = 0

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """As many samples as the batch has images, (N, C, H, W) in [-1, 1], of the same classes if G is conditional.

        The latent of image k is a function of (seed, k) alone; process r of n has the images [r::n].
        """
        _, labels = batch
        numbers = range(self._predicted, self._predicted + len(labels))
        self._predicted += len(labels)
        seeds = [counted_seed(number * self.trainer.world_size + self.global_rank) for number in numbers]
        latents = [self.sample_latent(1, torch.Generator().manual_seed(seed)) for seed in seeds]
        return self.sample_from(torch.cat(latents).to(self.device), labels)


def at_least_fp32(tensor: Tensor) -> Tensor:
    """Convert what a network made in half precision to 32 bits; 64 bits stay."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
