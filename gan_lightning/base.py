"""The adversarial game that every GAN of the collection plays, its moving average of G, and sampling."""

import copy
import hashlib
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gan_lightning.checkpoints import read_checkpoint
from gan_lightning.losses import AdversarialLoss, Penalty

SAMPLING_BATCH = 250
"""Images that :meth:`AdversarialModule.sample` makes at a time, which bounds its memory."""

LR_SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: (1.0 + math.cos(math.pi * progress)) / 2,
}
"""The factor of the learning rates, by name, as a function of the part of training that is done, in [0, 1]."""


def counted_seed(*counters: int) -> int:
    """Hash counters (a seed, a step, a rank ...) to a seed of 63 bits, so that neighbours are unrelated.

    Example:
        >>> counted_seed(0, 1) == counted_seed(0, 1), counted_seed(0, 1) == counted_seed(1, 0)
        (True, False)
    """
    return int.from_bytes(hashlib.blake2b(repr(counters).encode(), digest_size=8).digest(), "big") >> 1


class _KeepsArguments:
    """Keeps the arguments of the outermost constructor: the command line's ``hparams`` lack those that it links.

    A class of its own, because jsonargparse takes a class's ``__new__`` for its constructor where there is one.
    """

    _arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Record the keyword arguments."""
        self = super().__new__(cls)
        object.__setattr__(self, "_arguments", kwargs)
        return self


class AdversarialModule(_KeepsArguments, LightningModule):
    """A generator G and a discriminator D that play against each other (Goodfellow et al., 2014, arXiv:1406.2661).

    One ``training_step`` is one update of G: it holds ``n_critic`` updates of D, each on its own equal share of the
    batch, and then G's. The trainer counts G's updates alone. All that a step draws is a function of (seed, global
    step, rank), where the seed is that of ``seed_everything``: a run resumed from a checkpoint equals one that was
    never stopped.

    A variant passes networks, loss and penalties to this constructor and is done. It takes keyword arguments only,
    and they must be plain values: they are the checkpoint's ``hyper_parameters``.

    Args:
        generator: ``G(latents, labels)`` maps (N, latent_dim) to images (N, C, H, W) in [-1, 1].
        discriminator: ``D(images, labels)`` maps (N, C, H, W) to logits (N,).
        loss: What each player minimises.
        penalties: Regularisers that D's loss adds.
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

    Attributes:
        num_classes: Classes that G is conditioned on; labels are in [0, num_classes). 0 for an unconditional GAN.
        ema: The moving average of G's weights and buffers, or None.
        images_seen: Real images that D has been trained on, over all ranks; a buffer.

    Raises:
        ValueError: If a number is out of its range.
    """

    num_classes: int = 0
    images_seen: Tensor

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        penalties: Iterable[Penalty] = (),
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
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.save_hyperparameters(self._arguments, logger=False)
        self.generator = generator
        self.discriminator = discriminator
        self.loss = loss
        self.penalties = list(penalties)
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
        for name, value, legal, fits in [
            ("latent_dim", self.latent_dim, "at least 1", self.latent_dim >= 1),
            ("prior", self.prior, "'normal' or 'uniform'", self.prior in {"normal", "uniform"}),
            ("n_critic", self.n_critic, "at least 1", self.n_critic >= 1),
            ("lr", self.lr, "above 0", self.lr > 0),
            ("discriminator_lr", self.discriminator_lr, "above 0", self.discriminator_lr > 0),
            (
                "lr_schedule",
                self.lr_schedule,
                f"one of {', '.join(LR_SCHEDULES)}",
                self.lr_schedule in LR_SCHEDULES,
            ),
            ("ema_decay", self.ema_decay, "in [0, 1)", 0 <= self.ema_decay < 1),
        ]:
            if not fits:
                raise ValueError(f"{type(self).__name__}: {name} must be {legal}, got {value!r}.")

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Images of G, (N, C, H, W) in [-1, 1], in at least 32 bits whatever the precision G ran in."""
        return _at_least_fp32(self.generator(latents, labels))

    def judge(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Logits of D, (N,), in at least 32 bits whatever the precision D ran in."""
        return _at_least_fp32(self.discriminator(images, labels))

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
        torch.manual_seed(counted_seed(_run_seed(), self.global_step, self.global_rank))
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
        self._finish_step(len(batch[0]))

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
            self._update_ema(self.ema)
        schedulers: Any = self.lr_schedulers()
        for scheduler in schedulers or []:
            scheduler.step()

    @torch.no_grad()
    def _update_ema(self, ema: nn.Module) -> None:
        # The ramp of TensorFlow's ExponentialMovingAverage: early averages forget the initial weights quickly.
        decay = min(self.ema_decay, (1 + self.global_step) / (10 + self.global_step))
        old, new = _state(ema), _state(self.generator)
        floats = [k for k, tensor in enumerate(old) if tensor.is_floating_point()]
        get_ema_multi_avg_fn(decay)([old[k] for k in floats], [new[k] for k in floats], 0)
        for k, tensor in enumerate(old):
            if not tensor.is_floating_point():
                tensor.copy_(new[k])

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

    @torch.no_grad()
    def sample(self, n: int, labels: int | Sequence[int] | Tensor | None = None, seed: int | None = None) -> Tensor:
        """Draw images from G: from its moving average where there is one, always in evaluation mode.

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
        classes = self.sample_labels(n, labels, generator)
        network = self.generator if self.ema is None else self.ema
        was_training = network.training
        network.eval()
        try:
            batches = zip(latents.split(SAMPLING_BATCH), classes.split(SAMPLING_BATCH), strict=True)
            return torch.cat([_at_least_fp32(network(*batch)) for batch in batches])
        finally:
            network.train(was_training)

    def sample_labels(self, n: int, labels: int | Sequence[int] | Tensor | None, generator: torch.Generator) -> Tensor:
        """The classes of n samples, (n,) int64 on the module's device: as asked for or random; 0 if unconditional."""
        if labels is None:
            return torch.randint(max(self.num_classes, 1), (n,), generator=generator).to(self.device)
        if not self.num_classes:
            raise ValueError(f"{type(self).__name__} is unconditional: it takes no labels, got {labels}.")
        asked = torch.as_tensor(labels, dtype=torch.int64).flatten()
        if len(asked) == 0 or not 0 <= int(asked.min()) <= int(asked.max()) < self.num_classes:
            raise ValueError(
                f"labels must be classes of {type(self).__name__}, integers from 0 to {self.num_classes - 1}, "
                f"got {labels}."
            )
        return asked.repeat(math.ceil(n / len(asked)))[:n].to(self.device)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Nothing: evaluation is a callback's, which sees the same batch."""

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Nothing: evaluation is a callback's, which sees the same batch."""

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """As many samples as the batch has images, (N, C, H, W) in [-1, 1], of the same classes if G is conditional."""
        images, labels = batch
        seed = counted_seed(_run_seed(), batch_idx, self.global_rank)
        return self.sample(len(images), labels if self.num_classes else None, seed)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let the checkpoint know its class."""
        checkpoint["gan"] = type(self).__name__

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another class."""
        self._check_class(checkpoint)

    @classmethod
    def _check_class(cls, checkpoint: dict[str, Any]) -> None:
        if checkpoint.get("gan") != cls.__name__:
            raise ValueError(
                f"This is a checkpoint of {checkpoint.get('gan', 'something else')}, not of {cls.__name__}: "
                "name its own class, or use gan_lightning.load, which finds it."
            )

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, **kwargs: Any) -> Self:  # type: ignore[override]
        """Build the GAN that a checkpoint holds, in evaluation mode, on the CPU.

        Args:
            checkpoint_path: A file that this very class saved.
            kwargs: Override arguments of the constructor.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, unsafe, or of another class.
        """
        checkpoint = read_checkpoint(checkpoint_path)
        cls._check_class(checkpoint)
        gan = cls(**{**checkpoint.get("hyper_parameters", {}), **kwargs})
        gan.load_state_dict(checkpoint["state_dict"])
        return gan.eval()


def _run_seed() -> int:
    """The seed of seed_everything."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))


def _at_least_fp32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _state(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _do_nothing() -> None:
    pass
