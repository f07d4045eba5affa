"""How the two players are optimised: learning rates, clipping, accumulation, 16 bits, compiled networks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.optim import Optimizer

from gan_lightning import stabilizers
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.optimizers import Adam
from gan_lightning.game import Move, Terms
from gan_lightning.parts import describe

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]


INDEPENDENT = sorted(set(stabilizers.__all__) - {"FeatureMatching", "MinibatchDiscrimination", "MinibatchStdDev"})


class Rates(Callback):
    """Records the learning rates of each step, of G and of D."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        self.seen.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers])


class Norms(Callback):
    """Records the norm of the gradient of each step, as the optimizer gets it: "g" or "d" and a number."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float]] = []

    def on_train_start(self, trainer: Any, gan: Any) -> None:
        for name, optimizer in zip("gd", trainer.optimizers, strict=True):
            optimizer.register_step_post_hook(lambda optimizer, *_, name=name: self.note(name, optimizer))

    def note(self, name: str, optimizer: Optimizer) -> None:
        gradients = [p.grad for p in optimizer.param_groups[0]["params"]]
        self.seen.append((name, float(torch.nn.utils.get_total_norm(gradients))))


def weights(gan: AdversarialModule) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in gan.named_parameters()}


def trained(gan: AdversarialModule, fit: Trainer, data: Any) -> dict[str, Tensor]:
    seed_everything(3, verbose=False)
    fit.fit(gan, data)
    return weights(gan)


def test_rates_warm_up_and_each_player_has_a_schedule_of_its_own(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    numbers = {"lr": 0.1, "n_critic": 2, "generator_optimizer": Adam(lr_schedule="linear", warmup_steps=2)}
    gan = tiny_gan("DCGAN", discriminator_optimizer=describe(Adam, lr=0.4, warmup_steps=2), **numbers)
    rates = Rates()
    trainer(max_steps=4, callbacks=[rates]).fit(gan, tiny_data)
    factors = [(0.5, 0.5), (0.75, 1.0), (0.5, 1.0), (0.25, 1.0)]
    assert rates.seen == [pytest.approx([0.1 * g, 0.4 * d]) for g, d in factors]


def test_warm_up_alone_needs_no_end(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    gan, rates = tiny_gan("DCGAN", lr=0.1, generator_optimizer=Adam(warmup_steps=4)), Rates()
    trainer(max_epochs=-1, max_steps=6, callbacks=[rates]).fit(gan, tiny_data)
    assert [g for g, _ in rates.seen] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])
    with pytest.raises(ValueError, match="warmup_steps must be an integer, at least 0, got -1"):
        Adam(warmup_steps=-1)


def test_each_player_is_clipped_to_a_norm_of_its_own(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    seen = {}
    for name, clips in {
        "free": {},
        "clipped": {"generator_optimizer": Adam(clip_norm=1e-3), "discriminator_optimizer": Adam(clip_norm=1e-2)},
    }.items():
        norms = Norms()
        trainer(max_steps=2, callbacks=[norms]).fit(tiny_gan("DCGAN", n_critic=2, **clips), tiny_data)
        seen[name] = norms.seen
    assert [player for player, _ in seen["free"]] == list("ddg") * 2
    assert all(norm > 2e-3 for _, norm in seen["free"])
    assert seen["clipped"] == [(player, pytest.approx({"g": 1e-3, "d": 1e-2}[player], rel=0.02)) for player in "ddgddg"]
    with pytest.raises(ValueError, match="clip_norm must be a finite number above 0, got 0"):
        Adam(clip_norm=0)


@pytest.mark.quick("SNGAN", "WGANGP", "ProGAN")
def test_micro_batches_add_up_to_the_whole_batch(
    exact_gan: Build, trainer: BuildTrainer, tiny_data: Any, gan_name: str
) -> None:
    def run(accumulate: int) -> dict[str, Tensor]:
        gan = exact_gan(gan_name, n_critic=2, accumulate=accumulate).double()
        return trained(gan, trainer(max_steps=6, precision="64-true"), tiny_data)

    whole = run(1)
    for accumulate in (2, 8):
        torch.testing.assert_close(run(accumulate), whole, rtol=0, atol=1e-12)


@pytest.mark.quick("GradientPenalty", "ADA", "Unrolled", "MutualInformation", "PathLength")
@pytest.mark.parametrize("name", INDEPENDENT)
def test_micro_batches_add_up_with_every_stabilizer_that_looks_at_images_alone(
    exact_gan: Build, trainer: BuildTrainer, tiny_data: Any, name: str
) -> None:
    def run(accumulate: int) -> dict[str, Tensor]:
        gan = exact_gan("GAN", stabilizers=[{"class_path": name}], n_critic=2, accumulate=accumulate).double()
        trained(gan, trainer(max_steps=5, precision="64-true"), tiny_data)
        return gan.state_dict()

    torch.testing.assert_close(run(4), run(1), rtol=0, atol=1e-12)


def test_logged_values_are_those_of_the_whole_batch(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    logged = []
    for accumulate in (1, 4):
        fit = trainer(max_steps=1, log_every_n_steps=1)
        trained(tiny_gan("WGANGP", norm="none", accumulate=accumulate), fit, tiny_data)
        logged.append({name: float(value) for name, value in fit.callback_metrics.items()})
    assert {"train/d_loss", "train/g_loss", "train/d_wasserstein", "train/d_gradient_penalty"} <= logged[0].keys()
    assert logged[1] == pytest.approx(logged[0], rel=1e-5)


def test_a_batch_smaller_than_its_micro_batches_is_refused(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    with pytest.raises(ValueError, match=r"batch of 16 images .* n_critic=2 updates of D of accumulate=9"):
        trainer(max_steps=1).fit(tiny_gan("DCGAN", n_critic=2, accumulate=9), tiny_data)


def scaled(trainer: BuildTrainer, scaler: torch.amp.GradScaler, **options: Any) -> Trainer:
    """A trainer of float16 with loss scaling; on the CPU Lightning itself would take bfloat16."""
    return trainer(plugins=MixedPrecision("16-mixed", "cpu", scaler), **options)


def test_loss_scaling_changes_no_gradient_and_clips_the_unscaled_one(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any
) -> None:
    seen = []
    for scale in (1.0, 1024.0):
        norms = Norms()
        gan = tiny_gan("DCGAN", discriminator_optimizer=Adam(clip_norm=1e-2))
        trained(gan, scaled(trainer, torch.amp.GradScaler("cpu", scale), max_steps=2, callbacks=[norms]), tiny_data)
        seen.append(norms.seen)
    assert [player for player, _ in seen[0]] == list("dgdg")
    assert seen[0] == [(player, pytest.approx(norm, rel=0.05)) for player, norm in seen[1]]
    assert [norm for player, norm in seen[1] if player == "d"] == pytest.approx([1e-2] * 2, rel=1e-3)


@pytest.mark.parametrize(("culprit", "steps"), [("discriminator", "gdg"), ("generator", "ddg")])
def test_a_player_whose_gradients_overflow_alone_skips_its_step(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, culprit: str, steps: str
) -> None:
    gan, norms, scaler = tiny_gan("DCGAN"), Norms(), torch.amp.GradScaler("cpu", 8.0)
    original = getattr(gan, f"{culprit}_terms")

    def overflow(move: Move) -> Terms:
        return {"adversarial": original(move)["adversarial"] * (float("inf") if gan.global_step == 0 else 1)}

    setattr(gan, f"{culprit}_terms", overflow)
    fit = scaled(trainer, scaler, max_steps=2, callbacks=[norms])
    after = trained(gan, fit, tiny_data)
    assert "".join(player for player, _ in norms.seen) == steps
    assert scaler.get_scale() == 4.0
    assert all(value.isfinite().all() for value in after.values())
    assert fit.global_step == 2


@pytest.mark.parametrize("name", ["SNGAN", "WGANGP"])
@pytest.mark.slow
def test_compiled_networks_train_as_eager_ones_and_save_the_same_names(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    compiled: list[nn.Module] = []

    def aot_eager(network: nn.Module) -> None:
        compiled.append(network)
        network._compiled_call_impl = torch.compile(network._call_impl, backend="aot_eager")

    monkeypatch.setattr(nn.Module, "compile", aot_eager)  # inductor needs minutes on a CPU; the tracing is the same
    results = []
    smooth = Adam(eps=1e-3)  # steps of parameters without a gradient are not made of rounding errors
    for compile_them in (False, True):
        gan = tiny_gan(
            name, compile=compile_them, n_critic=1, generator_optimizer=smooth, discriminator_optimizer=smooth
        )
        results.append(trained(gan, trainer(max_steps=3), tiny_data))
        keys = gan.state_dict().keys()
    assert compiled == [gan.generator, gan.discriminator]
    assert results[0].keys() == results[1].keys()
    assert not any("_orig_mod" in key for key in keys)
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-6)
