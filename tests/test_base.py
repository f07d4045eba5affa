"""The game: who moves when, what is counted, and what a checkpoint keeps."""

import copy
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils.data import DataLoader, TensorDataset

from datamodules.pixels import normalize
from datamodules.sampler import CountedSampler
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.draws import SharedDraws, counted_seed
from gan_lightning.engine.metrics_file import MetricsFile
from gan_lightning.engine.optimizers import Adam
from gan_lightning.game import Move, Stabilizer, Terms
from gan_lightning.images import to_float
from gan_lightning.losses import NonSaturatingLoss
from gan_lightning.networks import ConditionalResNetGenerator, DCGANDiscriminator

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Watch(Callback):
    """Records G's and D's state before each optimizer step, and whether there are gradients."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, dict[str, Tensor], dict[str, Tensor], bool, bool]] = []

    def on_before_optimizer_step(self, trainer: Any, gan: Any, optimizer: Any) -> None:
        player = "g" if optimizer is trainer.optimizers[0] else "d"
        has = [
            any(p.grad is not None and p.grad.any() for p in n.parameters()) for n in (gan.generator, gan.discriminator)
        ]
        self.steps.append((player, state(gan.generator), state(gan.discriminator), *has))


@pytest.mark.parametrize("n_critic", [1, 3])
def test_d_moves_n_critic_times_then_g(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, n_critic: int) -> None:
    watch = Watch()
    trainer(max_steps=2, callbacks=[watch]).fit(tiny_gan("DCGAN", n_critic=n_critic), tiny_data)
    assert "".join(step[0] for step in watch.steps) == ("d" * n_critic + "g") * 2


def test_a_players_update_leaves_the_other_bit_equal(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    gan, watch = tiny_gan("GAN", n_critic=2), Watch()  # without batch norm in D, and G in training mode
    trainer(max_steps=3, callbacks=[watch]).fit(gan, tiny_data)
    watch.steps.append(("end", state(gan.generator), state(gan.discriminator), True, True))
    for before, after in zip(watch.steps, watch.steps[1:], strict=False):
        weights = [{k: v for k, v in s.items() if "running" not in k and "num_batches" not in k} for s in before[1:3]]
        later = [{k: after[i][k] for k in weights[i - 1]} for i in (1, 2)]
        g_moved, d_moved = not equal(weights[0], later[0]), not equal(weights[1], later[1])
        assert (g_moved, d_moved) == ((False, True) if before[0] == "d" else (True, False))


def test_the_opponent_gets_no_gradient_in_either_update(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = tiny_gan("DCGAN")
    players = gan.generator, gan.discriminator
    seen: list[list[bool]] = []

    def backward(loss: Tensor, **_: Any) -> None:
        gan.zero_grad()
        loss.backward()
        seen.append([any(p.grad is not None for p in player.parameters()) for player in players])

    monkeypatch.setattr(gan, "manual_backward", backward)
    trainer(max_steps=1).fit(gan, tiny_data)
    assert seen == [[False, True], [True, False]]
    assert all(p.requires_grad for player in players for p in player.parameters())  # and is thawed afterwards


@pytest.fixture
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("_double")
def test_a_step_equals_the_textbook_loop(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    gan = tiny_gan("GAN", dropout_prob=0.0, ema_decay=0.0)
    g, d = copy.deepcopy(gan.generator), copy.deepcopy(gan.discriminator)
    optimizer_g, optimizer_d = (torch.optim.Adam(player.parameters(), 2e-4, (0.5, 0.999)) for player in (g, d))
    ones, zeros = torch.ones(8), torch.zeros(8)
    seed_everything(3, verbose=False)
    trainer(max_steps=3, precision="64-true").fit(gan, tiny_data)
    for step in range(3):
        real, _ = normalize(tiny_data.dataset("train")[CountedSampler(64, 8, seed=3).batch(step)])
        latents = [
            torch.randn(8, 12, generator=torch.Generator().manual_seed(counted_seed(step, k, 0))) for k in (0, 1)
        ]
        fake = g(latents[0]).detach()
        optimizer_d.zero_grad()
        real_logits, fake_logits = d(real.double()).logits, d(fake).logits
        (bce(real_logits, ones) + bce(fake_logits, zeros)).backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        bce(d(g(latents[1])).logits, ones).backward()
        optimizer_g.step()
    for ours, theirs in ((gan.generator, g), (gan.discriminator, d)):
        for (name, tensor), expected in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-12, msg=name)


def test_every_update_of_d_has_reals_of_its_own(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = tiny_gan("DCGAN", n_critic=3)
    seen: list[Tensor] = []
    original = gan.discriminator_terms
    monkeypatch.setattr(gan, "discriminator_terms", lambda move: (seen.append(move.real), original(move))[1])
    trainer(max_steps=2).fit(gan, tiny_data)
    assert [len(real) for real in seen] == [8] * 6
    assert len(torch.cat(seen).flatten(1).unique(dim=0)) == 48
    assert int(gan.images_seen) == 48


@pytest.mark.parametrize("n_critic", [1, 5])
def test_everything_counts_updates_of_g(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, n_critic: int
) -> None:
    tiny_data.batch_size = 2
    gan = tiny_gan("DCGAN", n_critic=n_critic)
    checkpoints = ModelCheckpoint(tmp_path / "c", every_n_train_steps=2, save_top_k=-1, filename="{step}")
    fit = trainer(
        max_steps=6,
        logger=MetricsFile(str(tmp_path)),
        log_every_n_steps=3,
        callbacks=[checkpoints],
        enable_checkpointing=True,
        limit_val_batches=1,
        val_check_interval=3,
        check_val_every_n_epoch=None,
    )
    validated: list[int] = []
    gan.on_validation_start = lambda: validated.append(fit.global_step)  # type: ignore[method-assign]
    fit.fit(gan, tiny_data)
    assert fit.global_step == 6
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [f"step={k}.ckpt" for k in (2, 4, 6)]
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == [3, 6]
    assert validated == [3, 6]
    assert int(gan.images_seen) == 6 * 2 * n_critic


def test_fresh_latents_unless_they_are_reused(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    drawn = {}
    for reuse in (False, True):
        gan = tiny_gan("DCGAN", reuse_latents=reuse, accumulate=2)
        latents: list[Tensor] = []
        gan.generator.register_forward_pre_hook(lambda _, inputs, latents=latents: latents.append(inputs[0]))
        trainer(max_steps=1).fit(gan, tiny_data)
        drawn[reuse] = torch.equal(torch.cat(latents[:2]), torch.cat(latents[2:]))
    assert drawn == {False: False, True: True}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_fakes_that_two_updates_share_change_nothing(
    exact_gan: Build, trainer: BuildTrainer, tiny_data: Any, gan_name: str, precision: str
) -> None:
    runs = []
    for keeps in (True, False):
        gan = exact_gan(gan_name, reuse_latents=True)
        if list(gan.generator.buffers()):
            pytest.skip("each forward pass of this G changes its state, such as its spectral norms")
        if not keeps:
            gan.fakes.keep = lambda *_: None  # type: ignore[method-assign]
        seed_everything(5, verbose=False)
        trainer(max_steps=2, precision=precision).fit(gan, tiny_data)
        runs.append(state(gan))
        assert not gan.fakes._images.numel()
    assert equal(*runs)


@pytest.mark.parametrize(("options", "passes"), [({}, 1), ({"n_critic": 2}, 2), ({"accumulate": 2}, 4)])
def test_fakes_that_two_updates_share_are_made_once(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, options: dict[str, int], passes: int
) -> None:
    """So that running statistics of batch norm see them once."""
    gan = tiny_gan("DCGAN", reuse_latents=True, **options)
    trainer(max_steps=3).fit(gan, tiny_data)
    norms = [layer for layer in gan.generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {int(layer.num_batches_tracked) for layer in norms} == {3 * passes}


def test_fakes_of_a_step_that_failed_are_not_those_of_a_later_training(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    gan = tiny_gan("DCGAN", reuse_latents=True)
    step = gan._update

    def fails(player: str, *rest: Any) -> None:
        if player == "g":
            raise OSError("no")
        step(player, *rest)

    gan._update = fails  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no"):
        trainer(max_steps=1).fit(gan, tiny_data)
    assert not gan.fakes._images.numel()
    copy.deepcopy(gan)  # a tensor with a graph cannot be copied


def test_somebody_elses_batches_are_split(tiny_gan: Build, trainer: BuildTrainer) -> None:
    loader = DataLoader(TensorDataset(torch.zeros(14, 1, 8, 8), torch.zeros(14, dtype=torch.int64)), batch_size=7)
    gan = tiny_gan("DCGAN", n_critic=3)
    watch = Watch()
    trainer(max_steps=2, callbacks=[watch]).fit(gan, loader)
    assert "".join(step[0] for step in watch.steps) == "dddgdddg"


def test_pixels_train_as_the_floats_that_they_stand_for(tiny_gan: Build, trainer: BuildTrainer) -> None:
    pixels = torch.randint(256, (16, 1, 8, 8), dtype=torch.uint8)
    ends = []
    for images in (pixels, to_float(pixels)):
        gan = tiny_gan("DCGAN")
        loader = DataLoader(TensorDataset(images, torch.zeros(16, dtype=torch.int64)), batch_size=8)
        trainer(max_steps=2).fit(gan, loader)
        ends.append(state(gan))
    assert equal(*ends)


def test_a_batch_smaller_than_n_critic_is_refused(tiny_gan: Build, trainer: BuildTrainer) -> None:
    loader = DataLoader(TensorDataset(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64)), batch_size=2)
    with pytest.raises(ValueError, match="batch of 2 images cannot be split into n_critic=3"):
        trainer(max_steps=1).fit(tiny_gan("DCGAN", n_critic=3), loader)


def test_ema_is_the_ramped_average_of_weights_and_buffers(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    gan = tiny_gan("DCGAN", ema_decay=0.5)
    expected = {name: tensor.double() for name, tensor in gan.generator.state_dict().items()}

    class Average(Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            decay = min(0.5, (1 + trainer.global_step) / (10 + trainer.global_step))
            for name, tensor in module.generator.state_dict().items():
                whole = not tensor.is_floating_point()
                expected[name] = tensor.double() if whole else decay * expected[name] + (1 - decay) * tensor.double()

    trainer(max_steps=12, callbacks=[Average()]).fit(gan, tiny_data)
    assert gan.ema is not None
    for name, tensor in gan.ema.state_dict().items():
        torch.testing.assert_close(tensor.double(), expected[name], rtol=1e-5, atol=1e-6, msg=name)
    assert not any(p.requires_grad for p in gan.ema.parameters())


def test_wgan_keeps_its_critic_within_the_clip(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    gan = tiny_gan("WGAN", clip_value=0.005, lr=0.1)
    trainer(max_steps=2).fit(gan, tiny_data)
    assert max(float(p.detach().abs().max()) for p in gan.discriminator.parameters()) == pytest.approx(0.005)
    assert max(float(p.detach().abs().max()) for p in gan.generator.parameters()) > 0.01


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0.25]), ("cosine", [1, 0.853553, 0.5, 0.146447])],
)
def test_learning_rates_follow_the_schedule_by_updates_of_g(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, schedule: str, expected: list[float]
) -> None:
    rates: list[list[float]] = []

    class Rates(Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            rates.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers])

    own = Adam(lr_schedule=schedule), Adam(lr=0.2, lr_schedule=schedule)
    gan = tiny_gan("DCGAN", lr=0.1, generator_optimizer=own[0], discriminator_optimizer=own[1], n_critic=2)
    trainer(max_steps=4, callbacks=[Rates()]).fit(gan, tiny_data)
    assert rates == [pytest.approx([0.1 * factor, 0.2 * factor], abs=1e-6) for factor in expected]


def test_a_schedule_without_an_end_is_refused(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    with pytest.raises(ValueError, match="max_steps or max_epochs"):
        trainer().fit(tiny_gan("DCGAN", generator_optimizer=Adam(lr_schedule="linear")), tiny_data)


def test_each_player_has_its_own_learning_rate_and_betas(tiny_gan: Build) -> None:
    gan = tiny_gan("DCGAN", lr=1e-4, betas=(0.0, 0.9), discriminator_optimizer=Adam((0.1, 0.8), lr=4e-4))
    (g, d), _ = gan.configure_optimizers()
    assert (g.defaults["lr"], g.defaults["betas"]) == (1e-4, (0.0, 0.9))
    assert (d.defaults["lr"], d.defaults["betas"]) == (4e-4, (0.1, 0.8))


def test_logits_losses_and_penalties_are_in_32_bits_under_autocast(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    gan = tiny_gan("WGANGP", n_critic=1)
    network: list[torch.dtype] = []
    players: list[torch.dtype] = []
    hidden: list[torch.dtype] = []
    gan.discriminator.linear.register_forward_hook(lambda *args: network.append(args[2].dtype))  # type: ignore[union-attr]
    gan.discriminator.blocks.register_forward_hook(lambda *args: hidden.append(args[2].dtype))  # type: ignore[union-attr]
    original = gan.terms

    def spy(move: Move) -> tuple[Terms, ...]:
        terms = original(move)
        players.extend([move.fake.dtype, *(term.dtype for group in terms for term in group.values())])
        return terms

    gan.terms = spy  # type: ignore[method-assign]
    trainer(max_steps=1, precision="bf16-mixed").fit(gan, tiny_data)
    assert network == [torch.float32] * 4  # real, fake, penalty, G's update: the last layer is outside of autocast
    assert hidden == [torch.bfloat16, torch.bfloat16, torch.float32, torch.bfloat16]
    assert players == [torch.float32] * 5


@pytest.mark.parametrize(("prior", "low", "std"), [("normal", -10, 1.0), ("uniform", -1.0, 3**-0.5)])
def test_latents_come_from_the_prior(tiny_gan: Build, prior: str, low: float, std: float) -> None:
    latents = tiny_gan("DCGAN", prior=prior).sample_latent(20_000)
    assert latents.shape == (20_000, 12)
    assert float(latents.std()) == pytest.approx(std, abs=0.01)
    assert float(latents.min()) >= low


def test_sampling_leaves_random_state_and_modes_alone(tiny_gan: Build) -> None:
    gan = tiny_gan("DCGAN").train()
    before = torch.get_rng_state()
    first = gan.sample(5, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert gan.generator.training
    assert torch.equal(first, gan.sample(5, seed=1))
    assert not torch.equal(first, gan.sample(5, seed=2))


def test_sampling_without_a_seed_follows_torchs(tiny_gan: Build) -> None:
    gan = tiny_gan("DCGAN")
    torch.manual_seed(1)
    first = gan.sample(2)
    assert not torch.equal(first, gan.sample(2))
    torch.manual_seed(1)
    assert torch.equal(first, gan.sample(2))


def test_samples_come_from_the_average_where_there_is_one(tiny_gan: Build) -> None:
    averaged, raw = tiny_gan("DCGAN"), tiny_gan("DCGAN", ema_decay=0.0)
    for gan in (averaged, raw):
        for parameter in gan.generator.parameters():
            parameter.data.zero_()
    assert averaged.sample(2).abs().sum() > 0
    assert raw.ema is None
    assert raw.sample(2).abs().sum() == 0


def test_samples_lie_as_pictures_usually_do(tiny_gan: Build) -> None:
    gan = tiny_gan("DCGAN", image_shape=(3, 16, 16))
    assert gan.sample(4).is_contiguous()
    assert gan(torch.zeros(4, gan.latent_dim)).is_contiguous()


class Asking(Stabilizer):
    """Asks each network without gradients, before it is used with them."""

    def attach(self, generator: nn.Module, discriminator: nn.Module) -> None:
        self.networks = (generator, discriminator)

    def view(self, images: Tensor, draws: SharedDraws) -> Tensor:
        with torch.no_grad():
            self.networks[1](images)
        return images

    def generator_terms(self, move: Move) -> Terms:
        with torch.no_grad():
            target = move.generate(move.latents, move.labels)
        return {"consistency": (move.generate(move.latents + 0.1, move.labels) - target).square().mean()}


class NoLoss(NonSaturatingLoss):
    """G learns from the stabilizer alone."""

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return 0 * super().generator(fake, real)


@pytest.mark.parametrize("reuse_latents", [False, True])
def test_normalized_weights_learn_although_they_are_first_used_without_gradients(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, reuse_latents: bool
) -> None:
    gan = tiny_gan("SAGAN", reuse_latents=reuse_latents, stabilizers=[Asking()], loss=NoLoss())
    weights = {name: weight for name, weight in gan.named_parameters() if weight.requires_grad and "original" in name}
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    trainer(max_steps=2).fit(gan, tiny_data)  # in the first, attention is behind a gamma of 0
    assert before
    assert not [name for name, weight in weights.items() if torch.equal(weight, before[name])]


@pytest.mark.parametrize(("part", "term"), [("GradientPenalty", "gradient_penalty"), ("R1", "r1"), ("R2", "r2")])
def test_penalties_join_any_gan_whose_d_has_no_batch_norm(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, part: str, term: str
) -> None:
    parts = [{"class_path": part, "init_args": {"weight": 2.0}}]
    fit = trainer(max_steps=1, log_every_n_steps=1)
    fit.fit(tiny_gan("GAN", stabilizers=parts), tiny_data)
    logged = {key: float(value) for key, value in fit.callback_metrics.items()}
    assert logged["train/d_loss"] == pytest.approx(logged["train/d_adversarial"] + logged[f"train/d_{term}"])
    assert logged[f"train/d_{term}"] > 0
    with pytest.raises(ValueError, match=f"DCGAN: {part} penalises .* batch norm mixes"):
        tiny_gan("DCGAN", image_shape=(1, 16, 16), stabilizers=parts)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 4], "integers from 0 to 3"),
        ([-1, 0], "integers from 0 to 3"),
        ([0.0, 1.0], "integers from 0 to 3"),
        ([1], "a label for each latent, got 1 for 2"),
    ],
)
def test_labels_that_are_no_classes_are_named(tiny_gan: Build, labels: list[float], message: str) -> None:
    gan = tiny_gan("CGAN")
    with pytest.raises(ValueError, match=message):
        gan(torch.zeros(2, gan.latent_dim), torch.tensor(labels))


def test_a_gan_is_conditional_if_its_generator_knows_classes() -> None:
    generator = ConditionalResNetGenerator((1, 8, 8), 4, latent_dim=6, width=4, max_width=8)
    gan = AdversarialModule(generator, DCGANDiscriminator((1, 8, 8), 4), NonSaturatingLoss(), latent_dim=6)
    assert gan.num_classes == 4
    assert gan.sample(2, labels=[0, 3]).shape == (2, 1, 8, 8)
    with pytest.raises(ValueError, match="from 0 to 3"):
        gan.sample(1, labels=[4])
