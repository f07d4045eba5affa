import pickle
import warnings

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.trainer.states import TrainerStatus

from datamodules import GaussianDataModule, ImageDataModule


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


@pytest.mark.parametrize(("argument", "least"), [("batch_size", 1), ("eval_batch_size", 1), ("num_workers", 0)])
@pytest.mark.parametrize("value", [-1, -7, 2.0, "4", True, None, [4]])
def test_numbers_are_checked_at_construction(indexed, argument, least, value):
    with pytest.raises(ValueError, match=rf"^{argument} is .*, but must be (an integer of )?at least {least}\.$"):
        indexed(**{argument: value})


@pytest.mark.parametrize(
    ("shape", "classes", "said"),
    [
        ((1, 0, 2), 1, r"^image_shape is \(1, 0, 2\), but must be three integers of at least 1"),
        ((1, 2, 2), -1, r"^num_classes is -1, but must be at least 0\.$"),
        ((1, 2, 2), 2.0, r"^num_classes is 2\.0, but must be an integer of at least 0\.$"),
    ],
)
def test_shape_and_classes_are_checked_at_construction(indexed, shape, classes, said):
    with pytest.raises(ValueError, match=said):
        ImageDataModule.__init__(indexed(), shape, classes)


def test_integers_of_numpy_become_those_of_python(indexed):
    data = indexed(batch_size=np.int64(4), eval_batch_size=np.uint8(5), num_workers=np.int32(0), flip=np.bool_(True))
    found = (data.batch_size, data.eval_batch_size, data.num_workers, data.flip)
    assert found == (4, 5, 0, True)
    assert [type(value) for value in found] == [int, int, int, bool]


@pytest.mark.parametrize("value", ["false", 0, 1, None])
def test_flip_is_true_or_false(indexed, value):
    with pytest.raises(ValueError, match=rf"^flip is {value!r}, but must be True or False\.$"):
        indexed(flip=value)


def test_an_abstract_class_says_what_it_lacks_and_what_to_take(indexed):
    class Half(ImageDataModule):
        version = "1"

    for kind, absent in ((ImageDataModule, "read and version"), (Half, "read")):
        with pytest.raises(TypeError) as raised:
            kind((1, 2, 2), 0)
        assert str(raised.value) == (
            f"{kind.__name__} is abstract: it does not define {absent}. Choose a data set, such as "
            f"ImageFolderDataModule, or define {absent} in a class of your own that is derived from it."
        )
    assert pickle.loads(pickle.dumps(GaussianDataModule(batch_size=3))).batch_size == 3


@pytest.mark.parametrize(
    ("counts", "stage", "split"),
    [
        ((0, 7, 8), "fit", "train"),
        ((39, 0, 8), "fit", "val"),
        ((39, 0, 8), "validate", "val"),
        ((39, 7, 0), "test", "test"),
    ],
)
def test_an_empty_split_is_an_error_at_setup(indexed, counts, stage, split):
    data = indexed(counts)
    with pytest.raises(ValueError, match=rf"^The {split} split of indexed is empty\. Let read\('{split}'\) return"):
        data.setup(stage)


@pytest.mark.parametrize(("label", "classes", "end"), [(-1, 10, 9), (10, 10, 9), (1, 0, 0)])
def test_labels_out_of_range_are_an_error_at_setup(indexed, monkeypatch, label, classes, end):
    monkeypatch.setattr(indexed, "read", lambda *_: (torch.zeros(3, 1, 2, 2).byte(), torch.tensor([0, label, 0])))
    data = indexed()
    data.num_classes = classes
    with pytest.raises(
        ValueError, match=f"train split .* has the label {label}, but labels must be from 0 to {end}: num"
    ):
        data.setup("fit")


def test_nothing_is_read_at_construction(indexed, monkeypatch):
    monkeypatch.setattr(indexed, "read", lambda *_: pytest.fail("read"))
    assert indexed().image_shape == (1, 2, 2)
    assert indexed().fingerprint.startswith("indexed-2px-")
    assert str(indexed()) == "IndexedDataModule(image_shape=(1, 2, 2), num_classes=39)"


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


def test_training_batch_holds_n_critic_micro_batches(indexed, attach):
    data = attach(indexed(batch_size=4), n_critic=3)
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


def test_training_split_smaller_than_a_batch_is_refused_with_the_largest_that_fits(indexed, attach):
    with pytest.raises(ValueError, match=r"holds 39 images.* 40: batch_size 5 x n_critic 4 x 2 devices.* at most 4"):
        attach(indexed(batch_size=5), n_critic=4, world_size=2).train_dataloader()
    assert len(attach(indexed(batch_size=4), n_critic=4, world_size=2).train_dataloader()) == 1


def test_a_training_split_that_no_batch_size_fits_asks_for_more_images(indexed, attach):
    with pytest.raises(ValueError, match=r"holds 7 images.* 8: batch_size 1 x .* devices\. Add images: 8 or more\.$"):
        attach(indexed((7, 1, 1), batch_size=1), n_critic=4, world_size=2).train_dataloader()


@pytest.mark.parametrize("name", ["val_dataloader", "test_dataloader", "predict_dataloader"])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_evaluation_sees_every_image_once_over_all_ranks(indexed, attach, name, world_size):
    loaders = [
        getattr(attach(indexed(eval_batch_size=2), rank=rank, world_size=world_size), name)()
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


class Keeper(Recorder):
    """Keeps the batches of each kind of step."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.batches = {"train": [], "val": [], "test": [], "predict": []}

    def training_step(self, batch, index):
        self.batches["train"].append(batch)
        super().training_step(batch, index)

    def validation_step(self, batch, _):
        self.batches["val"].append(batch)

    def test_step(self, batch, _):
        self.batches["test"].append(batch)

    def predict_step(self, batch, _):
        self.batches["predict"].append(batch)


@pytest.fixture
def watched(indexed):
    """Data that keep the type of what is handed to the device, and the batches of each loader by hand."""

    class Watched(indexed):
        def __init__(self, **kwargs):
            super().__init__(batch_size=4, eval_batch_size=3, **kwargs)
            self.handed = []

        def on_before_batch_transfer(self, batch, dataloader_idx):
            self.handed.append(batch[0].dtype)
            return batch

        def by_hand(self):
            return {name: list(getattr(self, f"{name}_dataloader")()) for name in ("train", "val", "test", "predict")}

    return Watched


def assert_equal(batches, expected, dtype=torch.float32):
    """The batches are equal to the bit, and the images in range and of a type."""
    assert batches
    for (images, labels), (wanted, wanted_labels) in zip(batches, expected, strict=True):
        assert images.dtype == dtype
        assert -1 <= images.min() < images.max() <= 1
        assert torch.equal(images, wanted.to(dtype))
        assert torch.equal(labels, wanted_labels)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_trainer_hands_uint8_to_the_device_and_its_steps_get_the_floats_of_a_loop_by_hand(watched, num_workers, flip):
    expected = watched(flip=flip).by_hand()
    assert {images.dtype for batches in expected.values() for images, _ in batches} == {torch.float32}
    data, module = watched(num_workers=num_workers, flip=flip), Keeper()
    runner = trainer(max_epochs=1, num_sanity_val_steps=0)
    runner.fit(module, data)
    runner.test(module, datamodule=data, verbose=False)
    runner.predict(module, datamodule=data)
    assert set(data.handed) == {torch.uint8}
    assert len(data.handed) == sum(map(len, expected.values()))
    for name, batches in expected.items():
        assert_equal(module.batches[name], batches)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("64-true", torch.float64), ("bf16-true", torch.bfloat16), ("bf16-mixed", torch.float32)]
)
def test_steps_get_floats_of_the_precision_of_the_trainer(watched, precision, dtype):
    data, module = watched(), Keeper()
    trainer(max_epochs=1, num_sanity_val_steps=0, precision=precision).fit(module, data)
    expected = watched().by_hand()
    assert set(data.handed) == {torch.uint8}
    for name in ("train", "val"):
        assert_equal(module.batches[name], expected[name], dtype)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_loop_by_hand_gets_floats_before_and_after_a_run(watched, num_workers):
    expected, data = watched().by_hand(), watched(num_workers=num_workers)
    before = data.val_dataloader()
    assert_equal(list(before), expected["val"])
    runner, module = trainer(max_epochs=1), Recorder()
    runner.fit(module, data)
    assert_equal(list(before), expected["val"])
    assert_equal(list(data.val_dataloader()), expected["val"])
    loader = runner.val_dataloaders  # the run's own
    assert_equal(list(loader), expected["val"])
    loader._iterator = None  # its workers end at once; when the trainer is collected, they take ten seconds


def test_a_loop_by_hand_gets_floats_after_a_run_that_died(watched):
    data = watched()
    with pytest.raises(InterruptedError):
        trainer(5).fit(Recorder(dies_at=2), data)
    assert_equal(list(data.val_dataloader()), watched().by_hand()["val"])


@pytest.mark.parametrize("made_in_the_run_before", [False, True])
def test_a_run_that_is_given_a_loader_without_its_data_gets_floats(watched, made_in_the_run_before):
    data, module = watched(), Keeper()
    runner = trainer(max_epochs=1)
    runner.fit(module, data)
    module.batches["val"].clear()
    loader = runner.val_dataloaders if made_in_the_run_before else data.val_dataloader()
    runner.validate(module, loader, verbose=False)
    assert_equal(module.batches["val"], watched().by_hand()["val"])


@pytest.mark.parametrize("name", ["train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader"])
@pytest.mark.parametrize(
    ("status", "dtype"),
    [
        (TrainerStatus.INITIALIZING, torch.float32),
        (TrainerStatus.RUNNING, torch.uint8),
        (TrainerStatus.FINISHED, torch.float32),
        (TrainerStatus.INTERRUPTED, torch.float32),
    ],
)
def test_loaders_give_uint8_while_the_trainer_runs(indexed, attach, name, status, dtype):
    loader = getattr(attach(indexed(batch_size=4), status=status), name)()
    assert next(iter(loader))[0].dtype == dtype


@pytest.mark.parametrize(
    "batch",
    [
        (torch.zeros(2, 1, 2, 2), torch.zeros(2).long()),
        (torch.zeros(2, 1, 2, 2).byte(), torch.zeros(2), torch.zeros(2)),
        {"images": torch.zeros(2, 1, 2, 2).byte()},
        torch.zeros(2, 1, 2, 2).byte(),
        None,
    ],
    ids=["floats", "three", "names", "one tensor", "nothing"],
)
def test_a_batch_of_anything_else_passes_as_it_is(indexed, batch):
    assert indexed().on_after_batch_transfer(batch, 0) is batch


@pytest.mark.parametrize("name", ["train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader"])
@pytest.mark.parametrize("available", [False, True])
def test_memory_is_pinned_if_the_trainer_computes_on_cuda_alone(indexed, attach, monkeypatch, name, available):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    pins = {
        device: getattr(attach(indexed(batch_size=4), device=device), name)().loader.pin_memory
        for device in ("cpu", "cuda:0", "mps")
    }
    assert pins == {"cpu": False, "cuda:0": True, "mps": False}
    assert getattr(indexed(batch_size=4), name)().loader.pin_memory is False
