"""The adversarial game that every GAN of the collection plays, its moving average of G, and sampling."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Literal

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from gan_lightning.checks import check_choice, check_counts, check_decays
from gan_lightning.draws import SharedDraws, seed_default_generators
from gan_lightning.ema import MovingAverage
from gan_lightning.losses import R1, R2, AdversarialLoss, GradientPenalty, Penalty
from gan_lightning.optimization import OptimizingModule
from gan_lightning.sampling import at_least_fp32
from gan_lightning.schedules import counted_seed
from gan_lightning.strategies import check_strategy


class AdversarialModule(OptimizingModule):
    """A generator G and a discriminator D that play against each other (Goodfellow et al., 2014, arXiv:1406.2661).

    One ``training_step`` is one update of G: it holds ``n_critic`` updates of D, each on its own equal share of the
    batch, and then G's. The trainer counts G's updates alone. All that a step draws is a function of (seed, global
    step), where the seed is that of ``seed_everything``: a run resumed from a checkpoint equals one that was never
    stopped. Several processes share what is drawn for the whole batch, so that a run does not depend on their number;
    only what a network itself draws, such as dropout, is each process's own.

    A variant passes networks, loss and numbers to this constructor and is done. It takes keyword arguments only,
    and they must be plain values: they are the checkpoint's ``hyper_parameters``.

    Args:
        generator: ``G(latents, labels)`` maps (N, latent_dim) to images (N, C, H, W) in [-1, 1].
        discriminator: ``D(images, labels)`` maps (N, C, H, W) to logits (N,).
        loss: What each player minimises.
        latent_dim: Features of a latent.
        prior: Latents are drawn from N(0, I), "normal", or U(-1, 1), "uniform".
        n_critic: Updates of D in each update of G, at least 1.
        accumulate: Equal micro-batches that the batch of each update is split into, to save memory, at least 1. The
            gradients are those of the whole batch, unless a network mixes the images of a batch.
        reuse_latents: Whether G's update takes the latents of D's last update, instead of fresh ones.
        lr: Learning rate of G.
        discriminator_lr: Learning rate of D; by default G's.
        betas: Adam's, of G.
        discriminator_betas: Adam's, of D; by default G's.
        lr_schedule: Factor of G's learning rate over the run: "constant", "linear" to 0, or "cosine" to 0.
        discriminator_lr_schedule: Of D's; by default G's.
        warmup_steps: Updates of G in which both learning rates rise linearly from 0, at least 0.
        gradient_clip_norm: Largest norm of G's gradient, above which it is scaled down; None for any.
        discriminator_gradient_clip_norm: Largest norm of D's gradient; None for any.
        compile: Whether to compile both networks with ``torch.compile``; checkpoints do not change.
        ema_decay: Decay a step of the moving average of G that samples are drawn from, in [0, 1); 0 for none.
        gradient_penalty_weight: λ of WGAN-GP's penalty, at least 0. No penalty goes with a D that has batch norm.
        r1_weight: γ of R1, at least 0.
        r2_weight: γ of R2, at least 0.

    Attributes:
        num_classes: Classes that G is conditioned on; labels are in [0, num_classes). 0 for an unconditional GAN.
        penalties: The regularisers that D's loss adds; a variant may append to them.
        draws: Source of what a step draws.
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
        accumulate: int = 1,
        reuse_latents: bool = False,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        discriminator_betas: tuple[float, float] | None = None,
        lr_schedule: Literal["constant", "linear", "cosine"] = "constant",
        discriminator_lr_schedule: Literal["constant", "linear", "cosine"] | None = None,
        warmup_steps: int = 0,
        gradient_clip_norm: float | None = None,
        discriminator_gradient_clip_norm: float | None = None,
        compile: bool = False,
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
        self.draws = SharedDraws()
        gradient_penalty = GradientPenalty(gradient_penalty_weight, self.draws.uniform)
        penalties = gradient_penalty, R1(r1_weight), R2(r2_weight)
        self.penalties: list[Penalty] = [penalty for penalty in penalties if penalty.weight]
        self.latent_dim = latent_dim
        self.prior = prior
        self.n_critic = n_critic
        self.accumulate = accumulate
        self.reuse_latents = reuse_latents
        self.lr = lr
        self.discriminator_lr = lr if discriminator_lr is None else discriminator_lr
        self.betas = betas
        self.discriminator_betas = betas if discriminator_betas is None else discriminator_betas
        self.lr_schedule = lr_schedule
        self.discriminator_lr_schedule = discriminator_lr_schedule or lr_schedule
        self.warmup_steps = warmup_steps
        self.gradient_clip_norm = gradient_clip_norm
        self.discriminator_gradient_clip_norm = discriminator_gradient_clip_norm
        self.compiles = compile
        self.ema_decay = ema_decay
        self._check_numbers()
        self.ema = copy.deepcopy(generator).requires_grad_(False) if ema_decay else None
        self._readings: dict[str, list[Tensor]] = {}
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))

    def _check_numbers(self) -> None:
        try:
            check_counts(latent_dim=self.latent_dim, n_critic=self.n_critic, accumulate=self.accumulate)
            check_decays(ema_decay=self.ema_decay)
            check_choice(["normal", "uniform"], prior=self.prior)
            self.check_optimization()
        except ValueError as error:
            raise ValueError(f"{type(self).__name__}: {error}") from None
        if self.penalties and any(isinstance(layer, _BatchNorm) for layer in self.discriminator.modules()):
            raise ValueError(
                f"{type(self).__name__}: {self.penalties[0].name} penalises the gradient at each image by itself, but "
                "D's batch norm mixes the images of a batch. Set norm to none, or the weight to 0."
            )

    def setup(self, stage: str) -> None:
        """Refuse strategies under which the game fails, and compile the networks."""
        check_strategy(self.trainer.strategy)
        self._average: MovingAverage | None = None
        if self.compiles and stage == "fit":
            self.generator.compile()  # in place: the names of the parameters stay
            self.discriminator.compile()

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
        with self._penalising():
            for penalty in self.penalties:
                terms[penalty.name] = penalty(self.discriminator, real, fake, labels)
        return terms

    @contextmanager
    def _penalising(self) -> Iterator[None]:
        """In 32 bits, since gradients are off by percents in 16, and eager: compiled code has no second backward."""
        with torch.autocast(self.device.type, enabled=False), ExitStack() as stack:
            if self.compiles:
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            yield

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
        seed_default_generators(counted_seed(self.global_step, self.global_rank), self.device)  # of dropout, say
        optimizer_g, optimizer_d = self.optimizers()
        for number, micro_batches in enumerate(self._split(*batch)):
            self._update("d", optimizer_d, micro_batches, number)
        self._update("g", optimizer_g, micro_batches, number if self.reuse_latents else self.n_critic)
        self._finish_step(len(micro_batches[0][0]) * self.accumulate * self.n_critic)

    def _split(self, images: Tensor, labels: Tensor) -> list[list[tuple[Tensor, Tensor]]]:
        """The micro-batches of each update of D."""
        size = len(images) // (self.n_critic * self.accumulate)
        if size == 0:
            raise ValueError(
                f"A batch of {len(images)} images cannot be split into n_critic={self.n_critic} updates of D of "
                f"accumulate={self.accumulate} micro-batches each. Make the batch at least "
                f"{self.n_critic * self.accumulate} images large, or lower one of the two."
            )
        pairs = list(zip(images.split(size), labels.split(size), strict=True))
        return [pairs[k * self.accumulate :][: self.accumulate] for k in range(self.n_critic)]

    def _update(
        self, player: str, optimizer: LightningOptimizer, micro_batches: list[tuple[Tensor, Tensor]], number: int
    ) -> None:
        """Minimise the sum of a player's terms, with the other frozen; number tells the update from others' draws."""
        # Cached, spectral norms cost one power iteration an update, not one a forward pass.
        with self.toggled_optimizer(optimizer), parametrize.cached():
            optimizer.zero_grad()
            for part, (real, labels) in enumerate(micro_batches):
                self._accumulate(player, real, labels, number, part)
        if self.logs_this_step:
            means = {name: torch.stack(values).mean() for name, values in self._readings.items()}
            self.log_dict(means, sync_dist=self.trainer.world_size > 1)
            self._readings.clear()
        optimizer.step()

    def _accumulate(self, player: str, real: Tensor, labels: Tensor, number: int, part: int) -> None:
        """Add the gradients of one micro-batch."""
        self.draws.begin(
            self.global_step,
            number,
            device=self.device,
            rank=self.global_rank,
            world_size=self.trainer.world_size,
            part=part,
            parts=self.accumulate,
        )
        latents = self.draws.share(len(real), self.sample_latent)
        if player == "d":
            with torch.no_grad():
                fake = self.generate(latents, labels)
            terms = self.discriminator_terms(real, fake, labels)
        else:
            terms = self.generator_terms(real, self.generate(latents, labels), labels)
        loss = torch.stack(list(terms.values())).sum()
        # The cached weights are part of the graph of every micro-batch.
        self.manual_backward(loss / self.accumulate, retain_graph=part + 1 < self.accumulate)
        if self.logs_this_step:
            self.log_values(player, {"loss": loss, **terms})

    def _finish_step(self, images: int) -> None:
        self.images_seen += images * self.trainer.world_size
        if self.ema is not None:
            if self._average is None:  # networks are on their device and loaded only now
                self._average = MovingAverage(self.ema, self.generator, self.ema_decay)
            self._average.update(self.global_step)
        self.step_schedules()

    @property
    def logs_this_step(self) -> bool:
        """Whether the trainer logs at the end of this step: a metric logged in vain costs 0.3 ms."""
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return every > 0 and (self.global_step + 1) % every == 0

    def log_values(self, player: str, values: Mapping[str, Tensor]) -> None:
        """Log scalars as ``train/<player>_<name>``, averaged over the micro-batches of an update and over processes.

        Args:
            player: "d" or "g".
            values: Of one micro-batch, by name; only while ``logs_this_step``.
        """
        for name, value in values.items():
            self._readings.setdefault(f"train/{player}_{name}", []).append(value.detach())

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Nothing: evaluation is a callback's, which sees the same batch."""

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Nothing: evaluation is a callback's, which sees the same batch."""
