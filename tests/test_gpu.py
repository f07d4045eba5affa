"""What only a GPU shows: precisions, pinning, TF32, several processes by NCCL, FID on the device."""

import gc
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from lightning.pytorch import Callback, Trainer, seed_everything

from datamodules import MNISTSampleDataModule
from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import Evaluation, RankCheck
from gan_lightning.engine.strategies import GANDDPStrategy
from gan_lightning.metrics import MNISTFeatures
from gan_lightning.precision import PRECISIONS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU on this machine")

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]
STABILIZERS = ["ADA", "DiffAugment", "GradientPenalty", "PathLength", "R1", "Unrolled"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_gan_trains_and_samples_on_the_device(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, gan_name: str, precision: str
) -> None:
    gan = tiny_gan(gan_name)
    trainer(max_steps=3, accelerator="gpu", devices=1, precision=precision).fit(gan, tiny_data)
    assert all(parameter.isfinite().all() for parameter in gan.parameters())
    assert gan.to("cuda").sample(2, seed=0).device.type == "cuda"


@pytest.mark.parametrize("name", STABILIZERS)
def test_stabilizers_train_on_the_device(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, name: str) -> None:
    gan = tiny_gan("SNGAN", norm="none", stabilizers=[{"class_path": name}])
    trainer(max_steps=3, accelerator="gpu", devices=1, precision="bf16-mixed").fit(gan, tiny_data)
    assert all(value.isfinite().all() for value in gan.state_dict().values())


class Waits(Callback):
    """Lets PyTorch warn whenever the host waits for the device, in all steps but the first two."""

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        torch.cuda.set_sync_debug_mode("warn" if trainer.global_step >= 2 else "default")

    def on_train_end(self, *_: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")


def waits_of(gan: AdversarialModule, trainer: BuildTrainer, data: Any) -> int:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(max_steps=5, accelerator="gpu", devices=1, callbacks=[Waits()]).fit(gan, data)
    return sum("synchroniz" in str(warning.message) for warning in caught)


def test_a_step_of_any_gan_waits_for_the_device_once_at_most(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, gan_name: str
) -> None:
    assert waits_of(tiny_gan(gan_name), trainer, tiny_data) <= 3 + 1  # the loader's end


@pytest.mark.parametrize("name", STABILIZERS)
def test_a_step_of_a_stabilizer_waits_for_the_device_once_at_most(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, name: str
) -> None:
    gan = tiny_gan("SNGAN", norm="none", stabilizers=[{"class_path": name}])
    assert waits_of(gan, trainer, tiny_data) <= 3 + 1


def test_compiled_networks_train_on_the_device(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    gan = tiny_gan("DCGAN", compile=True)
    trainer(max_steps=2, accelerator="gpu", devices=1).fit(gan, tiny_data)
    assert all(parameter.isfinite().all() for parameter in gan.parameters())


def test_pixels_travel_as_bytes_from_pinned_memory(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    seen: list[tuple[torch.dtype, bool, str]] = []

    class Watch(Callback):
        def on_train_batch_start(self, trainer: Any, gan: Any, batch: Any, batch_idx: int) -> None:
            seen.append((batch[0].dtype, bool(batch[0].abs().max() <= 1), batch[0].device.type))

    before = tiny_data.on_before_batch_transfer
    host: list[tuple[torch.dtype, bool]] = []
    tiny_data.on_before_batch_transfer = lambda batch, k: (
        host.append((batch[0].dtype, batch[0].is_pinned())),
        before(batch, k),
    )[1]
    trainer(max_steps=2, accelerator="gpu", devices=1, callbacks=[Watch()]).fit(tiny_gan("GAN"), tiny_data)
    assert host == [(torch.uint8, True)] * 2
    assert seen == [(torch.float32, True, "cuda")] * 2


def test_a_run_on_the_cpu_leaves_the_gpu_alone(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    gc.collect()  # what earlier tests left would be freed meanwhile
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    trainer(max_steps=2, accelerator="cpu").fit(tiny_gan("DCGAN"), tiny_data)
    assert torch.cuda.max_memory_allocated() == before


def test_a_run_resumes_bit_for_bit(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, tmp_path: Any) -> None:
    ends = []
    options: dict[str, Any] = {"accelerator": "gpu", "devices": 1, "deterministic": "warn"}
    for stop in (None, 3):
        seed_everything(5, verbose=False)
        gan = tiny_gan("WGANGP")
        if stop:
            fit = trainer(max_steps=stop, **options)
            fit.fit(gan, tiny_data)
            fit.save_checkpoint(tmp_path / "stop.ckpt")
            gan = tiny_gan("WGANGP")
        trainer(max_steps=6, **options).fit(gan, tiny_data, ckpt_path=tmp_path / "stop.ckpt" if stop else None)
        ends.append({name: tensor.cpu() for name, tensor in gan.state_dict().items()})
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=0)


def test_one_process_of_gan_ddp_equals_none(tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any) -> None:
    ends = []
    for strategy in ("auto", GANDDPStrategy(process_group_backend="nccl")):
        seed_everything(5, verbose=False)
        gan = tiny_gan("WGANGP", norm="none").double()
        options: dict[str, Any] = {"strategy": strategy, "callbacks": [RankCheck(1)], "use_distributed_sampler": False}
        trainer(max_steps=3, accelerator="gpu", devices=1, precision="64-true", **options).fit(gan, tiny_data)
        ends.append({name: tensor.cpu() for name, tensor in gan.state_dict().items()})
    dist.destroy_process_group()
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=1e-12)


def test_the_distance_on_the_device_is_that_on_the_cpu(trainer: BuildTrainer, tiny_gan: Build) -> None:
    scores = []
    for accelerator in ("cpu", "gpu"):
        gan = tiny_gan("DCGAN", image_shape=(1, 28, 28))
        options: dict[str, Any] = {"accelerator": accelerator, "devices": 1, "limit_val_batches": 1.0}
        fit = trainer(callbacks=[Evaluation(MNISTFeatures(), 500)], **options)
        (score,) = fit.validate(gan, MNISTSampleDataModule(), verbose=False)
        scores.append(score["val/fid_mnist"])
    assert scores[1] == pytest.approx(scores[0], rel=1e-3)


def test_features_are_exact_whatever_the_switches_of_tf32() -> None:
    pixels = torch.randint(256, (32, 1, 28, 28), dtype=torch.uint8)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    expected = MNISTFeatures()(pixels)
    torch.testing.assert_close(MNISTFeatures()(pixels.cuda()).cpu(), expected, rtol=1e-5, atol=1e-5)
