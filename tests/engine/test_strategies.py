"""Several processes train as one does: gan_ddp, what is drawn, evaluation, resumption, and what is refused."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy
from torch import Tensor

from gan_lightning import losses, stabilizers
from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import Evaluation, PredictionWriter, RankCheck
from gan_lightning.engine import strategies
from gan_lightning.engine.optimizers import SGD, Adam
from gan_lightning.engine.strategies import GANDDPStrategy, _buckets, check_strategy
from gan_lightning.game import Move, Terms
from gan_lightning.parts import describe

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]
CLIPPED = describe(Adam, clip_norm=1e-3)
MIXING = {"FeatureMatching", "MinibatchDiscrimination", "MinibatchStdDev"}
"""Stabilizers that compare the images of a batch: of that of one process, where there are several."""
INDEPENDENT = sorted(set(stabilizers.__all__) - MIXING)


def forked(**options: Any) -> dict[str, Any]:
    """Options of a trainer on two processes."""
    return {"devices": 2, "strategy": GANDDPStrategy(start_method="fork", **options), "use_distributed_sampler": False}


def run(
    build: Callable[[], AdversarialModule], trainer: BuildTrainer, data: Any, processes: int = 1, **options: Any
) -> AdversarialModule:
    """The GAN after a training in float64 on 8 images a step, however many processes share them."""
    seed_everything(5, verbose=False)
    gan = build().double()
    data.batch_size = 8 // processes
    ckpt_path = options.pop("ckpt_path", None)
    fit = trainer(**{"max_steps": 20, "precision": "64-true", **(forked() if processes == 2 else {}), **options})
    fit.fit(gan, data, ckpt_path=ckpt_path)
    return gan


def difference(a: AdversarialModule, b: AdversarialModule) -> float:
    """The largest between parameters."""
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return max(float((p.detach() - q.detach()).abs().max()) for p, q in pairs)


@pytest.mark.quick("DCGAN", "WGANGP", "ProGAN", "StyleGAN2", "BEGAN")
def test_two_processes_equal_one(exact_gan: Build, trainer: BuildTrainer, tiny_data: Any, gan_name: str) -> None:
    def build() -> AdversarialModule:
        return exact_gan(gan_name)

    start, one, two = build().double(), *(run(build, trainer, tiny_data, n) for n in (1, 2))
    assert difference(one, two) < 1e-12
    assert difference(one, start) > 1e-4


@pytest.mark.quick("GradientPenalty", "ADA", "Unrolled", "MutualInformation", "PathLength")
@pytest.mark.parametrize("n_critic", [1, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", INDEPENDENT)
def test_two_processes_equal_one_with_every_stabilizer(
    exact_gan: Build, trainer: BuildTrainer, tiny_data: Any, name: str, n_critic: int
) -> None:
    def build() -> AdversarialModule:
        parts = [{"class_path": name}]
        return exact_gan("GAN", n_critic=n_critic, loss=losses.RelativisticLoss(), stabilizers=parts)

    start, one, two = build().double(), *(run(build, trainer, tiny_data, n, max_steps=5) for n in (1, 2))
    assert difference(one, two) < 1e-12
    assert difference(one, start) > 1e-4


@pytest.mark.parametrize(
    "options", [{"generator_optimizer": CLIPPED, "discriminator_optimizer": CLIPPED}, {"accumulate": 2}]
)
def test_two_processes_equal_one_with_clipping_and_accumulation(
    exact_gan: Build, trainer: BuildTrainer, tiny_data: Any, options: dict[str, Any]
) -> None:
    def build() -> AdversarialModule:
        return exact_gan("WGANGP", prior="uniform", reuse_latents=True, **options)

    one, two = (run(build, trainer, tiny_data, processes) for processes in (1, 2))
    assert difference(one, two) < 1e-12


def test_find_unused_parameters_equals_one_process_too(exact_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    def build() -> AdversarialModule:
        return exact_gan("WGANGP", accumulate=2)

    one = run(build, trainer, tiny_data)
    strategy = DDPStrategy(find_unused_parameters=True, start_method="fork")
    assert difference(one, run(build, trainer, tiny_data, 2, strategy=strategy)) < 1e-12


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2), (2, 2)])
def test_a_run_may_go_on_with_another_number_of_processes(
    exact_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, first: int, then: int
) -> None:
    def build() -> AdversarialModule:
        return exact_gan("SNGAN", n_critic=2)

    class Save(Callback):
        def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
            trainer.save_checkpoint(tmp_path / "stop.ckpt")

    expected = run(build, trainer, tiny_data)
    run(build, trainer, tiny_data, first, max_steps=7, callbacks=[Save()])
    resumed = run(build, trainer, tiny_data, then, ckpt_path=tmp_path / "stop.ckpt")
    assert difference(expected, resumed) < 1e-12
    assert int(resumed.images_seen) == int(expected.images_seen) == 20 * 8 * 2


def test_gradients_of_each_player_travel_once_at_its_own_step(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = strategies._start_sum

    def counted(flat: Tensor) -> Callable[[], object]:
        with (tmp_path / f"{dist.get_rank()}.txt").open("a") as file:
            file.write(f"{flat.numel()}\n")
        return original(flat)

    monkeypatch.setattr(strategies, "_start_sum", counted)
    gan = run(lambda: tiny_gan("WGANGP", n_critic=2), trainer, tiny_data, 2, max_steps=2)
    g, d = (sum(p.numel() for p in player.parameters()) for player in (gan.generator, gan.discriminator))
    assert [int(line) for line in (tmp_path / "0.txt").read_text().split()] == [d, d, g] * 2


class SetGradients(AdversarialModule):
    """Each process has gradients of its own making: its number + 1."""

    def generator_terms(self, move: Move) -> Terms:
        return {"adversarial": (self.global_rank + 1) * sum(p.sum() for p in self.generator.parameters())}


@pytest.mark.parametrize("bucket_mib", [25.0, 1e-5])
def test_gradients_are_averaged_in_buckets_of_any_size(
    trainer: BuildTrainer, tiny_data: Any, bucket_mib: float
) -> None:
    from gan_lightning.networks import MLPDiscriminator, MLPGenerator

    torch.manual_seed(0)
    generator, discriminator = MLPGenerator((1, 8, 8), 4, (3,), "none"), MLPDiscriminator(64, (3,))
    generator.layers[0].bfloat16()  # two types, which cannot share a bucket
    gan = SetGradients(
        generator, discriminator, losses.HingeLoss(), latent_dim=4, ema_decay=0.0, generator_optimizer=SGD(lr=1.0)
    )
    gan.generate = lambda latents, labels: latents.new_zeros(len(latents), 1, 8, 8)  # type: ignore[method-assign]
    before = [p.detach().clone() for p in generator.parameters()]
    trainer(max_steps=1, **forked(bucket_mib=bucket_mib)).fit(gan, tiny_data)
    for old, new in zip(before, generator.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old - torch.full_like(old, 1.5))


def test_buckets_are_bounded_and_of_one_type() -> None:
    tensors = [torch.zeros(n, dtype=dtype) for n in (3, 9, 1, 2, 2) for dtype in (torch.float32, torch.float64)]
    buckets = list(_buckets(tensors, 32))
    assert sorted(id(tensor) for bucket in buckets for tensor in bucket) == sorted(id(tensor) for tensor in tensors)
    for bucket in buckets:
        assert len({tensor.dtype for tensor in bucket}) == 1
        assert len(bucket) == 1 or sum(tensor.nbytes for tensor in bucket) <= 32
    assert list(_buckets([], 32)) == []


def test_processes_start_alike_and_buffers_are_those_of_process_0_at_validation_and_in_checkpoints(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    class Drift(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
            started = [p.detach().clone() for p in pl_module.parameters()]
            torch.save(started, tmp_path / f"start-{trainer.global_rank}.pt")

        def on_validation_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
            torch.save(list(pl_module.buffers()), tmp_path / f"val-{trainer.global_rank}.pt")

        def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
            torch.save(list(pl_module.buffers()), tmp_path / f"end-{trainer.global_rank}.pt")
            trainer.save_checkpoint(tmp_path / "x.ckpt")
            torch.save(list(pl_module.buffers()), tmp_path / f"saved-{trainer.global_rank}.pt")

    def build() -> AdversarialModule:
        gan = tiny_gan("DCGAN")
        for parameter in gan.parameters():
            parameter.data += torch.initial_seed() % 7  # each process its own
        return gan

    run(build, trainer, tiny_data, 2, max_steps=3, callbacks=[Drift()], val_check_interval=2, limit_val_batches=1)

    def same(name: str) -> bool:
        mine, theirs = (torch.load(tmp_path / f"{name}-{rank}.pt") for rank in (0, 1))
        return all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))

    assert [same(name) for name in ("start", "val", "end", "saved")] == [True, True, False, True]


@pytest.mark.parametrize("num_samples", [24, 21])
def test_the_distance_is_the_same_on_one_process_and_on_two(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, mean_features: Any, num_samples: int
) -> None:
    scores = []
    for processes in (1, 2):
        evaluation = Evaluation(mean_features, num_samples, batch_size=4)
        fit = trainer(
            limit_val_batches=1.0, callbacks=[evaluation], accelerator="cpu", **(forked() if processes == 2 else {})
        )
        tiny_data.eval_batch_size = 4
        (score,) = fit.validate(tiny_gan("DCGAN"), tiny_data, verbose=False)
        scores.append(score["val/fid_mean"])
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
    assert scores[0] > 1


def test_predictions_are_the_same_on_one_process_and_on_two(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Path
) -> None:
    gan = tiny_gan("CGAN")
    files: list[dict[str, bytes]] = []
    for options in ({}, forked()):
        trainer(callbacks=[PredictionWriter()], accelerator="cpu", **options).predict(gan, tiny_data)
        files.append({path.name: path.read_bytes() for path in (tmp_path / "predictions").iterdir()})
        shutil.rmtree(tmp_path / "predictions")
    assert len(files[0]) == 16
    assert files[0] == files[1]


def test_rank_check_finds_the_process_that_went_astray(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    class Astray(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
            if trainer.global_rank == 1 and trainer.global_step == 2:
                pl_module.generator.layers[1].weight.data[0] += 1e-6

    def build() -> AdversarialModule:
        return tiny_gan("DCGAN")

    run(build, trainer, tiny_data, 2, max_steps=4, callbacks=[RankCheck(1)])
    with pytest.raises(Exception, match=r"After step 2 process 1 holds another 'generator.layers.1.weight'"):
        run(build, trainer, tiny_data, 2, max_steps=4, callbacks=[Astray(), RankCheck(1)])
    with pytest.raises(ValueError, match="at least 0, got -1"):
        RankCheck(-1)


def test_three_processes_equal_one(exact_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    gans = []
    for processes in (1, 3):  # two exchange their gradients, more than two reduce them
        seed_everything(5, verbose=False)
        gan = exact_gan("WGANGP").double()
        tiny_data.batch_size = 6 // processes
        options = {**forked(), "devices": 3} if processes == 3 else {}
        trainer(max_steps=5, precision="64-true", **options).fit(gan, tiny_data)
        gans.append(gan)
    assert difference(*gans) < 1e-12


@pytest.mark.parametrize(
    "strategy",
    [
        "ddp",
        DDPStrategy(find_unused_parameters=False),
        DDPStrategy(find_unused_parameters=True, static_graph=True),
        FSDPStrategy(),
    ],
)
def test_strategies_that_break_the_game_are_refused_with_the_cure(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, strategy: Any
) -> None:
    if isinstance(strategy, FSDPStrategy):
        with pytest.raises(ValueError, match=r"fsdp cannot train two networks .* strategy='gan_ddp'"):
            check_strategy(strategy)
        return
    with pytest.raises(ValueError, match=r"cannot train two networks .* strategy='gan_ddp'"):
        trainer(strategy=strategy, max_steps=1).fit(tiny_gan("GAN"), tiny_data)
    dist.destroy_process_group()


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="bucket_mib must be a finite number above 0, got 0"):
        GANDDPStrategy(bucket_mib=0)
    with pytest.raises(ValueError, match="timeout_s must be a finite number above 0, got inf"):
        GANDDPStrategy(timeout_s=math.inf)


@pytest.mark.parametrize(
    ("place", "explained"), [(dist.distributed_c10d.__file__, True), (strategies.__file__, True), (__file__, False)]
)
def test_errors_of_the_connection_are_told_from_others_by_where_they_come_from(place: str, explained: bool) -> None:
    names: dict[str, Any] = {}
    exec(compile("def fail(): raise RuntimeError('Application timeout caused pair closure')", place, "exec"), names)
    with pytest.raises(RuntimeError) as caught:
        names["fail"]()
    message = strategies.explain_lost_connection(caught.value)
    assert (message is not None) is explained
    assert not explained or "lost the others: Application timeout caused pair closure" in str(message)
