"""The adversarial game that every GAN of the collection plays, its moving average of G, and sampling."""

import copy
import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gan_lightning.checks import check_choice, check_counts, check_decays, check_positive
from gan_lightning.ema import update_average
from gan_lightning.losses import R1, R2, AdversarialLoss, GradientPenalty, Penalty
from gan_lightning.sampling import SamplingModule, at_least_fp32
from gan_lightning.schedules import LR_SCHEDULES, counted_seed


class AdversarialModule(SamplingModule):
    """A generator G and a discriminator D that play against each other (Goodfellow et al., 2014, arXiv:1406.2661).

    One ``training_step`` is one update of G: it holds ``n_critic`` updates of D, each on its own equal share of the
    batch, and then G's. The trainer counts G's updates alone. All that a step draws is a function of (seed, global
    step, rank), where the seed is that of ``seed_everything``: a run resumed from a checkpoint equals one that was
    never stopped.

    A variant passes networks, loss and numbers to this constructor and is done. It takes keyword arguments only,
    and they must be plain values: they are the checkpoint's ``hyper_parameters``.

    Args:
        generator: ``G(latents, labels)`` maps (N, latent_dim) to images (N, C, H, W) in [-1, 1].
        discriminator: ``D(images, labels)`` maps (N, C, H, W) to logits (N,).
        loss: What each player minimises.
        latent_dim: Features of a latent.
        prior: Latents are drawn from N(0, I), "normal", or U(-1, 1), "uniform".
        n_critic: Updates of D in each update of G, at least 1.
        reuse_latents: Whether G's update takes the latents of D's last update, instead of fresh ones.
        lr: Learning rate of G.
        discriminator_lr: Learning rate of D; by default G's.
        betas: Adam's, of G.
        discriminator_betas: Adam's, of D; by default G's.
        lr_schedule: Factor of both learning rates over the run: "constant", "linear" to 0, or "cosine" to 0.
        ema_decay: Decay a step of the moving average of G that samples are drawn from, in [0, 1); 0 for none.
        gradient_penalty_weight: λ of WGAN-GP's penalty, at least 0. No penalty goes with a D that has batch norm.
        r1_weight: γ of R1, at least 0.
        r2_weight: γ of R2, at least 0.

    Attributes:
        num_classes: Classes that G is conditioned on; labels are in [0, num_classes). 0 for an unconditional GAN.
        penalties: The regularisers that D's loss adds; a variant may append to them.
        ema: The moving average of G's weights and buffers, or None.
        images_seen: Real images that D has been trained on, over all ranks; a buffer.

    Raises:
        ValueError: If a number is out of its range, or a penalty meets batch norm.
    """

    images_seen: Tensor

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        *,
        latent_dim: int = 100,
        prior: Literal["normal", "uniform"] = "normal",
        n_critic: int = 1,
        reuse_latents: bool = False,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        discriminator_betas: tuple[float, float] | None = None,
        lr_schedule: Literal["constant", "linear", "cosine"] = "constant",
        ema_decay: float = 0.999,
        gradient_penalty_weight: float = 0.0,
        r1_weight: float = 0.0,
        r2_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.save_hyperparameters(self._arguments, logger=False)
        self.generator = generator
        self.discriminator = discriminator
        self.loss = loss
        penalties = GradientPenalty(gradient_penalty_weight), R1(r1_weight), R2(r2_weight)
        self.penalties: list[Penalty] = [penalty for penalty in penalties if penalty.weight]
        self.latent_dim = latent_dim
        self.prior = prior
        self.n_critic = n_critic
        self.reuse_latents = reuse_latents
        self.lr = lr
        self.discriminator_lr = lr if discriminator_lr is None else discriminator_lr
        self.betas = betas
        self.discriminator_betas = betas if discriminator_betas is None else discriminator_betas
        self.lr_schedule = lr_schedule
        self.ema_decay = ema_decay
        self._check_numbers()
        self.ema = copy.deepcopy(generator).requires_grad_(False) if ema_decay else None
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))

    def _check_numbers(self) -> None:
        try:
            check_counts(latent_dim=self.latent_dim, n_critic=self.n_critic)
            check_positive(lr=self.lr, discriminator_lr=self.discriminator_lr)
            check_decays(betas=self.betas, discriminator_betas=self.discriminator_betas, ema_decay=self.ema_decay)
            check_choice(["normal", "uniform"], prior=self.prior)
            check_choice(list(LR_SCHEDULES), lr_schedule=self.lr_schedule)
        except ValueError as error:
            raise ValueError(f"{type(self).__name__}: {error}") from None
        if self.penalties and any(isinstance(layer, _BatchNorm) for layer in self.discriminator.modules()):
            raise ValueError(
                f"{type(self).__name__}: {self.penalties[0].name} penalises the gradient at each image by itself, but "
                "D's batch norm mixes the images of a batch. Set the weight to 0, or take WGANGP, SNGAN or GAN."
            )

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Images of G, (N, C, H, W) in [-1, 1], in at least 32 bits whatever the precision G ran in."""
        return at_least_fp32(self.generator(latents, labels))

    def judge(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Logits of D, (N,), in at least 32 bits whatever the precision D ran in."""
        return at_least_fp32(self.discriminator(images, labels))

    def discriminator_terms(self, real: Tensor, fake: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The terms of D's loss by name; their sum is minimised, and each is logged as ``train/d_<name>``.

        Args:
            real: (N, C, H, W) in [-1, 1].
            fake: (N, C, H, W) in [-1, 1], without graph.
            labels: (N,) int64, of the reals; the fakes were made from the same.
        """
        real_logits, fake_logits = self.judge(real, labels), self.judge(fake, labels)
        if self.logs_this_step:
            self.log_values("d", self.loss.readings(real_logits, fake_logits))
        terms = {"adversarial": self.loss.discriminator(real_logits, fake_logits)}
        with torch.autocast(self.device.type, enabled=False):  # their gradients are off by percents otherwise
            for penalty in self.penalties:
                terms[penalty.name] = penalty(self.discriminator, real, fake, labels)
        return terms

    def generator_terms(self, real: Tensor, fake: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The terms of G's loss by name; their sum is minimised, and each is logged as ``train/g_<name>``.

        Args:
            real: (N, C, H, W) in [-1, 1], of D's last update.
            fake: (N, C, H, W) in [-1, 1], with G's graph.
            labels: (N,) int64, of both.
        """
        real_logits = self.judge(real, labels) if self.loss.needs_real else None
        return {"adversarial": self.loss.generator(self.judge(fake, labels), real_logits)}

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Update D ``n_critic`` times, each time on fresh reals, then G once."""
        torch.manual_seed(counted_seed(self.global_step, self.global_rank))
        optimizer_g, optimizer_d = self.optimizers()
        for real, labels in self._micro_batches(*batch):
            latents = self.sample_latent(len(real))
            with torch.no_grad():
                fake = self.generate(latents, labels)
            with self._updating(optimizer_d, "d") as terms:
                terms.update(self.discriminator_terms(real, fake, labels))
        if not self.reuse_latents:
            latents = self.sample_latent(len(real))
        with self._updating(optimizer_g, "g") as terms:
            terms.update(self.generator_terms(real, self.generate(latents, labels), labels))
        self._finish_step(len(real) * self.n_critic)

    def _micro_batches(self, images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        size = len(images) // self.n_critic
        if size == 0:
            raise ValueError(
                f"A batch of {len(images)} images cannot be split into n_critic={self.n_critic} updates of D. "
                f"Make the batch at least {self.n_critic} images large, or lower n_critic."
            )
        pairs = zip(images.split(size), labels.split(size), strict=True)
        return itertools.islice(pairs, self.n_critic)

    @contextmanager
    def _updating(self, optimizer: LightningOptimizer, player: str) -> Iterator[dict[str, Tensor]]:
        """Minimise the sum of the terms that the body collects, with the other player frozen, and log them."""
        terms: dict[str, Tensor] = {}
        # Cached, spectral norms cost one power iteration an update, not one a forward pass.
        with self.toggled_optimizer(optimizer), parametrize.cached():
            yield terms
            loss = torch.stack(list(terms.values())).sum()
            optimizer.zero_grad()
            self.manual_backward(loss)
        if self.logs_this_step:
            self.log_values(player, {"loss": loss, **terms})
        optimizer.step()

    def _finish_step(self, images: int) -> None:
        self.images_seen += images * self.trainer.world_size
        if self.ema is not None:
            update_average(self.ema, self.generator, self.ema_decay, self.global_step)
        schedulers: Any = self.lr_schedulers()
        for scheduler in schedulers or []:
            scheduler.step()

    def make_optimizer(self, network: nn.Module, lr: float, betas: tuple[float, float]) -> Optimizer:
        """The optimizer of one player; Adam unless a variant overrides it."""
        return torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=True)

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LambdaLR]]:
        """The optimizers of G and D, in this order, with their schedules."""
        optimizers = [
            self.make_optimizer(self.generator, self.lr, self.betas),
            self.make_optimizer(self.discriminator, self.discriminator_lr, self.discriminator_betas),
        ]
        if self.lr_schedule == "constant":
            return optimizers, []
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise ValueError(
                f"lr_schedule='{self.lr_schedule}' needs an end: set the trainer's max_steps or max_epochs."
            )
        factor = LR_SCHEDULES[self.lr_schedule]
        return optimizers, [
            LambdaLR(optimizer, lambda step: factor(min(step / steps, 1.0))) for optimizer in optimizers
        ]

    def optimizers(self, use_pl_optimizer: bool = True) -> Any:
        """The optimizers of G and D. D's steps are not counted: ``global_step`` means updates of G."""
        optimizers: Any = super().optimizers(use_pl_optimizer)
        if use_pl_optimizer:
            discriminator = optimizers[1]
            # Lightning sets these anew for each batch.
            discriminator._on_before_step = discriminator._on_after_step = _do_nothing
        return optimizers

    @property
    def logs_this_step(self) -> bool:
        """Whether the trainer logs at the end of this step: a metric logged in vain costs 0.3 ms."""
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return every > 0 and (self.global_step + 1) % every == 0

    def log_values(self, player: str, values: Mapping[str, Tensor]) -> None:
        """Log scalars of a step as ``train/<player>_<name>``; player is "d" or "g"."""
        self.log_dict({f"train/{player}_{name}": value.detach() for name, value in values.items()})

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Nothing: evaluation is a callback's, which sees the same batch."""

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Nothing: evaluation is a callback's, which sees the same batch."""


def _do_nothing() -> None:
    pass
