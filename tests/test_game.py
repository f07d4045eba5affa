"""The hooks of stabilizers: when each is called, with what, and what it changes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from gan_lightning import stabilizers
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.draws import SharedDraws
from gan_lightning.game import Letter, MicroBatches, Move, Stabilizer, Terms, Update, Verdict
from gan_lightning.losses import AdversarialLoss, HingeLoss, RelativisticLoss

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]


class Diary(Stabilizer):
    """Writes down each call of a hook."""

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name
        self.pages: list[str] = []
        self.moves: list[Move] = []
        self.updates: list[Update] = []

    def note(self, hook: str) -> None:
        self.pages.append(self.name + hook)

    def wrap(self, discriminator: nn.Module) -> nn.Module:
        self.note("wrap")
        return discriminator

    def attach(self, generator: nn.Module, discriminator: nn.Module) -> None:
        self.note("attach")

    def prior(self, latents: Tensor, generator: torch.Generator | None) -> Tensor:
        self.note("prior")
        return latents

    def view(self, images: Tensor, draws: SharedDraws) -> Tensor:
        self.note("view")
        return images

    def judged(self, move: Move) -> Move:
        self.note("judged")
        self.moves.append(move)
        return move

    def discriminator_terms(self, move: Move) -> Terms:
        self.note("d")
        return {}

    def generator_terms(self, move: Move) -> Terms:
        self.note("g")
        return {}

    @contextmanager
    def around(self, player: Letter, gan: Any, batches: MicroBatches) -> Iterator[None]:
        self.note(f"[{player}{len(batches)}")
        yield
        self.note("]")

    def after(self, update: Update) -> None:
        self.note(f"after_{update.player}")
        self.updates.append(update)


def test_hooks_are_called_in_order_and_state_moves_once_an_update(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    diary = Diary()
    gan = tiny_gan("GAN", stabilizers=[diary], n_critic=2, accumulate=2)
    trainer(max_steps=1).fit(gan, tiny_data)
    in_d, in_g = ["prior", "view", "view", "judged", "d"], ["prior", "view", "judged", "g"]
    update_d, update_g = ["[d2", *in_d * 2, "]", "after_d"], ["[g2", *in_g * 2, "]", "after_g"]
    assert diary.pages == ["wrap", "attach", *update_d * 2, *update_g]


def test_stabilizers_take_turns_in_the_order_of_the_list(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    one, other = Diary("1"), Diary("2")
    other.pages = one.pages
    trainer(max_steps=1).fit(tiny_gan("GAN", stabilizers=[one, other]), tiny_data)
    assert one.pages[:6] == ["1wrap", "2wrap", "1attach", "2attach", "1[d1", "2[d1"]
    assert one.pages[6:8] == ["1prior", "2prior"]
    assert one.pages[8:16] == ["1view", "2view", "1view", "2view", "1judged", "2judged", "1d", "2d"]


def test_a_move_tells_all_there_is_to_know(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    diary = Diary()
    gan = tiny_gan("CGAN", stabilizers=[diary], n_critic=3, accumulate=2)
    trainer(max_steps=2).fit(gan, tiny_data)
    assert [move.player for move in diary.moves] == list("ddddddgg") * 2
    assert [move.step for move in diary.moves] == [0] * 8 + [1] * 8
    assert [move.update for move in diary.moves] == [0, 0, 1, 1, 2, 2, 0, 0, 3, 3, 4, 4, 5, 5, 1, 1]
    for move in diary.moves:
        assert move.network is (gan.discriminator if move.player == "d" else gan.generator)
        assert (move.real.shape, move.fake.shape) == ((4, 1, 8, 8),) * 2
        assert (move.labels.shape, move.latents.shape) == ((4,), (4, 12))
        assert move.fake.requires_grad == (move.player == "g")
        assert move.on_fake.logits.shape == (4,)
        assert move.on_fake.heads["features"].shape == (4, 256)
    assert [(u.player, u.images, u.fake_logits.shape[0]) for u in diary.updates[:4]] == [
        *[("d", 8, 8)] * 3,
        ("g", 8, 8),
    ]
    assert [None if u.real_logits is None else len(u.real_logits) for u in diary.updates[:4]] == [8, 8, 8, None]


@pytest.mark.parametrize(("loss", "reals"), [(HingeLoss(), 0), (RelativisticLoss(), 1)])
def test_reals_are_judged_in_gs_move_only_if_asked_for_and_then_once(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, loss: AdversarialLoss, reals: int
) -> None:
    class Curious(Diary):
        def generator_terms(self, move: Move) -> Terms:
            return {"curious": move.on_real.logits.sum() * 0} if reals else {}

    diary = Curious()
    trainer(max_steps=1).fit(tiny_gan("GAN", loss=loss, stabilizers=[diary]), tiny_data)
    start = diary.pages.index("[g1")
    assert diary.pages[start:].count("view") == 1 + reals


class Brighter(Stabilizer):
    def view(self, images: Tensor, draws: SharedDraws) -> Tensor:
        return images + 0.5


class Seen(nn.Module):
    """A discriminator that keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        self.seen.append(images.detach())
        return self.weight * images.flatten(1).sum(1)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])  # R1 shares D's pass, or has its own
def test_d_sees_views_everywhere_also_in_penalties(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, precision: str
) -> None:
    gan = tiny_gan("GAN", stabilizers=[Brighter(), {"class_path": "R1"}])
    gan.discriminator = Seen()
    moves: list[Move] = []
    original = gan.terms
    gan.terms = lambda move: (moves.append(move), original(move))[1]  # type: ignore[method-assign]
    trainer(max_steps=1, precision=precision).fit(gan, tiny_data)
    own = [moves[0].real] if precision == "bf16-mixed" else []
    expected = [moves[0].real, moves[0].fake, *own, moves[1].fake]
    for seen, images in zip(gan.discriminator.seen, expected, strict=True):
        torch.testing.assert_close(seen, images.detach() + 0.5)


class Swap(Stabilizer):
    def judged(self, move: Move) -> Move:
        if move.player == "g":
            return move
        return move.heard(move.on_fake.logits, move.on_real.logits)

    def discriminator_terms(self, move: Move) -> Terms:
        return {"gap": 0 * move.on_real.logits.sum() + (move.on_real.logits - move.on_fake.logits).mean().detach()}


def test_only_the_loss_hears_what_was_changed(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    fit = trainer(max_steps=1, log_every_n_steps=1)
    fit.fit(tiny_gan("WGANGP", norm="none", n_critic=1, stabilizers=[Swap()]), tiny_data)
    logged = {key: float(value) for key, value in fit.callback_metrics.items()}
    assert logged["train/d_adversarial"] == pytest.approx(logged["train/d_wasserstein"], rel=1e-4)  # and not minus it
    assert logged["train/d_gap"] == pytest.approx(logged["train/d_wasserstein"], rel=1e-4)


class Constant(Stabilizer):
    def __init__(self, value: float = 1.0, every: int = 1) -> None:
        super().__init__()
        self.value = value
        self.every = every

    def generator_terms(self, move: Move) -> Terms:
        return {"constant": torch.tensor(self.value)}


def test_terms_of_one_name_add_up_and_lazy_ones_weigh_more(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    rows: list[dict[str, float]] = []
    parts = [Constant(1.0), Constant(10.0, every=3)]
    gan = tiny_gan("GAN", stabilizers=parts)
    log = gan.log_dict
    gan.log_dict = lambda values, **kw: (rows.append({k: float(v) for k, v in values.items()}), log(values, **kw))  # type: ignore[method-assign, assignment]
    trainer(max_steps=4, log_every_n_steps=1).fit(gan, tiny_data)
    found = [row["train/g_constant"] for row in rows if "train/g_loss" in row]
    assert found == [31.0, 1.0, 1.0, 31.0]
    for row in rows[1::2]:
        assert row["train/g_loss"] == pytest.approx(row["train/g_adversarial"] + row["train/g_constant"])


def test_a_verdict_may_be_logits_alone() -> None:
    logits, heads = Verdict(torch.zeros(2))
    assert logits.shape == (2,)
    assert heads == {}


@pytest.mark.parametrize("name", stabilizers.__all__)
@pytest.mark.parametrize("precision", ["bf16-mixed"])
def test_every_stabilizer_trains_in_mixed_precision(
    exact_gan: Build, trainer: BuildTrainer, tiny_data: Any, name: str, precision: str
) -> None:
    gan = exact_gan("SNGAN", stabilizers=[{"class_path": name}])
    before = {key: value.clone() for key, value in gan.state_dict().items()}
    fit = trainer(max_steps=2, precision=precision, log_every_n_steps=1)
    fit.fit(gan, tiny_data)
    assert all(value.isfinite().all() for value in gan.state_dict().values())
    assert all(value.dtype == torch.float32 for key, value in fit.callback_metrics.items() if "loss" in key)
    moved = [key for key, value in gan.named_parameters() if not torch.equal(value, before[key])]
    assert {key.split(".")[0] for key in moved} >= {"generator", "discriminator", "ema"}


class Doubled(Stabilizer):
    """Doubles latents, and draws one number more."""

    def prior(self, latents: Tensor, generator: torch.Generator | None) -> Tensor:
        return 2 * latents + torch.rand(1, generator=generator, device=latents.device)


def test_latents_are_those_that_stabilizers_make_of_the_priors(tiny_gan: Build) -> None:
    gan, plain = tiny_gan("GAN", stabilizers=[Doubled(), Doubled()]), tiny_gan("GAN")
    drawn = gan.sample_latent(3, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    expected = plain.sample_latent(3, generator)
    for _ in range(2):
        expected = 2 * expected + torch.rand(1, generator=generator)
    torch.testing.assert_close(drawn, expected)
    assert gan.sample(2, seed=1).equal(gan.sample(2, seed=1))
