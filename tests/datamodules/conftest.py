import hashlib
import importlib.util
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn, TrainerState, TrainerStatus

import datamodules.mnist
from datamodules import ImageDataModule
from datamodules.idx import IdxFile


@pytest.fixture(scope="session")
def shared_mnist():
    """Root of the real MNIST."""
    default = Path(__file__).parents[2].parent / "shared" / "data"
    root = Path(os.environ.get("GAN_LIGHTNING_MNIST", default))
    if not (root / "MNIST" / "raw").is_dir():
        pytest.skip(f"needs the real MNIST: {root}/MNIST/raw is absent; set GAN_LIGHTNING_MNIST to its root")
    return str(root)


@pytest.fixture
def drawn_mnist(tmp_path, monkeypatch):
    """Root of a small set in MNIST's layout, whose checksums stand in for the published ones."""
    folder = tmp_path / "drawn" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    files = {}
    for source, prefix, count in (("train", "train", 60), ("test", "t10k", 20)):
        contents = (
            (f"{prefix}-images-idx3-ubyte", torch.randint(256, (count, 28, 28), generator=generator)),
            (f"{prefix}-labels-idx1-ubyte", torch.arange(count) % 10),
        )
        files[source] = tuple(write_idx(folder, name, values) for name, values in contents)
    monkeypatch.setattr(datamodules.mnist, "FILES", files)
    return tmp_path / "drawn"


def write_idx(folder, name, values):
    file = IdxFile(name, tuple(values.shape), "")
    content = file.header + values.to(torch.uint8).numpy().tobytes()
    (folder / name).write_bytes(content)
    return file._replace(md5=hashlib.md5(content).hexdigest())


class IndexedDataModule(ImageDataModule):
    """Images whose label is their index, so that a batch tells which images it holds."""

    name = "indexed"
    version = "1"

    def __init__(self, counts=(39, 7, 8), **kwargs):
        super().__init__((1, 2, 2), num_classes=max(counts), **kwargs)
        self.counts = dict(zip(("train", "val", "test"), counts, strict=True))

    def read(self, split):
        count = self.counts[split]
        pixels = torch.arange(count * 4).view(count, 1, 2, 2) % 256
        return pixels.to(torch.uint8), torch.arange(count)


@pytest.fixture
def indexed():
    return IndexedDataModule


@pytest.fixture
def attach():
    """Gives data a trainer that stands at the beginning of a fit, before the first batch; runs, if `status` says so."""

    def attach(data, n_critic=1, rank=0, world_size=1, device="cpu", status=TrainerStatus.INITIALIZING):
        progress = SimpleNamespace(total=SimpleNamespace(processed=0))
        data.trainer = SimpleNamespace(
            state=TrainerState(fn=TrainerFn.FITTING, status=status),
            strategy=SimpleNamespace(root_device=torch.device(device)),
            lightning_module=SimpleNamespace(n_critic=n_critic),
            global_rank=rank,
            world_size=world_size,
            overfit_batches=0.0,
            fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress)),
        )
        return data

    return attach


@pytest.fixture(scope="session")
def drawn_faces():
    """The module that draws faces; tests are no package, so that it cannot be imported by name."""
    spec = importlib.util.spec_from_file_location("drawn_faces", Path(__file__).with_name("drawn_faces.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def _drawn_layouts(drawn_faces, tmp_path_factory):
    return {
        layout: drawn_faces.write_celeba(tmp_path_factory.mktemp("layouts") / layout, 30, layout)
        for layout in ("official", "kaggle", "folder", "zip")
    }


@pytest.fixture
def drawn_celeba(_drawn_layouts, tmp_path):
    """Copies 30 drawn faces, of which 3 are for validation and 3 for testing, in a layout of CelebA."""

    def copy(layout="official", name="celeba data"):
        return shutil.copytree(_drawn_layouts[layout], tmp_path / name)

    return copy
