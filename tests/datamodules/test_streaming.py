"""Shards of LitData: what is written, what is read, resumed runs, several processes, and what goes wrong."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, seed_everything
from PIL import Image

from datamodules import ImageFolderDataModule, StreamingImageDataModule
from datamodules.base import Split
from datamodules.shards import store_explained
from gan_lightning.base import AdversarialModule
from gan_lightning.commands.main import main
from gan_lightning.engine.strategies import GANDDPStrategy

Build = Callable[..., Any]
SHAPE = (3, 8, 8)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 images of two classes."""
    root = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for kind in "ab":
        (root / kind).mkdir()
        for number in range(120):
            Image.fromarray(random.integers(0, 256, (10, 9, 3), dtype=np.uint8)).save(root / kind / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def shards(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("streamed") / "shards"
    StreamingImageDataModule(str(root), source=source(images)).prepare_data()
    return root


def source(root: Path, **options: Any) -> ImageFolderDataModule:
    return ImageFolderDataModule(str(root), image_size=8, **options)


def streamed(root: Path, **options: Any) -> StreamingImageDataModule:
    return StreamingImageDataModule(str(root), **{"image_shape": SHAPE, "num_classes": 2, "batch_size": 16, **options})


def rows(batches: Any) -> list[tuple[int, ...]]:
    """Labels and pixels, to be compared and sorted."""
    found = []
    for images, labels in batches:
        pixels = ((images.flatten(1) + 1) * 127.5).round().int()
        found += [(int(label), *row.tolist()) for label, row in zip(labels, pixels, strict=True)]
    return found


def of_source(root: Path, split: Split) -> list[tuple[int, ...]]:
    data = source(root, cache_dir=str(root.parent / "cache"))
    pixels, labels = data.read(split)
    return rows([(pixels.float() / 127.5 - 1, labels)])


def test_shards_hold_what_the_source_does(shards: Path, images: Path) -> None:
    data = streamed(shards, batch_size=1)
    data.setup()
    assert sorted(rows(data.train_dataloader())) == sorted(of_source(images, "train"))
    assert rows(data.val_dataloader()) == of_source(images, "val")
    assert rows(data.test_dataloader()) == of_source(images, "test")


def test_batches_are_shuffled_by_the_seed_of_the_run_and_differ_from_epoch_to_epoch(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epochs(seed: int) -> list[list[tuple[int, ...]]]:
        monkeypatch.setenv("PL_GLOBAL_SEED", str(seed))
        data = streamed(shards)
        length = len(data.train_dataloader())
        found = []
        for start in (0, length):
            monkeypatch.setattr(data, "_batches_processed", lambda start=start: start)
            found += [rows(data.train_dataloader())]
        return found

    first, again, other = epochs(0), epochs(0), epochs(1)
    assert first == again
    assert first[0] != first[1]
    assert first[0] != other[0]


class Keep(Callback):
    """Writes down the batches of a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_start(self, trainer: Any, gan: Any, batch: Any, batch_idx: int) -> None:
        torch.save(batch, self.folder / f"{trainer.global_step}-{trainer.global_rank}.pt")

    def batches(self, rank: int = 0) -> list[Any]:
        paths = sorted(self.folder.glob(f"*-{rank}.pt"), key=lambda path: int(path.name.split("-")[0]))
        return [torch.load(path) for path in paths]


@pytest.fixture
def gan(tiny_gan: Build) -> Callable[[], AdversarialModule]:
    return lambda: tiny_gan("WGANGP", image_shape=SHAPE, n_critic=2)


@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_resumed_run_is_one_that_was_never_stopped(
    shards: Path, gan: Build, trainer: Build, tmp_path: Path, num_workers: int
) -> None:
    ends = []
    for stop in (None, 3, 5, 8):  # in the middle of the first epoch of 5 batches, at its end, in the second
        seed_everything(5, verbose=False)
        data: Any = {"batch_size": 16, "num_workers": num_workers}
        if stop:
            first = trainer(max_steps=stop)
            first.fit(gan(), streamed(shards, **data))
            first.save_checkpoint(tmp_path / "stop.ckpt")
        module = gan()
        trainer(max_steps=10).fit(module, streamed(shards, **data), ckpt_path=tmp_path / "stop.ckpt" if stop else None)
        ends.append(module.state_dict())
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=0, atol=0)


def test_pixels_travel_to_the_device_of_a_run(shards: Path, gan: Build, trainer: Build) -> None:
    kinds = []

    class Noting(StreamingImageDataModule):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            kinds.append(batch[0].dtype)
            return super().on_after_batch_transfer(batch, dataloader_idx)

    data = Noting(str(shards), image_shape=SHAPE, num_classes=2, batch_size=16)
    trainer(max_steps=1).fit(gan(), data)
    assert set(kinds) == {torch.uint8}
    images, _ = next(iter(data.train_dataloader()))
    assert images.dtype == torch.float32
    assert -1 <= images.min() < -0.5


def test_a_run_is_not_resumed_with_other_workers(shards: Path, gan: Build, trainer: Build, tmp_path: Path) -> None:
    first = trainer(max_steps=2)
    first.fit(gan(), streamed(shards))
    first.save_checkpoint(tmp_path / "stop.ckpt")
    with pytest.raises(ValueError, match="num_workers"):
        trainer(max_steps=4).fit(gan(), streamed(shards, num_workers=1), ckpt_path=tmp_path / "stop.ckpt")


def test_processes_share_the_images(shards: Path, gan: Build, trainer: Build, tmp_path: Path) -> None:
    strategy = GANDDPStrategy(start_method="fork")
    options: dict[str, Any] = {"devices": 2, "strategy": strategy, "use_distributed_sampler": False}
    keep = Keep(tmp_path)
    trainer(max_epochs=1, callbacks=[keep], **options).fit(gan(), streamed(shards))
    own = [set(rows(keep.batches(rank))) for rank in (0, 1)]
    assert len(own[0]) == len(own[1]) > 0
    assert not own[0] & own[1]


def test_the_command_line_writes_trains_and_checks(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ["--data", "StreamingImageDataModule", "--data.root", "shards", "--data.batch_size", "16"]
    files = [
        "--data.source",
        "ImageFolderDataModule",
        "--data.source.root",
        str(images),
        "--data.source.image_size",
        "8",
    ]
    assert not main(["prepare-data", *data, *files])
    assert "files" in capsys.readouterr().out
    assert not main(["check-data", *data, "--data.image_shape", "[3,8,8]", "--data.num_classes", "2"])
    small = ["--model", "WGANGP", "--model.width", "4", "--trainer.max_steps", "2", "--trainer.accelerator", "cpu"]
    assert not main(["fit", *small, *data, *files, "--evaluation.num_samples", "20"])


def test_there_may_be_no_validation_images(images: Path, tmp_path: Path, gan: Build, trainer: Build) -> None:
    data = StreamingImageDataModule(str(tmp_path / "shards"), source=source(images, val_fraction=0), batch_size=16)
    trainer(max_steps=1, limit_val_batches=1.0).fit(gan(), data)
    assert data.val_dataloader() == []


def test_a_damaged_image_is_named_and_nothing_is_left(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for path in sorted(images.glob("*/*.png"))[:20]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "broken.png").write_bytes(b"no image")
    root = tmp_path / "shards"
    with pytest.raises(ValueError, match=r"broken\.png .*on_error"):
        StreamingImageDataModule(str(root), source=source(folder)).prepare_data()
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
    data = StreamingImageDataModule(str(root), source=source(folder, on_error="skip"))
    data.prepare_data()
    assert sum("images" in line for line in str(data.check()).splitlines()) >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_shape": (3, 16, 16)}, r"are uint8 \(3, 8, 8\), but must be uint8 \(3, 16, 16\)"),
        ({"num_classes": 0}, "label"),
    ],
)
def test_shards_of_other_images_are_refused(shards: Path, options: dict[str, Any], message: str) -> None:
    data = streamed(shards, **options)
    with pytest.raises(ValueError, match=message):
        data.setup()
    assert data.check(deep=True).damaged
    assert not data.check().ok


def test_a_batch_that_is_too_large_is_refused(shards: Path) -> None:
    with pytest.raises(ValueError, match=r"images, less than one batch of 1000 x n_critic 1"):
        streamed(shards, batch_size=1000).train_dataloader()


def test_absent_shards_and_how_to_write_them_are_named(tmp_path: Path) -> None:
    data = streamed(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"none/train .*--data\.source .*prepare-data"):
        data.prepare_data()
    assert not data.check().ok


@pytest.mark.parametrize(
    ("options", "message"),
    [({"flip": True}, "flip"), ({"image_shape": (3, 8)}, "image_shape"), ({"eval_size": 0}, "eval_size")],
)
def test_illegal_arguments_are_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        streamed(tmp_path, **options)


def test_an_absent_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litdata", None)
    with pytest.raises(ModuleNotFoundError, match=r"gan-lightning\[streaming\]"):
        streamed(tmp_path)


@pytest.fixture
def bucket(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The shards in a store that speaks S3, on this machine."""
    server = pytest.importorskip("moto.server", reason="pip install 'moto[s3,server]'").ThreadedMotoServer(port=0)
    boto3 = pytest.importorskip("boto3")
    server.start()
    host, port = server.get_host_and_port()
    account = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**account, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(name, value)
    # LitData's faster client takes https alone.
    monkeypatch.setattr("litdata.streaming.downloader._OBSTORE_AVAILABLE", False)
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    for path in filter(Path.is_file, shards.rglob("*")):
        client.upload_file(str(path), "bucket", f"folder/{path.relative_to(shards).as_posix()}")
    yield "s3://bucket"
    server.stop()


@pytest.mark.slow
def test_shards_in_a_store_give_the_batches_of_a_folder(bucket: str, shards: Path, tmp_path: Path) -> None:
    options = {"image_shape": SHAPE, "num_classes": 2, "batch_size": 16}
    remote = StreamingImageDataModule(f"{bucket}/folder", cache_dir=str(tmp_path / "cache"), **options)
    remote.prepare_data()  # finds them
    remote.setup("fit")
    local = streamed(shards)
    assert rows(remote.train_dataloader()) == rows(local.train_dataloader())
    assert rows(remote.val_dataloader()) == rows(local.val_dataloader())
    assert remote.fingerprint == local.fingerprint


def test_an_address_without_shards_is_named(bucket: str, tmp_path: Path) -> None:
    data = StreamingImageDataModule(f"{bucket}/nothing", cache_dir=str(tmp_path / "cache"), image_shape=SHAPE)
    with pytest.raises(FileNotFoundError, match=r"no shards in s3://bucket/nothing/train"):
        data.prepare_data()


def test_what_a_store_says_is_explained() -> None:
    errors = pytest.importorskip("botocore.exceptions")
    denied = errors.ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")
    absent = errors.ClientError({"Error": {"Code": "NoSuchBucket"}}, "HeadObject")
    for error, kind, message in (
        (errors.NoCredentialsError(), ConnectionError, "s3://b cannot be read: .*Check the network"),
        (denied, ConnectionError, "The store refuses s3://b: .*credentials"),
        (absent, FileNotFoundError, "There is nothing at s3://b"),
    ):
        with pytest.raises(kind, match=message), store_explained("s3://b"):
            raise error
