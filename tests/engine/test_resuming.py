"""What a resumed run may change, what it may not, and what is said of either."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.checkpointed import start_from
from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.engine.optimizers import SGD, Adam, AdamW
from gan_lightning.losses import HingeLoss, LeastSquaresLoss, NonSaturatingLoss
from gan_lightning.stabilizers import R1, Drift

BuildGAN = Callable[..., AdversarialModule]


@pytest.fixture
def go_on(tiny_gan: BuildGAN, trainer: Callable[..., Trainer], tiny_data: Any, tmp_path: Path) -> Any:
    """Trains a GAN for two updates, and goes on with others of its options for two more."""

    def run(
        before: dict[str, Any], after: dict[str, Any], name: str = "LSGAN", steps: int = 4
    ) -> tuple[AdversarialModule, Trainer]:
        first = trainer(max_steps=2)
        first.fit(tiny_gan(name, norm="none", **before), tiny_data)
        first.save_checkpoint(tmp_path / "first.ckpt")
        gan, second = tiny_gan(name, norm="none", **after), trainer(max_steps=steps)
        second.fit(gan, tiny_data, ckpt_path=tmp_path / "first.ckpt")
        second.save_checkpoint(tmp_path / "second.ckpt")
        return gan, second

    return run


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({"lr": 1e-3}, {"lr": 5e-4}, r"lr 0.001 -> 0.0005\."),
        ({}, {"betas": (0.0, 0.9)}, r"betas \[0.5, 0.999\] -> \[0.0, 0.9\]"),
        ({}, {"generator_optimizer": Adam(lr=3e-4)}, r"generator_optimizer.lr None -> 0.0003\."),
        ({}, {"discriminator_optimizer": Adam(clip_norm=1.0)}, r"discriminator_optimizer.clip_norm None -> 1.0\."),
        ({}, {"loss": LeastSquaresLoss(real_target=0.9)}, r"loss.real_target 1.0 -> 0.9\."),
        ({"stabilizers": [R1(1.0)]}, {"stabilizers": [R1(2.0)]}, r"stabilizers\[0\].weight 1.0 -> 2.0\."),
        ({}, {"ema_decay": 0.9}, r"ema_decay 0.999 -> 0.9\."),
        ({}, {"accumulate": 2}, r"accumulate 1 -> 2\."),
        ({"lr": 1e-3}, {"lr": 5e-4, "ema_decay": 0.9}, r"lr 0.001 -> 0.0005, ema_decay 0.999 -> 0.9\."),
    ],
)
def test_what_changes_neither_networks_nor_images_applies_and_is_told(
    go_on: Any, before: Any, after: Any, message: str, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match=f"Resumed with changed options: {message}"):
        gan, _ = go_on(before, after)
    assert gan.global_step == 4
    (argument, *_) = after
    assert read_checkpoint(tmp_path / "second.ckpt")["hyper_parameters"][argument] == gan.hparams[argument]


def options(trainer: Trainer, name: str) -> list[Any]:
    return [optimizer.param_groups[0][name] for optimizer in trainer.optimizers]


@pytest.mark.filterwarnings("ignore:Resumed with changed options")
def test_optimizers_take_the_new_options(go_on: Any) -> None:
    _, trainer = go_on({"lr": 1e-3}, {"lr": 5e-4, "betas": (0.0, 0.9)})
    assert options(trainer, "lr") == [5e-4, 5e-4]
    assert options(trainer, "betas") == [(0.0, 0.9), (0.0, 0.9)]
    assert all(state["step"] == 4 for state in trainer.optimizers[0].state.values())  # and remember


@pytest.mark.filterwarnings("ignore:Resumed with changed options")
@pytest.mark.parametrize("before", ["constant", "linear", "cosine"])
def test_a_new_schedule_or_budget_counts_from_the_first_update(go_on: Any, before: str) -> None:
    old, new = ({"generator_optimizer": Adam(lr_schedule=kind)} for kind in (before, "linear"))
    _, trainer = go_on({"lr": 1e-3, **old}, {"lr": 1e-3, **new}, steps=8)
    assert options(trainer, "lr")[0] == pytest.approx(0, abs=1e-12)
    _, trainer = go_on({"lr": 1e-3, **old}, {"lr": 2e-3, **new}, steps=3)
    assert options(trainer, "lr") == pytest.approx([0, 2e-3], abs=1e-12)


@pytest.mark.filterwarnings("ignore:Resumed with changed options")
def test_the_first_update_after_the_change_has_the_new_learning_rate(go_on: Any, monkeypatch: Any) -> None:
    seen = []
    step = torch.optim.Adam.step

    def watched(self: Any, closure: Any) -> Any:
        seen.append(self.param_groups[0]["lr"])
        return step(self, closure)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    optimizer = {f"{player}_optimizer": Adam(lr_schedule="linear") for player in ("generator", "discriminator")}
    go_on({"lr": 1.0e-3, **optimizer}, {"lr": 4e-3, **optimizer})
    assert seen[4:] == pytest.approx([2e-3, 2e-3, 1e-3, 1e-3])  # 4e-3 (1 - step / 4), D and G


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({}, {"width": 6}, "width 4 -> 6"),
        ({}, {"latent_dim": 7}, "latent_dim 12 -> 7"),
        ({}, {"n_critic": 2}, "n_critic 1 -> 2"),
        ({}, {"prior": "uniform"}, "prior normal -> uniform"),
        ({}, {"loss": HingeLoss()}, "loss LeastSquaresLoss -> HingeLoss"),
        ({}, {"ema_decay": 0.0}, r"ema_decay 0.999 -> 0\.0"),
        ({}, {"stabilizers": [R1()]}, r"stabilizers\[0\] None -> R1"),
        ({"stabilizers": [R1(), Drift()]}, {"stabilizers": [R1()]}, r"stabilizers\[1\] Drift -> None"),
        ({"stabilizers": [R1()]}, {"stabilizers": [Drift()]}, r"stabilizers\[0\] R1 -> Drift"),
        ({}, {"generator_optimizer": AdamW()}, "generator_optimizer Adam -> AdamW"),
        ({}, {"discriminator_optimizer": Adam(amsgrad=True)}, "discriminator_optimizer.amsgrad False -> True"),
        (
            {"generator_optimizer": SGD()},
            {"generator_optimizer": SGD(0.9)},
            r"generator_optimizer.momentum 0\.0 -> 0\.9",
        ),
    ],
)
def test_what_changes_networks_or_images_is_refused_by_name(go_on: Any, before: Any, after: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"A resumed LSGAN cannot change .*: {message}.*--init_from"):
        go_on(before, after)


@pytest.mark.filterwarnings("error:Resumed with changed options")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"betas": (0.5, 0.999)}, {"betas": [0.5, 0.999]}),
        ({}, {"lr": 2e-4, "generator_optimizer": Adam(), "ema_decay": 0.999}),
        ({"stabilizers": [{"class_path": "R1"}]}, {"stabilizers": [R1()]}),
        ({"stabilizers": []}, {"stabilizers": None}),
        ({"loss": {"class_path": "gan_lightning.losses.adversarial.HingeLoss"}}, {"loss": HingeLoss()}),
    ],
)
def test_the_same_in_other_words_is_no_change(go_on: Any, before: Any, after: Any) -> None:
    gan, _ = go_on(before, after)
    assert gan.global_step == 4


def test_gans_name_their_own_options_that_may_change(go_on: Any) -> None:
    with pytest.warns(UserWarning, match=r"gradient_penalty_weight 10.0 -> 1.0\."):
        go_on({"gradient_penalty_weight": 10.0}, {"gradient_penalty_weight": 1.0}, name="WGANGP")


def test_weights_alone_are_not_resumed(tiny_gan: BuildGAN, trainer: Any, tiny_data: Any, tmp_path: Path) -> None:
    first = trainer(max_steps=1)
    first.fit(tiny_gan("GAN"), tiny_data)
    first.save_checkpoint(tmp_path / "weights.ckpt", weights_only=True)
    with pytest.raises(ValueError, match=r"holds no optimizers, .* --init_from"):
        trainer(max_steps=2).fit(tiny_gan("GAN"), tiny_data, ckpt_path=tmp_path / "weights.ckpt")
    assert gan_lightning.load(tmp_path / "weights.ckpt").updates == 1


@pytest.fixture
def saved(tiny_gan: BuildGAN, trainer: Any, tiny_data: Any, tmp_path: Path) -> tuple[AdversarialModule, Path]:
    gan, fit = tiny_gan("LSGAN", stabilizers=[R1()], norm="none"), trainer(max_steps=2)
    fit.fit(gan, tiny_data)
    fit.save_checkpoint(tmp_path / "gan.ckpt")
    return gan, tmp_path / "gan.ckpt"


def test_a_new_run_starts_from_anothers_weights(saved: Any, tiny_gan: BuildGAN, identical: Any) -> None:
    old, path = saved
    new = tiny_gan("DCGAN", norm="none", loss=NonSaturatingLoss(), lr=1e-3)
    report = start_from(new, str(path))
    count = len(old.state_dict()) - 1
    assert report == f"Started from {path}: {count} of {count} tensors of LSGAN fit."
    assert identical(new.generator.state_dict(), old.generator.state_dict())
    assert identical(new.ema.state_dict(), old.ema.state_dict())
    assert new.images_seen == 0
    assert new.updates == 0


def test_what_does_not_fit_is_reported(saved: Any, tiny_gan: BuildGAN) -> None:
    old, path = saved
    report = start_from(tiny_gan("LSGAN", norm="none", latent_dim=9), str(path))
    count = len(old.state_dict()) - 1
    assert f"{count - 2} of {count} tensors" in report  # G's first layer, and its average's
    assert report.count("(12, ") == report.count("not (9, ") == 2


def test_a_checkpoint_of_which_nothing_fits_is_refused(saved: Any, tiny_gan: BuildGAN) -> None:
    with pytest.raises(ValueError, match=r"Nothing in .* of LSGAN, fits GAN"):
        start_from(tiny_gan("GAN"), str(saved[1]))
