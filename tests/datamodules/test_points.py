import itertools
import math

import lightning
import pytest
import torch

from datamodules.gaussian import GaussianDataModule
from datamodules.grid import GridDataModule
from datamodules.ring import RingDataModule

SETS = [RingDataModule, GridDataModule, GaussianDataModule]
SPLITS = ("train", "val", "test")
every_set = pytest.mark.parametrize("cls", SETS)


def points_and_labels(data, split):
    """All points of a split, in the units of the modes."""
    dataset = data.dataset(split)
    images, labels = dataset[list(range(len(dataset)))]
    return data.to_points(images.double()), labels


@every_set
@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"num_train": 0}, "num_train is 0, but must be at least 1"),
        ({"num_val": 0}, "num_val is 0, but must be at least 1"),
        ({"num_test": 0}, "num_test is 0, but must be at least 1"),
        ({"std": 0.0}, "std is 0.0, but must be above 0"),
        ({"seed": -1}, "seed is -1, but must be at least 0"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_numbers_are_checked_at_construction(cls, argument, said):
    with pytest.raises(ValueError, match=said):
        cls(**argument)


@pytest.mark.parametrize(
    ("cls", "argument"),
    [
        (RingDataModule, {"num_modes": 0}),
        (RingDataModule, {"radius": 0.0}),
        (GridDataModule, {"side": 1}),
        (GridDataModule, {"extent": -4.0}),
    ],
)
def test_shapes_of_a_mixture_are_checked_at_construction(cls, argument):
    (name, value), *_ = argument.items()
    with pytest.raises(ValueError, match=rf"^{name} is {value}, but must be (at least \d|above 0)\.$"):
        cls(**argument)


def test_modes_of_the_ring_are_evenly_spaced_on_a_circle_of_radius_2():
    modes = RingDataModule().modes
    assert modes.shape == (8, 2)
    assert torch.allclose(modes.norm(dim=1), torch.tensor(2.0, dtype=torch.float64))
    assert torch.allclose(modes[0], torch.tensor([2.0, 0.0], dtype=torch.float64))
    side = 2 * 2 * math.sin(math.pi / 8)
    assert torch.allclose((modes - modes.roll(1, 0)).norm(dim=1), torch.tensor(side, dtype=torch.float64))


def test_modes_of_the_grid_are_all_pairs_of_five_places():
    places = (-4.0, -2.0, 0.0, 2.0, 4.0)
    assert GridDataModule().modes.tolist() == [list(pair) for pair in itertools.product(places, places)]


@pytest.mark.parametrize(
    ("cls", "shape", "classes"),
    [(RingDataModule, (1, 1, 2), 8), (GridDataModule, (1, 1, 2), 25), (GaussianDataModule, (1, 1, 1), 0)],
)
def test_shape_and_classes(cls, shape, classes):
    data = cls(batch_size=16)
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (16, *shape) == (16, *data.image_shape)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert data.num_classes == classes
    assert labels.max() < max(classes, 1)


@every_set
@pytest.mark.parametrize("split", SPLITS)
def test_points_of_each_mode_have_its_mean_and_standard_deviation(cls, split):
    data = cls()
    points, labels = points_and_labels(data, split)
    assert labels.unique().tolist() == list(range(len(data.modes)))
    for label, mode in enumerate(data.modes):
        of_mode = points[labels == label]
        error = data.std / len(of_mode) ** 0.5  # of a mean; that of a standard deviation is smaller by sqrt(2)
        assert (of_mode.mean(0) - mode).abs().max() < 5 * error
        assert (of_mode.std(0) - data.std).abs().max() < 5 * error / 2**0.5


@every_set
def test_noise_is_gaussian_and_its_axes_are_apart(cls):
    data = cls()
    points, labels = points_and_labels(data, "train")
    noise = (points - data.modes[labels]) / data.std
    for sigmas, share in ((1, 0.682689), (2, 0.954500), (3, 0.997300)):
        error = (share * (1 - share) / noise.numel()) ** 0.5
        assert abs((noise.abs() < sigmas).double().mean() - share) < 5 * error
    correlations = noise.T.corrcoef().reshape(noise.shape[1], -1) - torch.eye(noise.shape[1])
    assert correlations.abs().max() < 5 / len(noise) ** 0.5


@every_set
def test_modes_have_as_many_points(cls):
    _, labels = points_and_labels(cls(), "train")
    assert labels.bincount().unique().numel() == 1


@every_set
def test_images_are_points_divided_by_the_scale_and_stay_in_range(cls):
    data = cls()
    assert data.scale == pytest.approx(data.modes.abs().max() + 6 * data.std)
    images, _ = data.dataset("train")[list(range(100_000))]
    assert images.abs().max() < 1
    assert torch.allclose(data.to_points(images), images.flatten(1) * data.scale)
    assert data.to_points(torch.ones(3, *data.image_shape)).unique().item() == pytest.approx(data.scale)


@every_set
def test_the_rarest_noise_stays_in_range_too(cls, monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.zeros(shape, dtype=torch.float64))
    data = cls()
    images, labels = data.read("val")
    assert torch.allclose(data.to_points(images.double()), data.modes[labels] - 6 * data.std, atol=1e-6)
    assert images.min() >= -1


def test_points_are_finer_than_pixels_would_be():
    data = RingDataModule()
    points, _ = points_and_labels(data, "train")
    assert 2 * data.scale / 255 > data.std / 2
    assert points[:, 0].unique().numel() > 50_000


def test_point_k_is_a_function_of_seed_split_and_k_alone(monkeypatch):
    few = RingDataModule(num_train=100).dataset("train")
    monkeypatch.setenv("PL_GLOBAL_SEED", "5")
    torch.manual_seed(5)
    many = RingDataModule(num_train=1017, num_val=3).dataset("train")
    everything = list(range(100))
    assert torch.equal(few[everything][0], many[everything][0])
    assert torch.equal(few[everything][1], many[everything][1])


def test_seeds_and_splits_share_no_point():
    modules = [RingDataModule(num_train=500, num_val=500, num_test=500, seed=seed) for seed in range(4)]
    drawn = [set(map(tuple, points_and_labels(data, split)[0].tolist())) for data in modules for split in SPLITS]
    assert len(set().union(*drawn)) == sum(map(len, drawn)) == 4 * 3 * 500


def test_fingerprint_tells_sets_and_arguments_apart():
    arguments = ({}, {"std": 0.03}, {"seed": 1}, {"num_train": 9}, {"num_val": 9}, {"num_test": 9})
    modules = [cls(**argument) for cls in SETS for argument in arguments]
    modules += [
        RingDataModule(radius=1.0),
        RingDataModule(num_modes=7),
        GridDataModule(side=4),
        GaussianDataModule(0.0),
    ]
    assert len({data.fingerprint for data in modules}) == len(modules)
    assert RingDataModule(batch_size=3).fingerprint == modules[0].fingerprint


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_the_points_of_one(attach, world_size):
    shared = []
    for rank in range(world_size):
        data = RingDataModule(num_val=50, eval_batch_size=7)
        attach(data, rank=rank, world_size=world_size)
        shared += [tuple(point) for images, _ in data.val_dataloader() for point in images.flatten(1).tolist()]
    whole, _ = RingDataModule(num_val=50).dataset("val")[list(range(50))]
    assert sorted(shared) == sorted(map(tuple, whole.flatten(1).tolist()))


@every_set
def test_a_check_finds_all_points_and_no_file_is_needed(cls, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = cls(num_train=1234)
    data.prepare_data()
    assert data.check(deep=True).ok
    assert f"train: 1,234 images of {data.image_shape}" in str(data.check())
    assert not list(tmp_path.iterdir())


@every_set
def test_a_gan_of_perceptrons_trains_on_them(cls, tmp_path):
    from gan_lightning import GAN

    data = cls(batch_size=32, num_train=64 * 32)
    gan = GAN(image_shape=data.image_shape, latent_dim=4)
    before = gan.sample(1000, seed=0)
    lightning.Trainer(
        max_steps=20,
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    ).fit(gan, data)
    points = data.to_points(gan.sample(1000, seed=0))
    assert points.shape == (1000, data.modes.shape[1])
    assert points.isfinite().all()
    assert not torch.equal(points, data.to_points(before))
