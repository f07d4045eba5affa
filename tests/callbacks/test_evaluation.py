import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from datamodules import MNISTSampleDataModule
from gan_lightning.callbacks import BestCheckpoint, EarlyStop, samplewise
from gan_lightning.callbacks.evaluation import Evaluation
from gan_lightning.callbacks.samplewise import Samplewise
from gan_lightning.images import to_float, to_uint8
from gan_lightning.metrics import (
    FeatureExtractor,
    KernelDistance,
    MNISTFeatures,
    PairwiseDiversity,
    PrecisionRecall,
)

REALS, FAKES = 40, 64


class PixelFeatures(FeatureExtractor):
    """The two pixels of a 1x2 image; counts the images it sees."""

    num_features = 2
    fid_name = "fid_pixels"
    preprocessing = "none"

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def build(self) -> nn.Module:
        return nn.Identity()

    def prepare(self, pixels: Tensor) -> Tensor:
        self.seen += len(pixels)
        return pixels.flatten(1).float()


class CornerFeatures(PixelFeatures):
    """The first two pixels of an image of any size."""

    def prepare(self, pixels: Tensor) -> Tensor:
        self.seen += len(pixels)
        return pixels.float().flatten(1)[:, :2]


class BiasedPixelFeatures(PixelFeatures):
    recommended_samples = 1000


def balanced_pixels(n: int, mean: tuple[int, int], deviation: tuple[int, int]) -> Tensor:
    """uint8 (n, 1, 1, 2) with exactly these means and (biased) standard deviations, uncorrelated; n % 4 == 0."""
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]]).repeat(n // 4, 1)
    return (torch.tensor(mean) + signs * torch.tensor(deviation)).to(torch.uint8)[:, None, None]


class Painter(LightningModule):
    """Has no networks: paints fakes of known moments, a few of them broken after a given step."""

    num_classes = 0

    def __init__(self, broken: int = 0, broken_from: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.generator = nn.Dropout()
        self.ema = nn.Identity()
        self.broken, self.broken_from = broken, broken_from
        self.seeds: list[int] = []

    def sample(self, n: int, labels: Tensor | None = None, seed: int | None = None) -> Tensor:
        self.seeds.append(seed)
        images = to_float(balanced_pixels(n, mean=(110, 60), deviation=(20, 5)))
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        if self.global_step >= self.broken_from:
            images[: self.broken, ..., 0] = math.nan
        return images[order]

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.weight

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None: ...

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None: ...

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


class Pixels(LightningDataModule):
    def __init__(self, fingerprint: str | None = "pixels-v1", reals: int = REALS, first_mean: int = 100) -> None:
        super().__init__()
        if fingerprint is not None:
            self.fingerprint = fingerprint
        images = to_float(balanced_pixels(reals, mean=(first_mean, 60), deviation=(10, 10)))
        self.data = TensorDataset(images, torch.zeros(reals, dtype=torch.long))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.data, batch_size=8)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.data, batch_size=8)

    test_dataloader = val_dataloader


def expected_distance(reals: int = REALS, fakes: int = FAKES, mean_difference: float = 10) -> float:
    """Of the Gaussians painted above: squared mean differences plus squared differences of unbiased deviations."""
    real_scale, fake_scale = math.sqrt(reals / (reals - 1)), math.sqrt(fakes / (fakes - 1))
    return mean_difference**2 + (10 * real_scale - 20 * fake_scale) ** 2 + (10 * real_scale - 5 * fake_scale) ** 2


def make_trainer(folder: Path, callback: Evaluation, *others: object, **kwargs: object) -> Trainer:
    defaults = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(default_root_dir=folder, callbacks=[callback, *others], **(defaults | kwargs))


def make_evaluation(**kwargs: object) -> Evaluation:
    defaults = {"features": PixelFeatures(), "num_samples": FAKES, "test_num_samples": FAKES, "batch_size": 16}
    return Evaluation(**(defaults | kwargs))


def validate(folder: Path, data: LightningDataModule, **kwargs: object) -> Evaluation:
    evaluation = make_evaluation()
    make_trainer(folder, evaluation, **kwargs).validate(Painter(), data, verbose=False)
    return evaluation


def test_value_of_two_gaussians_is_the_closed_form_at_validate_and_test(tmp_path):
    evaluation = make_evaluation()
    trainer = make_trainer(tmp_path, evaluation)
    logged = trainer.validate(Painter(), Pixels(), verbose=False)
    assert logged[0]["val/fid_pixels"] == pytest.approx(expected_distance(), rel=1e-6)
    logged = trainer.test(Painter(), Pixels(), verbose=False)
    assert logged[0]["test/fid_pixels"] == pytest.approx(expected_distance(), rel=1e-6)


def test_report_states_the_protocol(tmp_path):
    evaluation = validate(tmp_path, Pixels())
    report = evaluation.report
    assert report.protocol() == {
        "metric": "val/fid_pixels",
        "fakes": FAKES,
        "reals": REALS,
        "split": "val",
        "data": "pixels-v1",
        "extractor": f"PixelFeatures {evaluation.features.fingerprint}",
        "ema": True,
        "seed": 0,
        "batch_size": 16,
        "class_counts": None,
    }
    line = f"val/fid_pixels {report.value:.2f} at step 0: 64 fakes (EMA, seed 0) against 40 val images of pixels-v1"
    assert str(report).startswith(line)


def test_protocol_reaches_the_loggers_once(tmp_path):
    loggers = [CSVLogger(tmp_path, "csv"), TensorBoardLogger(tmp_path, "tensorboard")]
    trainer = make_trainer(tmp_path, make_evaluation(), logger=loggers, max_epochs=2, num_sanity_val_steps=0)
    with pytest.MonkeyPatch.context() as patch:
        sent = []
        patch.setattr(loggers[0], "log_hyperparams", sent.append)
        trainer.fit(Painter(), Pixels())
    assert [params["evaluation"]["fakes"] for params in sent if "evaluation" in params] == [FAKES]


def test_fit_evaluates_each_epoch_but_not_the_sanity_check_and_sees_reals_once(tmp_path):
    painter, evaluation = Painter(), make_evaluation()
    make_trainer(tmp_path, evaluation, max_epochs=3, num_sanity_val_steps=2).fit(painter, Pixels())
    assert evaluation.features.seen == REALS + 3 * FAKES
    assert evaluation.report.value == pytest.approx(expected_distance(), rel=1e-6)
    assert evaluation.report.step == 15


def test_each_batch_of_fakes_has_its_own_seed_and_the_same_at_every_evaluation(tmp_path):
    painter = Painter()
    trainer = make_trainer(tmp_path, make_evaluation(num_samples=60), max_epochs=2, num_sanity_val_steps=0)
    trainer.fit(painter, Pixels())
    assert painter.seeds == [0, 1, 2, 3] * 2
    other = Painter()
    make_trainer(tmp_path, make_evaluation(seed=1)).validate(other, Pixels(), verbose=False)
    assert len(set(other.seeds)) == 4
    assert not set(other.seeds) & set(painter.seeds)


@pytest.mark.parametrize(
    ("counts", "expected"), [([60, 30, 10], [38.4, 19.2, 6.4]), ([0, 5], [0, 64]), (None, [21.3, 21.3, 21.3])], ids=str
)
def test_a_conditional_gan_draws_classes_as_often_as_the_training_images_have_them(tmp_path, counts, expected):
    class Conditional(Painter):
        num_classes = 3

        def sample(self, n: int, labels: Tensor | None = None, seed: int | None = None) -> Tensor:
            self.drawn.append(labels)
            return super().sample(n, seed=seed)

    data, painter, evaluation = Pixels(), Conditional(), make_evaluation()
    painter.drawn = []
    data.class_counts = counts
    make_trainer(tmp_path, evaluation).validate(painter, data, verbose=False)
    assert len(painter.drawn) == FAKES // 16
    assert torch.cat(painter.drawn).bincount().tolist() == pytest.approx(expected, abs=2)
    share = pytest.approx([count / 4 for count in expected], abs=2)
    assert all(labels.bincount(minlength=len(expected)).tolist() == share for labels in painter.drawn)
    assert evaluation.report.class_counts == (counts or [1, 1, 1])


def test_evaluation_leaves_random_state_and_training_flags_alone(tmp_path):
    class Watched(Painter):
        def on_validation_epoch_start(self) -> None:
            self.generator.train()
            self.state_before = torch.get_rng_state()

        def on_validation_end(self) -> None:
            self.unchanged = torch.equal(self.state_before, torch.get_rng_state())
            self.still_training = self.generator.training

    module = Watched()
    make_trainer(tmp_path, make_evaluation()).validate(module, Pixels(), verbose=False)
    assert module.unchanged
    assert module.still_training
    assert not any(name.startswith("features") for name in module.state_dict())


def test_half_precision_images_are_quantised_exactly(tmp_path):
    evaluation = validate(tmp_path, Pixels(), precision="bf16-true")
    assert evaluation.report.value == pytest.approx(expected_distance(), rel=1e-6)


def cache_files(folder: Path) -> list[Path]:
    return sorted((folder / "cache").glob("**/*"))


def test_cached_statistics_replace_the_real_images_and_give_the_same_value(tmp_path):
    first, second = validate(tmp_path, Pixels()), validate(tmp_path, Pixels())
    assert (first.features.seen, second.features.seen) == (REALS + FAKES, FAKES)
    assert first.report == second.report
    (file,) = cache_files(tmp_path)
    assert file.name.startswith("val-")


def test_cache_dir_is_used_and_created(tmp_path):
    evaluation = make_evaluation(cache_dir=str(tmp_path / "elsewhere" / "deep"))
    make_trainer(tmp_path, evaluation).validate(Painter(), Pixels(), verbose=False)
    assert len(list((tmp_path / "elsewhere" / "deep").iterdir())) == 1
    assert not cache_files(tmp_path)


@pytest.mark.parametrize("other", [Pixels("pixels-v2"), Pixels(reals=44)], ids=["fingerprint", "count"])
def test_other_data_miss_the_cache(tmp_path, other):
    validate(tmp_path, Pixels())
    assert validate(tmp_path, other).features.seen > FAKES
    assert len(cache_files(tmp_path)) == 2


def test_other_split_misses_the_cache(tmp_path):
    validate(tmp_path, Pixels())
    evaluation = make_evaluation()
    make_trainer(tmp_path, evaluation).test(Painter(), Pixels(), verbose=False)
    assert evaluation.features.seen == REALS + FAKES


def test_data_without_fingerprint_are_cached_in_memory_only(tmp_path):
    evaluation = make_evaluation()
    trainer = make_trainer(tmp_path, evaluation, max_epochs=2, num_sanity_val_steps=0)
    trainer.fit(Painter(), Pixels(fingerprint=None))
    assert evaluation.features.seen == REALS + 2 * FAKES
    assert evaluation.report.data == "unnamed data"
    assert not cache_files(tmp_path)


def test_loader_of_finished_batches_is_cached_by_its_dataset(tmp_path):
    class Loader:
        def __init__(self, dataset: TensorDataset) -> None:
            self.dataset = dataset

        def __len__(self) -> int:
            return 2

        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return iter(DataLoader(self.dataset, batch_size=len(self.dataset) // 2))

    class Batched(Pixels):
        def val_dataloader(self) -> Loader:
            return Loader(self.data)

    assert validate(tmp_path, Batched()).features.seen == REALS + FAKES
    assert validate(tmp_path, Batched()).features.seen == FAKES


def test_bundled_digits_are_cached(tmp_path):
    def evaluate() -> Evaluation:
        evaluation = make_evaluation(features=CornerFeatures())
        make_trainer(tmp_path, evaluation).validate(Painter(), MNISTSampleDataModule(val_size=100), verbose=False)
        return evaluation

    assert evaluate().features.seen == 1 + 100 + FAKES  # the one is shown at setup
    assert evaluate().features.seen == 1 + FAKES


def test_cut_validation_neither_writes_nor_reads_the_cache(tmp_path):
    assert validate(tmp_path, Pixels(), limit_val_batches=2).report.reals == 16
    assert not cache_files(tmp_path)
    validate(tmp_path, Pixels())
    assert validate(tmp_path, Pixels(), limit_val_batches=2).report.reals == 16


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def replace_with_text(file: Path) -> None:
    file.write_text("not safetensors")


def replace_with_other_key(file: Path) -> None:
    validate(file.parent / "other", Pixels("other", first_mean=200))
    (other,) = cache_files(file.parent / "other")
    other.replace(file)


@pytest.mark.parametrize("damage", [truncate, replace_with_text, replace_with_other_key])
def test_damaged_or_foreign_cache_is_ignored_with_a_warning_and_rebuilt(tmp_path, damage):
    validate(tmp_path, Pixels())
    (file,) = cache_files(tmp_path)
    damage(file)
    with pytest.warns(UserWarning, match="Ignored the cache") as caught:
        evaluation = validate(tmp_path, Pixels())
    assert sum("Ignored the cache" in str(warning.message) for warning in caught) == 1
    assert evaluation.report.value == pytest.approx(expected_distance(), rel=1e-6)
    assert validate(tmp_path, Pixels()).features.seen == FAKES


def test_folder_that_cannot_be_written_to_costs_a_warning(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="was not kept"):
        evaluation = validate(tmp_path, Pixels())
    assert evaluation.report.value == pytest.approx(expected_distance(), rel=1e-6)


def fit_with_checkpoints(folder: Path, painter: Painter) -> tuple[Evaluation, ModelCheckpoint, ModelCheckpoint]:
    """Three epochs of five steps; the best checkpoint and, since `save_last` follows the best one, the last."""
    evaluation, last = make_evaluation(), ModelCheckpoint(folder / "last")
    best = ModelCheckpoint(folder / "best", monitor="val/fid_pixels")
    settings = {"max_epochs": 3, "num_sanity_val_steps": 0, "enable_checkpointing": True}
    logger = CSVLogger(folder, "csv", version="")
    make_trainer(folder, evaluation, best, last, logger=logger, **settings).fit(painter, Pixels())
    return evaluation, best, last


def saved_step(checkpoint: ModelCheckpoint) -> int:
    return torch.load(checkpoint.best_model_path, weights_only=True)["global_step"]


def test_non_finite_images_are_reported_and_training_and_checkpoints_go_on(tmp_path):
    with pytest.warns(UserWarning, match="12 of 64 images of the generator are not finite at step 10") as caught:
        evaluation, best, last = fit_with_checkpoints(tmp_path, Painter(broken=3, broken_from=10))
    assert sum("not finite" in str(warning.message) for warning in caught) == 2
    assert math.isnan(evaluation.report.value)
    assert best.best_model_score == pytest.approx(expected_distance(), rel=1e-6)
    assert (saved_step(best), saved_step(last)) == (5, 15)
    assert "nan" in (tmp_path / "csv" / "metrics.csv").read_text()


def test_non_finite_images_from_the_start_do_not_stop_training_or_saving(tmp_path):
    with pytest.warns(UserWarning, match="64 of 64 images"):
        _, _, last = fit_with_checkpoints(tmp_path, Painter(broken=16))
    assert saved_step(last) == 15


def test_two_processes_give_the_value_and_the_cache_of_one(tmp_path):
    class Sharded(Pixels):
        def val_dataloader(self) -> DataLoader:
            rank, ranks = self.trainer.global_rank, self.trainer.world_size
            return DataLoader(self.data, batch_size=8, sampler=range(rank, REALS, ranks))

    evaluation = make_evaluation(num_samples=48)  # three batches of fakes for two processes
    trainer = make_trainer(tmp_path, evaluation, devices=2, strategy="ddp_fork", use_distributed_sampler=False)
    logged = trainer.validate(Painter(), Sharded(), verbose=False)
    assert logged[0]["val/fid_pixels"] == pytest.approx(expected_distance(fakes=48), rel=1e-6)
    alone = make_evaluation(num_samples=48)
    make_trainer(tmp_path, alone).validate(Painter(), Pixels(), verbose=False)
    assert alone.features.seen == 48
    assert alone.report.value == pytest.approx(expected_distance(fakes=48), rel=1e-6)
    again = make_trainer(tmp_path, evaluation, devices=2, strategy="ddp_fork", use_distributed_sampler=False)
    cached = again.validate(Painter(), Sharded(), verbose=False)
    assert cached[0]["val/fid_pixels"] == pytest.approx(expected_distance(fakes=48), rel=1e-6)


def test_one_real_image_is_too_few(tmp_path):
    data = Pixels()
    data.data = torch.utils.data.Subset(data.data, [0])
    with pytest.raises(ValueError, match="at least 2 real images, the val loader gave 1"):
        validate(tmp_path, data)


@pytest.mark.parametrize("checked", [0, 2])
def test_one_real_image_is_noticed_before_training(tmp_path, checked):
    data, painter = Pixels(), Painter()
    data.val_dataloader = lambda: DataLoader(torch.utils.data.Subset(data.data, [0]))
    trainer = make_trainer(tmp_path, make_evaluation(), max_epochs=1, num_sanity_val_steps=checked)
    with pytest.raises(ValueError, match=r"2 real images, the val loader gave 1: .* --evaluation\.num_samples 0"):
        trainer.fit(painter, data)
    assert trainer.global_step == 0
    quiet = make_evaluation(num_samples=0)
    make_trainer(tmp_path, quiet, max_epochs=1, num_sanity_val_steps=checked).fit(painter, data)
    assert quiet.report is None


def test_biased_extractor_warns_once_per_run(tmp_path):
    evaluation = make_evaluation(features=BiasedPixelFeatures())
    trainer = make_trainer(tmp_path, evaluation, max_epochs=2, num_sanity_val_steps=0)
    with pytest.warns(UserWarning, match="biased on 64 fakes") as caught:
        trainer.fit(Painter(), Pixels())
    assert sum("biased" in str(warning.message) for warning in caught) == 1
    enough = make_evaluation(features=BiasedPixelFeatures(), num_samples=1000)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*biased")
        make_trainer(tmp_path, enough).validate(Painter(), Pixels(), verbose=False)


@pytest.mark.parametrize("argument", ["num_samples", "test_num_samples", "batch_size", "seed"])
def test_impossible_numbers_are_refused(argument):
    with pytest.raises(ValueError, match="at least"):
        Evaluation(**{argument: -1})


def test_image_size_that_the_extractor_cannot_take_is_refused_before_training(tmp_path):
    painter, data = Painter(), Pixels()
    data.image_shape = (1, 1, 2)
    with pytest.raises(ValueError, match="got 1 channels of 1x2"):
        make_trainer(tmp_path, make_evaluation(features=MNISTFeatures())).fit(painter, data)
    assert not painter.seeds


class Shaped(Pixels):
    """Data of any shape and range, for validation and training."""

    def __init__(self, images: Tensor, with_labels: bool = True, declare: bool = True) -> None:
        super().__init__("shaped")
        if declare:
            self.image_shape = tuple(images.shape[1:])
        self.data = TensorDataset(images, torch.zeros(len(images))) if with_labels else TensorDataset(images)


@pytest.mark.parametrize(
    ("shape", "name"), [((3, 28, 28), "patches"), ((1, 64, 64), "patches"), ((1, 28, 28), "mnist")]
)
def test_images_are_judged_by_features_that_suit_them(tmp_path, shape, name):
    evaluation, best, stop = Evaluation(num_samples=8, metrics=[]), BestCheckpoint(), EarlyStop()
    options = {"max_epochs": 1, "num_sanity_val_steps": 0, "enable_checkpointing": True}
    trainer = make_trainer(tmp_path, stop, evaluation, best, **options)
    images = torch.rand(16, *shape) - 0.5
    painter = Painter()
    painter.sample = lambda n, seed: images[:n]
    trainer.fit(painter, Shaped(images))
    assert evaluation.report.metric == best.monitor == stop.monitor == f"val/fid_{name}"
    assert best.best_model_score == evaluation.report.value
    assert best.mode == stop.mode == "min"


@pytest.mark.parametrize(
    ("shape", "declare"), [((3, 28, 28), False), ((1, 64, 64), False), ((1, 1, 2), False), ((1, 1, 2), True)]
)
def test_images_that_no_extractor_is_known_for_cost_one_warning(tmp_path, shape, declare):
    evaluation = Evaluation(num_samples=8)
    trainer = make_trainer(tmp_path, evaluation, max_epochs=2, num_sanity_val_steps=0)
    with pytest.warns(
        UserWarning, match="There will be no evaluation. MNISTFeatures judges grey digits .*Inception"
    ) as caught:
        trainer.fit(Painter(), Shaped(torch.full((16, *shape), -0.5), declare=declare))
    assert sum("no evaluation" in str(warning.message) for warning in caught) == 1
    assert evaluation.report is None
    assert trainer.global_step == 4
    assert not any(key.startswith("val/") for key in trainer.callback_metrics)


def test_a_chosen_extractor_that_cannot_judge_is_an_error_also_for_data_of_unknown_shape(tmp_path):
    evaluation = make_evaluation(features=MNISTFeatures())
    with pytest.raises(ValueError, match="got 3 channels of 8x8"):
        make_trainer(tmp_path, evaluation).validate(Painter(), Shaped(torch.zeros(4, 3, 8, 8) - 0.5, declare=False))


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize(("low", "high"), [(0, 255), (-2.1, 2.6), (-1, math.nan), (-math.inf, 1)])
def test_images_out_of_range_are_refused_with_what_was_found(tmp_path, split, low, high):
    images = torch.linspace(0, 1, 16).view(8, 1, 1, 2)
    images = images * (high - low) + low if math.isfinite(high - low) else images.clone()
    images.view(-1)[0], images.view(-1)[-1] = low, high
    trainer = make_trainer(tmp_path, make_evaluation())
    judge = trainer.validate if split == "val" else trainer.test
    with pytest.raises(ValueError, match=rf"{split} split must be in \[-1, 1\], got values from {low:.4g} to|nan"):
        judge(Painter(), Shaped(images), verbose=False)
    assert not cache_files(tmp_path)


def as_tensors(batch: list[tuple[Tensor, ...]]) -> Tensor:
    return torch.stack([images for images, *_ in batch])


@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize("form", ["pair", "single", "bare"])
def test_a_batch_may_be_bytes_or_images_alone(tmp_path, as_bytes, form):
    pixels = balanced_pixels(REALS, mean=(100, 60), deviation=(10, 10))
    data = Shaped(pixels if as_bytes else to_float(pixels), with_labels=form == "pair")
    if form == "bare":
        loader = DataLoader(data.data, batch_size=8, collate_fn=as_tensors)
        data.val_dataloader = lambda: loader
    evaluation = make_evaluation()
    make_trainer(tmp_path, evaluation).validate(Painter(), data, verbose=False)
    assert evaluation.report.value == pytest.approx(expected_distance(), rel=1e-6)


def test_wandb_keeps_the_lowest_distance_in_its_summary(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    from lightning.pytorch.loggers import WandbLogger

    class Worse(Painter):
        def sample(self, n: int, labels: Tensor | None = None, seed: int | None = None) -> Tensor:
            return super().sample(n, labels, seed) / (1 + self.global_step / 10)

    logger = WandbLogger(save_dir=tmp_path, project="p")
    evaluation = make_evaluation()
    trainer = make_trainer(tmp_path, evaluation, logger=logger, max_epochs=3, num_sanity_val_steps=0)
    values = []

    class Record(Callback):
        def on_validation_end(self, trainer: Trainer, *_: object) -> None:
            values.append(evaluation.report.value)

    trainer.callbacks.append(Record())
    trainer.fit(Worse(), Pixels())
    summary = dict(logger.experiment.summary)
    logger.experiment.finish()
    assert values == sorted(values)
    assert summary["val/fid_pixels"]["min"] == pytest.approx(values[0])


def test_construction_reads_nothing_and_default_is_mnist():
    evaluation = Evaluation()
    assert isinstance(evaluation.features, MNISTFeatures)
    assert evaluation.features.network is None
    assert evaluation.report is None


def test_other_metrics_stand_beside_the_distance_and_are_of_as_many_real_images(tmp_path):
    evaluation = make_evaluation(num_samples=32, metrics=[PrecisionRecall(), PairwiseDiversity()])
    logged = make_trainer(tmp_path, evaluation).validate(Painter(), Pixels(), verbose=False)[0]
    features, painter = PixelFeatures(), Painter()
    fakes = [features(to_uint8(painter.sample(16, seed=batch))) for batch in range(2)]
    places = torch.arange(REALS).double() * (math.sqrt(5) - 1) / 2 % 1
    chosen = places.argsort()[:32].sort()[0]
    reals = features(to_uint8(torch.stack([Pixels().data[index][0] for index in chosen])))
    for metric in (PrecisionRecall(), PairwiseDiversity()):
        metric.update(reals, real=True)
        metric.update(torch.cat(fakes), real=False)
        for name, value in metric.compute().items():
            assert logged[f"val/{name}"] == pytest.approx(value.item(), rel=1e-6)
    again = make_evaluation(num_samples=32, metrics=[PrecisionRecall(), PairwiseDiversity()])
    assert make_trainer(tmp_path, again).validate(Painter(), Pixels(), verbose=False)[0] == pytest.approx(logged)
    assert again.features.seen == 32  # real images are those of the cache


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize(("count", "num"), [(1000, 100), (997, 350), (50, 60), (7, 2)])
def test_real_images_are_chosen_evenly_from_all_of_a_split(ranks, count, num, monkeypatch):
    processes = [Samplewise([PrecisionRecall()], num, 1) for _ in range(ranks)]
    for rank, process in enumerate(processes):
        for rows in torch.arange(rank, count, ranks)[:, None].float().split(64):
            process.add_real(rows, rank, ranks)
            assert len(process._real) <= num  # memory
    monkeypatch.setattr(samplewise, "_of_all", lambda own: [(each._indices, each._real) for each in processes])
    chosen = processes[0].gather_real().flatten()
    assert len(chosen) == min(num, count) and (chosen.diff() > 0).all()
    shares = (chosen < torch.arange(count + 1)[:, None]).sum(1) - torch.arange(count + 1) * len(chosen) / count
    assert shares.abs().max() < 3  # of every stretch from the first image on


def test_split_in_order_of_its_classes_does_not_hide_a_lost_class(tmp_path):
    class Ordered(Pixels):
        """Dark images, then bright ones."""

        def __init__(self) -> None:
            super().__init__()
            images = torch.cat([balanced_pixels(200, (mean, 60), (20, 5)) for mean in (110, 220)])
            self.data = TensorDataset(to_float(images), torch.zeros(400, dtype=torch.long))

    evaluation = make_evaluation(num_samples=200, metrics=[PrecisionRecall(coverage_neighbours=3)])
    found = make_trainer(tmp_path, evaluation).validate(Painter(), Ordered(), verbose=False)[0]
    assert found["val/recall"] == found["val/coverage"] == pytest.approx(0.5, abs=0.02)  # the painter's are dark


def test_other_metrics_of_two_processes_are_those_of_one(tmp_path):
    class Sharded(Pixels):
        def val_dataloader(self) -> DataLoader:
            rank, ranks = self.trainer.global_rank, self.trainer.world_size
            return DataLoader(self.data, batch_size=8, sampler=range(rank, REALS, ranks))

    found = []
    for folder, data, settings in (("one", Pixels(), {}), ("two", Sharded(), {"devices": 2, "strategy": "ddp_fork"})):
        metrics = [PrecisionRecall(), KernelDistance(subsets=3, subset_size=20)]
        evaluation = make_evaluation(num_samples=24, metrics=metrics)
        for _ in range(2):  # without a cache, and with one
            trainer = make_trainer(tmp_path / folder, evaluation, use_distributed_sampler=False, **settings)
            found.append(trainer.validate(Painter(), data, verbose=False)[0])
    assert {"val/kid_mean", "val/coverage"} <= found[0].keys()
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-6)


def test_a_metric_that_needs_more_images_is_left_out_with_one_warning(tmp_path):
    evaluation = make_evaluation(metrics=[KernelDistance()])
    trainer = make_trainer(tmp_path, evaluation, max_epochs=2, num_sanity_val_steps=0)
    with pytest.warns(UserWarning, match="left out of the evaluation: KernelDistance needs at least 1000") as caught:
        trainer.fit(Painter(), Pixels())
    assert sum("left out" in str(warning.message) for warning in caught) == 1
    assert "val/fid_pixels" in trainer.callback_metrics and "val/kid_mean" not in trainer.callback_metrics


@pytest.mark.parametrize(("monitor", "mode"), [("val/recall", "max"), ("val/kid_mean", "min"), ("val/fid", "min")])
def test_best_checkpoints_and_early_stopping_know_what_is_good(monitor, mode):
    assert BestCheckpoint(monitor).mode == EarlyStop(monitor).mode == mode
    assert BestCheckpoint(monitor, "max").mode == EarlyStop(monitor, mode="max").mode == "max"
