"""The adversarial game that every GAN of the collection plays."""

from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from typing import Any, Literal

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Generator, Tensor, nn

from gan_lightning.arguments import arguments_of, blamed, check_counts
from gan_lightning.batches import one_image_explained, split_batch
from gan_lightning.engine.draws import SharedDraws, counted_seed, seed_default_generators
from gan_lightning.engine.fakes import SharedFakes
from gan_lightning.engine.generative import GenerativeModule
from gan_lightning.engine.layout import lay_channels_last
from gan_lightning.engine.optimizers import Adam, PlayerOptimizer
from gan_lightning.engine.players import Players, uncounted
from gan_lightning.engine.readings import Readings
from gan_lightning.engine.strategies import check_strategy
from gan_lightning.game import (
    Letter,
    MicroBatches,
    Move,
    Stabilizer,
    Terms,
    Update,
    Verdict,
    cached_weights,
    check_batch_norm,
    check_logits,
    check_shapes,
    total,
)
from gan_lightning.losses import AdversarialLoss
from gan_lightning.parts import describe, rebuilt
from gan_lightning.precision import at_least_fp32, check_precision, full_precision, is_full_precision


class AdversarialModule(GenerativeModule):
    """A generator G and a discriminator D that play against each other (Goodfellow et al., 2014, arXiv:1406.2661).

    One ``training_step`` is one update of G: it makes ``n_critic`` updates of D, each on its own equal share of the
    batch, and then G's. The trainer counts only G's updates. All that a step draws is a function of (seed, global
    step), where the seed is that of ``seed_everything``: a run resumed from a checkpoint equals one that was never
    stopped. Several processes share what is drawn for the whole batch, so that a run does not depend on their number;
    only what a network itself draws, such as dropout, is each process's own.

    A variant passes networks, loss, stabilizers and numbers to this constructor and is done. Arguments are plain values
    or parts (:class:`~gan_lightning.parts.Part`): they are the checkpoint's ``hyper_parameters``. Networks that are not
    parts can be passed too, but ``gan_lightning.load`` cannot rebuild them.

    Args:
        generator: ``G(latents, labels)`` maps (N, latent_dim) to images (N, C, H, W) in [-1, 1].
        discriminator: ``D(images, labels)`` maps (N, C, H, W) to logits (N,), or to maps of logits (N, 1, h, w), of
            which each counts alike, or to a ``Verdict``.
        loss: What each player minimises.
        stabilizers: Additions to the game; their hooks are called in this order.
        lr: Learning rate of both players, except one whose optimizer sets its own.
        betas: Adam's, of both players, except one whose optimizer sets its own; None if neither optimizer has any.
        generator_optimizer: How G learns.
        discriminator_optimizer: How D learns.
        latent_dim: Features of a latent.
        prior: Latents are drawn from N(0, I), "normal", or U(-1, 1), "uniform".
        n_critic: Updates of D in each update of G, at least 1.
        accumulate: Equal micro-batches that the batch of each update is split into, to save memory, at least 1. The
            gradients are those of the whole batch, unless something mixes the images of a batch.
        reuse_latents: Whether G's update takes the latents of D's last update, instead of fresh ones, and without
            micro-batches the very fakes, which are then made once.
        ema_decay: Decay per step of the moving average of G that samples are drawn from, in [0, 1); 0 for none.
        compile: Whether to compile both networks with ``torch.compile``; checkpoints do not change.

    Attributes:
        num_classes: Classes that G is conditioned on; labels are in [0, num_classes). 0 for an unconditional GAN.
        players: How both learn.
        readings: What the next logging step logs: ``readings.add("g", {"x": ...})`` becomes ``train/g_x``.
        draws: Source of a step's random numbers.
        ema: The moving average of G's weights and buffers, or None.
        images_seen: Real images that D has been trained on, over all ranks; a buffer.

    Raises:
        ValueError: If a number is out of its range or would not be used, or a penalty meets batch norm.
        TypeError: If an argument is neither plain nor a part.
    """

    images_seen: Tensor
    adjustable = frozenset(
        ["lr", "betas", "generator_optimizer", "discriminator_optimizer", "loss", "stabilizers", "ema_decay"]
    ) | {"accumulate", "reuse_latents", "compile"}

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        *,
        stabilizers: list[Stabilizer] | None = None,
        lr: float = 2e-4,
        betas: tuple[float, float] | None = (0.5, 0.999),
        generator_optimizer: PlayerOptimizer = describe(Adam),
        discriminator_optimizer: PlayerOptimizer = describe(Adam),
        latent_dim: int = 100,
        prior: Literal["normal", "uniform"] = "normal",
        n_critic: int = 1,
        accumulate: int = 1,
        reuse_latents: bool = False,
        ema_decay: float = 0.999,
        compile: bool = False,
    ) -> None:
        super().__init__(rebuilt(generator), latent_dim, prior, ema_decay)
        self.automatic_optimization = False
        parts = [Stabilizer.rebuild(part) for part in stabilizers or []]
        self.discriminator = rebuilt(discriminator)
        for part in parts:
            self.discriminator = part.wrap(self.discriminator)
        self.loss = AdversarialLoss.rebuild(loss)
        self.stabilizers = nn.ModuleList(parts)
        self.n_critic, self.accumulate, self.reuse_latents = n_critic, accumulate, reuse_latents
        self.compiles = compile
        with blamed(type(self)):
            check_counts(n_critic=n_critic, accumulate=accumulate)
            usual = arguments_of(type(self)).get("betas")
            own, other = (PlayerOptimizer.rebuild(part) for part in (generator_optimizer, discriminator_optimizer))
            self.players = Players(own, other, lr, betas, usual.default if usual else betas)
            check_batch_norm(parts, self.discriminator)
        for part in parts:
            part.attach(self.generator, self.discriminator)
        if not compile:  # on a GPU, Inductor stumbles over the strides of transposed convolutions
            lay_channels_last(self.generator, self.discriminator, self.ema, latent_dim)
        self.draws, self.fakes, self.readings = SharedDraws(), SharedFakes(), Readings()
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))

    @property
    def _parts(self) -> list[Stabilizer]:
        return list(self.stabilizers)  # type: ignore[arg-type]

    def setup(self, stage: str) -> None:
        """Refuse strategies and precisions under which the game fails, and compile the networks."""
        super().setup(stage)
        check_strategy(self.trainer.strategy)
        check_precision(self.trainer.precision, self.trainer.strategy.root_device)
        if self.compiles and stage == "fit":
            self.generator.compile()  # in place: the names of the parameters stay
            self.discriminator.compile()

    def configure_optimizers(self) -> tuple[list[torch.optim.Optimizer], list[Any]]:
        """The optimizers of G and D, in this order, with their schedules."""
        return self.players.configure(self.generator, self.discriminator, self._trainer)

    def on_train_start(self) -> None:
        """Apply changed options of optimizers to a resumed run."""
        if self._loaded_updates:
            self.players.apply_options(self.trainer, self.global_step)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the player's gradient: here it is complete, over micro-batches and processes, and unscaled."""
        self.players.both[optimizer is not self.trainer.optimizers[0]].clip(optimizer)

    def optimizers(self, use_pl_optimizer: bool = True) -> Any:
        """The optimizers of G and D. D's steps are not counted: ``global_step`` means updates of G."""
        return uncounted(super().optimizers(use_pl_optimizer))

    def sample_latent(self, n: int, generator: Generator | None = None, truncation: float | None = None) -> Tensor:
        """Latents of the prior, (n, latent_dim), as the stabilizers change them; see the parent."""
        latents = super().sample_latent(n, generator, truncation)
        for part in self._parts:
            latents = part.prior(latents, generator)
        return latents

    def judge(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """What D says of images (N, C, H, W) as the stabilizers let it see them, in at least 32 bits."""
        with full_precision(self.device) if self._parts else nullcontext():
            for part in self._parts:
                images = part.view(images, self.draws)
        verdict = self.discriminator(images, labels)
        logits, heads = verdict if isinstance(verdict, tuple) else (verdict, {})
        check_logits(logits, len(images))
        return Verdict(at_least_fp32(logits.flatten()), {name: at_least_fp32(head) for name, head in heads.items()})

    def discriminator_terms(self, move: Move) -> Terms:
        """The terms of D's loss by name; their sum is minimised, and each is logged as ``train/d_<name>``."""
        return {"adversarial": self.loss.discriminator(move.on_real.logits, move.on_fake.logits)}

    def generator_terms(self, move: Move) -> Terms:
        """The terms of G's loss by name; their sum is minimised, and each is logged as ``train/g_<name>``."""
        real_logits = move.on_real.logits if self.loss.needs_real else None
        return {"adversarial": self.loss.generator(move.on_fake.logits, real_logits)}

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Update D ``n_critic`` times, each time on fresh reals, then G once."""
        seed_default_generators(counted_seed(self.global_step, self.global_rank), self.device)  # for dropout, say
        images, labels = self.read(batch)
        with one_image_explained(), self.fakes:
            for number, micro_batches in enumerate(split_batch(images, labels, self.n_critic, self.accumulate)):
                if self.reuse_latents and number + 1 == self.n_critic and self.accumulate == 1:
                    self.fakes.keep(number, self.move("g", *micro_batches[0], number, 0, through_generator=True).fake)
                self._update("d", micro_batches, number)
            self._update("g", micro_batches, number if self.reuse_latents else self.n_critic)
        self.images_seen += len(micro_batches[0][0]) * self.accumulate * self.n_critic * self.trainer.world_size
        self.update_average()
        self.players.advance(self.trainer)

    def _update(self, player: Letter, micro_batches: MicroBatches, number: int) -> None:
        """Minimise the sum of a player's terms, with the other frozen; number gives the update its own draws."""
        optimizer: LightningOptimizer = self.optimizers()["gd".index(player)]
        network = self.generator if player == "g" else self.discriminator
        with ExitStack() as surroundings:
            for part in self._parts:
                surroundings.enter_context(part.around(player, self, micro_batches))
            # Cached, spectral norms cost one power iteration per update, not per forward pass.
            with self.toggled_optimizer(optimizer), cached_weights(network):
                optimizer.zero_grad()
                logits = [self._accumulate(player, *pair, number, k) for k, pair in enumerate(micro_batches)]
            if self.logs_this_step:
                self.readings.log(player, self)
            optimizer.step()
        self._finish_update(player, len(micro_batches[0][0]) * self.accumulate, *zip(*logits, strict=True))

    def _accumulate(self, player: Letter, real: Tensor, labels: Tensor, number: int, k: int) -> tuple[Tensor, ...]:
        """Add the gradients of micro-batch k; returns D's logits of the fakes and, in D's update, of the reals."""
        move = self.move(player, real, labels, number, k, through_generator=player == "g")
        own, added, lazy = self.terms(move)
        loss = total(own, added)
        with self.twice_differentiable() if added else nullcontext():
            # The cached weights are part of the graph of every micro-batch.
            self.manual_backward(loss / self.accumulate, retain_graph=k + 1 < self.accumulate)
        logs = self.logs_this_step  # lazy terms may not be due at a logging step
        self.readings.add(player, {"loss": loss, **own, **added} if logs else lazy, anew=k == 0)
        if player == "g":
            return (move.on_fake.logits.detach(),)
        if logs:
            self.readings.add("d", self.loss.readings(move.on_real.logits, move.on_fake.logits), anew=k == 0)
        return move.on_fake.logits.detach(), move.on_real.logits.detach()

    def _finish_update(
        self, player: Letter, images: int, fake: tuple[Tensor, ...], real: tuple[Tensor, ...] = ()
    ) -> None:
        """Let loss and stabilizers change their state."""
        network = self.generator if player == "g" else self.discriminator
        real_logits = torch.cat(real) if real else None
        mean = partial(self.trainer.strategy.reduce, reduce_op="mean")
        update = Update(player, network, images * self.trainer.world_size, real_logits, torch.cat(fake), mean)
        for part in (self.loss, *self._parts):
            part.after(update)

    def move(self, player: Letter, real: Tensor, labels: Tensor, number: int, k: int, through_generator: bool) -> Move:
        """What one player's loss sees of a micro-batch: fakes that are made here, and what D says of them and of reals.

        Args:
            player: Whose move it is.
            real: (N, C, H, W) in [-1, 1].
            labels: (N,) int64, of the reals.
            number: Distinguishes the update from others of the step.
            k: Number of the micro-batch.
            through_generator: Whether the fakes have G's graph.
        """
        ranks = {"rank": self.global_rank, "world_size": self.trainer.world_size}
        self.draws.begin(self.global_step, number, device=self.device, part=k, parts=self.accumulate, **ranks)
        latents = self.draws.share(len(real), self.sample_latent)
        fake = self.fakes.of(number, through_generator, lambda: self.generate(latents, labels))
        check_shapes(real, fake, type(self).__name__)
        is_generator = player == "g"
        return Move(
            player=player,
            network=self.generator if is_generator else self.discriminator,
            step=self.global_step,
            update=self.global_step if is_generator else self.global_step * self.n_critic + number,
            real=real,
            fake=fake,
            labels=labels,
            latents=latents,
            judge=self.judge,
            generate=self.generate,
            draws=self.draws,
        )

    def terms(self, move: Move) -> tuple[Terms, Terms, Terms]:
        """The terms of a player's loss by name: the game's own, those of stabilizers, and the lazy ones of these."""
        shares = is_full_precision(self.device) and not self.compiles
        slopes = {side for part in self._parts for side in part.slopes(move)} if shares else ()
        judged = move.look(move.player == "d" or self.loss.needs_real, slopes)
        for part in self._parts:
            judged = part.judged(judged)
        own = self.discriminator_terms(judged) if move.player == "d" else self.generator_terms(judged)
        added, lazy = Terms(), Terms()
        with self.twice_differentiable() if self._parts else nullcontext():
            for part in self._parts:
                for name, term in part.terms(move).items():
                    added[name] = added[name] + term if name in added else term
                    if part.every > 1:
                        lazy[name] = added[name]
        return own, added, lazy

    def twice_differentiable(self) -> AbstractContextManager[None]:
        """For terms that contain gradients: in full precision, since 16-bit ones are off by percents, and eager."""
        return full_precision(self.device, eager=self.compiles)
