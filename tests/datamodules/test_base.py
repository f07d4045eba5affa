import warnings
from types import SimpleNamespace

import lightning
import pytest
import torch

from datamodules.base import PixelDataset
from gan_lightning.images import to_float, to_uint8


class Recorder(lightning.LightningModule):
    """Writes down which images it was given; dies before step `dies_at`."""

    def __init__(self, dies_at=None):
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.dies_at = dies_at
        self.seen = []

    def training_step(self, batch, _):
        if len(self.seen) == self.dies_at:
            raise InterruptedError
        self.seen.append(batch[1].tolist())
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.weight * batch[0].mean())
        optimizer.step()

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(max_steps=-1, **kwargs):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return lightning.Trainer(max_steps=max_steps, accelerator="cpu", enable_checkpointing=False, **quiet, **kwargs)


def fit(module, data, max_steps, ckpt_path=None, **kwargs):
    fitted = trainer(max_steps, **kwargs)
    fitted.fit(module, data, ckpt_path=ckpt_path)
    return fitted, module.seen


def attached(data, n_critic=1, rank=0, world_size=1):
    """The data as it is during a fit, before the first batch."""
    progress = SimpleNamespace(total=SimpleNamespace(processed=0))
    data.trainer = SimpleNamespace(
        lightning_module=SimpleNamespace(n_critic=n_critic),
        global_rank=rank,
        world_size=world_size,
        overfit_batches=0.0,
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress)),
    )
    return data


def test_batch_is_a_pair_of_floats_in_range_and_labels():
    pixels = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).view(4, 1, 1, 1)
    images, labels = PixelDataset(pixels, torch.tensor([3, 1, 2, 0]))[[3, 0, 1]]
    assert images.dtype == torch.float32
    assert images.shape == (3, 1, 1, 1)
    assert images.flatten().tolist() == pytest.approx([1.0, -1.0, -0.6])
    assert labels.tolist() == [0, 3, 1]
    assert labels.dtype == torch.int64


def test_the_ends_of_the_range_are_exact_and_it_is_symmetric():
    pixels = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    images = PixelDataset(pixels, torch.zeros(256, dtype=torch.int64))[list(range(256))][0].flatten()
    assert (images[0], images[255]) == (-1, 1)
    assert torch.equal(images, -images.flip(0))
    assert torch.equal(to_float(pixels.flatten()), images)
    assert torch.equal(to_uint8(images), pixels.flatten())


def test_reading_a_batch_leaves_the_pixels_as_they_were():
    pixels = torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1)
    PixelDataset(pixels, torch.zeros(8, dtype=torch.int64))[[1, 2]]
    assert pixels.flatten().tolist() == list(range(8))


def test_indices_beyond_the_images_are_the_same_images_mirrored():
    pixels = torch.arange(24, dtype=torch.uint8).view(4, 1, 2, 3)
    dataset = PixelDataset(pixels, torch.tensor([3, 1, 2, 0]))
    images, labels = dataset[[1, 6, 4, 3]]
    plain, plain_labels = dataset[[1, 2, 0, 3]]
    assert torch.equal(images, torch.stack([plain[0], plain[1].flip(-1), plain[2].flip(-1), plain[3]]))
    assert torch.equal(labels, plain_labels)
    assert pixels.flatten().tolist() == list(range(24))


@pytest.mark.parametrize(
    ("pixels", "labels", "said"),
    [
        (torch.zeros(2, 1, 4, 4), torch.zeros(2).long(), "pixels must be uint8"),
        (torch.zeros(2, 4, 4).byte(), torch.zeros(2).long(), "pixels must be uint8"),
        (torch.zeros(2, 1, 4, 4).byte(), torch.zeros(3).long(), r"labels must be int64 \(2,\)"),
        (torch.zeros(2, 1, 4, 4).byte(), torch.zeros(2), "labels must be int64"),
    ],
)
def test_pixels_or_labels_of_another_type_or_count_are_refused(pixels, labels, said):
    with pytest.raises(ValueError, match=said):
        PixelDataset(pixels, labels)


@pytest.mark.parametrize("argument", [{"batch_size": 0}, {"eval_batch_size": 0}, {"num_workers": -1}])
def test_numbers_are_checked_at_construction(indexed, argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))} is .* at least"):
        indexed(**argument)


def test_nothing_is_read_at_construction(indexed, monkeypatch):
    monkeypatch.setattr(indexed, "read", lambda *_: pytest.fail("read"))
    assert indexed().image_shape == (1, 2, 2)
    assert indexed().fingerprint.startswith("indexed-2px-")


@pytest.mark.parametrize(
    ("stage", "splits"), [("fit", {"train", "val"}), ("validate", {"val"}), ("test", {"test"}), ("predict", {"test"})]
)
def test_a_stage_reads_its_splits_once(indexed, monkeypatch, stage, splits):
    read, original = [], indexed.read
    monkeypatch.setattr(indexed, "read", lambda self, split: read.append(split) or original(self, split))
    data = indexed()
    data.setup(stage)
    data.setup(stage)
    assert sorted(read) == sorted(splits)


def test_fingerprint_differs_between_versions_and_shapes(indexed):
    data = indexed()
    fingerprints = {data.fingerprint}
    data.version = "2"
    fingerprints.add(data.fingerprint)
    data.image_shape = (3, 2, 2)
    fingerprints.add(data.fingerprint)
    assert len(fingerprints) == 3


def test_training_batch_holds_n_critic_micro_batches(indexed):
    data = attached(indexed(batch_size=4), n_critic=3)
    assert {len(images) for images, _ in data.train_dataloader()} == {12}
    assert len(data.train_dataloader()) == 39 // 12


def test_without_a_trainer_a_training_batch_holds_batch_size_images(indexed):
    assert len(next(iter(indexed(batch_size=4).train_dataloader()))[0]) == 4


def test_only_training_images_are_mirrored(indexed):
    def read(loader):
        return {label: image for images, labels in loader for label, image in zip(labels.tolist(), images, strict=True)}

    plain, flipped = (indexed(batch_size=4, flip=flip) for flip in (False, True))
    for name in ("val_dataloader", "test_dataloader"):
        expected = read(getattr(plain, name)())
        assert all(torch.equal(image, expected[label]) for label, image in read(getattr(flipped, name)()).items())
    expected, found = read(plain.train_dataloader()), read(flipped.train_dataloader())
    mirrored = [label for label, image in found.items() if not torch.equal(image, expected[label])]
    assert 5 < len(mirrored) < 31
    assert all(torch.equal(found[label], expected[label].flip(-1)) for label in mirrored)


def test_check_counts_the_images_of_each_split(indexed):
    check = indexed().check()
    assert check.ok
    assert check.present == (
        "train: 39 images of (1, 2, 2)",
        "val: 7 images of (1, 2, 2)",
        "test: 8 images of (1, 2, 2)",
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [(FileNotFoundError("x is missing"), "missing"), (ValueError("x is cut"), "damaged"), (OSError("x"), "damaged")],
)
def test_check_reports_each_error_of_reading_once(indexed, monkeypatch, error, kind):
    original = indexed.read

    def read(self, split):
        if split == "test":
            return original(self, split)
        raise error

    monkeypatch.setattr(indexed, "read", read)
    check = indexed().check(deep=True)
    assert not check.ok
    assert len(check.present) == 1
    assert getattr(check, kind) == (str(error),)


def test_seed_of_the_run_decides_the_order(indexed, monkeypatch):
    def first():
        return next(iter(indexed(batch_size=16).train_dataloader()))[1].tolist()

    orders = []
    for seed in ("0", "1", "0"):
        monkeypatch.setenv("PL_GLOBAL_SEED", seed)
        orders.append(first())
    assert orders[0] == orders[2] != orders[1]


def test_training_split_smaller_than_a_batch_is_refused_with_the_largest_that_fits(indexed):
    with pytest.raises(ValueError, match=r"holds 39 images.* 40: batch_size 5 x n_critic 4 x 2 devices.* at most 4"):
        attached(indexed(batch_size=5), n_critic=4, world_size=2).train_dataloader()
    assert len(attached(indexed(batch_size=4), n_critic=4, world_size=2).train_dataloader()) == 1


@pytest.mark.parametrize("name", ["val_dataloader", "test_dataloader", "predict_dataloader"])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_evaluation_sees_every_image_once_over_all_ranks(indexed, name, world_size):
    loaders = [
        getattr(attached(indexed(eval_batch_size=2), rank=rank, world_size=world_size), name)()
        for rank in range(world_size)
    ]
    labels = [label for loader in loaders for _, batch in loader for label in batch.tolist()]
    assert sorted(labels) == list(range(7 if name == "val_dataloader" else 8))


@pytest.mark.parametrize("stopped_at", [1, 8, 9, 10, 17, 18, 19])
@pytest.mark.parametrize("limits", [{}, {"limit_train_batches": 4}, {"val_check_interval": 3}])
def test_a_stopped_and_resumed_run_sees_the_same_batches(indexed, tmp_path, stopped_at, limits):
    _, whole = fit(Recorder(), indexed(batch_size=4), 20, **limits)
    stopped, before = fit(Recorder(), indexed(batch_size=4), stopped_at, **limits)
    stopped.save_checkpoint(tmp_path / "stopped.ckpt")
    _, after = fit(Recorder(), indexed(batch_size=4), 20, tmp_path / "stopped.ckpt", **limits)
    assert before + after == whole


def test_workers_do_not_change_the_batches_of_a_resumed_run(indexed, tmp_path):
    _, whole = fit(Recorder(), indexed(batch_size=4), 12)
    stopped, before = fit(Recorder(), indexed(batch_size=4, num_workers=2), 5)
    stopped.save_checkpoint(tmp_path / "stopped.ckpt")
    _, after = fit(Recorder(), indexed(batch_size=4, num_workers=2), 12, tmp_path / "stopped.ckpt")
    assert before + after == whole


def test_a_step_that_died_is_done_again(indexed, tmp_path):
    _, whole = fit(Recorder(), indexed(batch_size=4), 12)
    died, module = trainer(12), Recorder(dies_at=5)
    with pytest.raises(InterruptedError):
        died.fit(module, indexed(batch_size=4))
    died.save_checkpoint(tmp_path / "died.ckpt")
    _, after = fit(Recorder(), indexed(batch_size=4), 12, tmp_path / "died.ckpt")
    assert module.seen + after == whole


def test_worker_processes_end_with_the_run(indexed):
    fitted, _ = fit(Recorder(), indexed(batch_size=4, num_workers=1), 2, limit_val_batches=0)
    assert fitted.train_dataloader.loader._iterator is None


def test_fit_and_resume_say_nothing_about_the_loaders(indexed, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stopped, _ = fit(Recorder(), indexed(batch_size=4), 5)
        stopped.save_checkpoint(tmp_path / "stopped.ckpt")
        fit(Recorder(), indexed(batch_size=4), 12, tmp_path / "stopped.ckpt")
    assert not [str(warning.message) for warning in caught if "loader" in str(warning.message)]


def test_overfit_batches_shows_the_same_batches_again(indexed):
    module = Recorder()
    trainer(max_epochs=3, overfit_batches=2).fit(module, indexed(batch_size=4))
    assert module.seen == 3 * module.seen[:2]
    assert module.seen[0] != module.seen[1]
