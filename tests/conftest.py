"""Everything small: a data set of 8x8 images in four classes, and features that need no training."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import torch.distributed as dist
from lightning.pytorch import Trainer
from torch import Tensor, nn

import gan_lightning
from datamodules import ImageDataModule
from datamodules.base import Split
from gan_lightning.arguments import arguments_of
from gan_lightning.base import AdversarialModule
from gan_lightning.metrics import FeatureExtractor
from gan_lightning.networks.progan import Growth

# Where it is not set, Lightning's launchers give this process all cores, and what is forked from it hangs in OpenMP.
os.environ.setdefault("OMP_NUM_THREADS", "1")

CONFIGS = Path(__file__).parents[1] / "configs"
SMALL: dict[str, Any] = {
    "image_shape": (1, 8, 8),
    "num_classes": 4,
    "latent_dim": 12,
    "width": 4,
    "max_width": 8,
    "n_critic": 2,
    "images_per_phase": 20,
}
"""What makes a GAN small, by the names of the arguments of its class; those that it has already smaller stay."""
NO_BATCH_STATISTICS: dict[str, Any] = {
    "norm": "none",
    "dropout_prob": 0.0,
    "group_size": 1,
    "mixing_prob": 0.0,
    "noise": 0.0,
}
"""What lets a GAN treat the images of a batch independently, likewise."""


def shrink(kind: type[AdversarialModule], **overrides: Any) -> dict[str, Any]:
    """The arguments that make any GAN small, whichever it has."""
    defaults = {name: parameter.default for name, parameter in arguments_of(kind).items()}
    larger = {name: value for name, value in SMALL.items() if name in defaults and defaults[name] != 1}
    return {**larger, **overrides}


def independent(kind: type[AdversarialModule]) -> dict[str, Any]:
    """The arguments that let any GAN treat the images of a batch independently."""
    return {name: value for name, value in NO_BATCH_STATISTICS.items() if name in arguments_of(kind)}


def identical(one: Any, other: Any) -> bool:
    """Whether two states, of any depth, hold the same keys, the same tensors bit by bit, and the same values."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(identical(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


class TinyDataModule(ImageDataModule):
    """64 images for training, 16 for validation, 16 for testing: noise around the brightness of their class."""

    name = "tiny"
    version = "1"

    def __init__(self, batch_size: int = 8, num_workers: int = 0) -> None:
        super().__init__((1, 8, 8), 4, batch_size, eval_batch_size=8, num_workers=num_workers)

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        size = {"train": 64, "val": 16, "test": 16}[split]
        generator = torch.Generator().manual_seed(size)
        labels = torch.arange(size) % 4
        noise = torch.randint(0, 64, (size, 1, 8, 8), generator=generator)
        return (noise + 60 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels


class MeanFeatures(FeatureExtractor):
    """The mean and the first pixel of an image."""

    num_features: ClassVar[int] = 2
    fid_name: ClassVar[str] = "fid_mean"
    preprocessing: ClassVar[str] = "none"

    def build(self) -> nn.Module:
        return nn.Identity()

    def prepare(self, pixels: Tensor) -> Tensor:
        flat = pixels.float().flatten(1)
        return torch.stack([flat.mean(1), flat[:, 0]], dim=1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that names its quick cases, the others are slow."""
    for item in items:
        for mark in item.iter_markers("quick"):
            if not set(mark.args) & set(item.callspec.id.split("-")):  # type: ignore[attr-defined]
                item.add_marker("slow")


@pytest.fixture(autouse=True)
def _known_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's seed is an environment variable: no test leaves one behind."""
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_process_group_is_left() -> Iterator[None]:
    """Forked processes would inherit it without its threads, and wait for ever."""
    yield
    if dist.is_initialized():
        dist.destroy_process_group()
        pytest.fail("The test left a process group.")


@pytest.fixture(scope="session", autouse=True)
def _quiet_and_one_thread() -> None:
    torch.set_num_threads(1)
    # Autograd starts its threads at the first backward pass, one for each device. torch.compile pretends that there is
    # a GPU; with a thread for that, forked processes could not train.
    torch.ones(1, requires_grad=True).sum().backward()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


@pytest.fixture
def tiny_data() -> TinyDataModule:
    return TinyDataModule()


@pytest.fixture(params=gan_lightning.__all__)
def gan_name(request: pytest.FixtureRequest) -> str:
    """Each GAN of the catalogue in turn."""
    return str(request.param)


@pytest.fixture
def tiny_gan() -> Callable[..., AdversarialModule]:
    """Builds a small GAN by the name of its class, with the same initial weights each time."""

    def build(name: str, **overrides: Any) -> AdversarialModule:
        torch.manual_seed(7)
        kind = getattr(gan_lightning, name)
        gan: AdversarialModule = kind(**shrink(kind, **overrides))
        return gan

    return build


@pytest.fixture
def exact_gan(tiny_gan: Callable[..., AdversarialModule]) -> Callable[..., AdversarialModule]:
    """Builds a small GAN that treats the images of a batch independently."""

    def build(name: str, **overrides: Any) -> AdversarialModule:
        return tiny_gan(name, **{**independent(getattr(gan_lightning, name)), **overrides})

    return build


@pytest.fixture(name="identical")
def _identical() -> Callable[[Any, Any], bool]:
    """Compares two states of any depth, bit by bit."""
    return identical


@pytest.fixture(name="awaken")
def _awaken() -> Callable[[nn.Module], None]:
    """Makes random what begins at zero besides biases, such as gates, behind which nothing has a gradient."""

    def awaken(network: nn.Module) -> None:
        for name, parameter in network.named_parameters():
            if not parameter.any() and not name.endswith("bias"):
                nn.init.normal_(parameter, 0.0, 0.1)

    return awaken


@pytest.fixture(name="stages")
def _stages() -> Callable[[nn.Module], Iterator[int]]:
    """Lets a network that grows be in the middle of each phase in turn; any other is as it is, once."""

    def stages(network: nn.Module) -> Iterator[int]:
        growing = [module for module in network.modules() if isinstance(module, Growth)]
        phases = 2 * growing[0].doublings + 1 if growing else 1
        for phase in range(phases):
            for growth in growing:
                growth.advance(phase * growth.images_per_phase + growth.images_per_phase // 2)
            yield phase

    return stages


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., Trainer]:
    """Builds a silent trainer."""

    def build(**overrides: Any) -> Trainer:
        defaults: dict[str, Any] = {
            "accelerator": "cpu",
            "max_epochs": -1,
            "default_root_dir": tmp_path,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "limit_val_batches": 0,
            "num_sanity_val_steps": 0,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Trainer(**{**defaults, **overrides})

    return build


@pytest.fixture
def mean_features() -> MeanFeatures:
    return MeanFeatures()
