"""A run that is stopped and resumed equals one that never stopped, bit by bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything

import gan_lightning
from gan_lightning import stabilizers
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.optimizers import Adam
from gan_lightning.engine.strategies import GANDDPStrategy

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]


class Losses(Callback):
    """Records what is logged, by step."""

    def __init__(self) -> None:
        self.seen: dict[int, dict[str, float]] = {}

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.seen[trainer.global_step] = {key: float(value) for key, value in trainer.callback_metrics.items()}


def numbers(state: dict[str, Any]) -> dict[str, Any]:
    """An optimizer's state without the name of its player."""
    return {
        **state,
        "param_groups": [{k: v for k, v in group.items() if k != "name"} for group in state["param_groups"]],
    }


def final_state(trainer: Trainer, gan: AdversarialModule) -> dict[str, Any]:
    optimizers = [numbers(optimizer.state_dict()) for optimizer in trainer.optimizers]
    return {
        "module": gan.state_dict(),
        "optimizers": optimizers,
        "schedules": [c.scheduler.state_dict() for c in trainer.lr_scheduler_configs],
    }


def run(build: Any, trainer: BuildTrainer, data: Any, steps: int, ckpt: Path | None = None, **options: Any) -> Any:
    seed_everything(5, verbose=False)
    losses = Losses()
    gan = build()
    fit = trainer(max_steps=steps, log_every_n_steps=1, callbacks=[losses, *options.pop("callbacks", [])], **options)
    fit.fit(gan, data, ckpt_path=ckpt)
    return fit, final_state(fit, gan), losses.seen


# An epoch has 8 batches for n_critic of 1, 4 for 2: steps 3 and 5 are in the middle of one, 8 is its end.
@pytest.mark.quick("3", "ProGAN", "StyleGAN2")
@pytest.mark.parametrize("stop", [3, pytest.param(5, marks=pytest.mark.slow), 8])
def test_resumed_equals_uninterrupted(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, gan_name: str, stop: int
) -> None:
    def build() -> AdversarialModule:
        return tiny_gan(gan_name)

    _, expected, all_losses = run(build, trainer, tiny_data, 11)
    fit, _, early_losses = run(build, trainer, tiny_data, stop)
    fit.save_checkpoint(tmp_path / "stop.ckpt")
    _, resumed, late_losses = run(build, trainer, tiny_data, 11, tmp_path / "stop.ckpt")
    torch.testing.assert_close(resumed, expected, rtol=0, atol=0)
    assert early_losses == {step: all_losses[step] for step in range(1, stop + 1)}
    assert sorted(late_losses) == list(range(stop + 1, 12))
    for step, logged in late_losses.items():  # Lightning keeps showing a lazy term that was due before the stop
        assert logged.items() <= all_losses[step].items()


class SaveAt(Callback):
    """Saves after some steps, in the middle of an epoch."""

    def __init__(self, folder: Path, *steps: int) -> None:
        self.folder, self.steps = folder, steps

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step in self.steps:
            trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


# What workers do does not depend on the GAN.
CASES = [*((name, 0, 2) for name in gan_lightning.__all__), ("CGAN", 2, 1), ("CGAN", 2, 2), ("WGANGP", 2, 2)]


@pytest.mark.quick("DCGAN", "SNGAN", "ProGAN", "StyleGAN2", "1")
@pytest.mark.parametrize(("gan_name", "workers", "processes"), CASES)
def test_resumed_equals_uninterrupted_with_workers_and_processes(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, gan_name: str, workers: int, processes: int
) -> None:
    def fit(folder: Path, ckpt_path: Path | None = None) -> None:
        seed_everything(5, verbose=False)
        data = type(tiny_data)(8 // processes, num_workers=workers)
        strategy = GANDDPStrategy(start_method="fork") if processes > 1 else "auto"
        options = {"devices": processes, "strategy": strategy, "use_distributed_sampler": False}
        fit = trainer(max_steps=7, callbacks=[SaveAt(folder, 3, 7)], **options)
        fit.fit(tiny_gan(gan_name), data, ckpt_path=ckpt_path)

    fit(tmp_path / "whole")
    fit(tmp_path / "resumed", tmp_path / "whole" / "3.ckpt")
    whole, resumed = (torch.load(tmp_path / run / "7.ckpt") for run in ("whole", "resumed"))
    for run in (whole, resumed):
        run["optimizer_states"] = [numbers(state) for state in run["optimizer_states"]]
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step"):
        torch.testing.assert_close(resumed[part], whole[part], rtol=0, atol=0)
    assert not (tmp_path / "resumed" / "3.ckpt").exists()  # it did begin after step 3


@pytest.mark.quick("ADA", "HistoricalAveraging", "InstanceNoise", "MutualInformation", "PathLength", "Unrolled")
@pytest.mark.parametrize("name", stabilizers.__all__)
def test_resumed_equals_uninterrupted_with_every_stabilizer(
    exact_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, name: str
) -> None:
    def build() -> AdversarialModule:
        return exact_gan("SNGAN", stabilizers=[{"class_path": name}])

    _, expected, _ = run(build, trainer, tiny_data, 7)
    fit, _, _ = run(build, trainer, tiny_data, 3)
    fit.save_checkpoint(tmp_path / "stop.ckpt")
    _, resumed, _ = run(build, trainer, tiny_data, 7, tmp_path / "stop.ckpt")
    torch.testing.assert_close(resumed, expected, rtol=0, atol=0)


def test_evaluation_and_sampling_do_not_change_training(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    class Sampling(Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            module.sample(3)
            torch.rand(7)

    def build() -> AdversarialModule:
        return tiny_gan("GAN")

    _, plain, _ = run(build, trainer, tiny_data, 9)
    _, watched, _ = run(build, trainer, tiny_data, 9, callbacks=[Sampling()], limit_val_batches=2, val_check_interval=2)
    torch.testing.assert_close(watched, plain, rtol=0, atol=0)


def test_another_seed_is_another_run(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    results = []
    for seed in (5, 6):
        seed_everything(seed, verbose=False)
        gan = tiny_gan("GAN")
        trainer(max_steps=2).fit(gan, tiny_data)
        results.append(gan.generator.layers[0].weight.clone())  # type: ignore[union-attr, index]
    assert not torch.equal(*results)


def test_schedules_are_restored(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path) -> None:
    rates: list[float] = []

    class Rates(Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    gan = tiny_gan("DCGAN", lr=1.0, generator_optimizer=Adam(lr_schedule="linear"))
    fit = trainer(max_steps=4)
    fit.fit(gan, tiny_data)
    fit.save_checkpoint(tmp_path / "stop.ckpt")
    trainer(max_steps=8, callbacks=[Rates()]).fit(gan, tiny_data, ckpt_path=tmp_path / "stop.ckpt")
    assert rates[1:] == pytest.approx([1 - step / 8 for step in (5, 6, 7)])
