import shutil
import unicodedata
import warnings
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

import datamodules.pixel_cache
from datamodules.folder import ImageFolderDataModule, place_of

SPLITS = ("train", "val", "test")


def write_images(root, names):
    """Images whose colour is their place in the list."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 7), (number, 0, 0)).save(root / name)
    return root


def sizes(data):
    return tuple(len(data.dataset(split)) for split in SPLITS)


def names_of(data, split):
    """The names of a split's images, by their colours; write_images wrote them in this order."""
    return {int(pixel) for pixel in data.dataset(split).pixels[:, 0, 0, 0]}


@pytest.fixture
def flat(tmp_path):
    return write_images(tmp_path / "my images", [f"{number}.png" for number in range(60)])


@pytest.fixture
def classes(tmp_path):
    names = [f"{animal}/{number}.png" for animal in ("dogs", "cats", "ants ü") for number in range(20)]
    return write_images(tmp_path / "animals", names)


def test_every_image_is_in_one_split_alone(flat):
    data = ImageFolderDataModule(str(flat), image_size=4)
    found = [names_of(data, split) for split in SPLITS]
    assert set.union(*found) == set(range(60))
    assert sum(map(len, found)) == sum(sizes(data)) == 60
    assert data.num_classes == 0
    assert data.dataset("train").labels.sum() == 0


def test_fractions_are_about_what_is_asked_for(tmp_path):
    places = torch.tensor([place_of(f"{number}.png") for number in range(20_000)])
    assert places.min() >= 0
    assert torch.allclose(torch.histc(places, 10, 0, 1) / 20_000, torch.tensor(0.1), atol=0.01)


def test_the_split_of_a_name_is_the_same_in_every_version_and_on_every_machine():
    assert place_of("cats/1.png") == 0.3900636143480227


def test_the_split_does_not_depend_on_how_accents_are_encoded():
    assert place_of(unicodedata.normalize("NFD", "é.png")) == place_of(unicodedata.normalize("NFC", "é.png"))


def test_adding_images_moves_no_other_to_another_split(flat):
    before = ImageFolderDataModule(str(flat), image_size=4)
    found = {split: names_of(before, split) for split in SPLITS}
    write_images(flat, [f"{number}.png" for number in range(90)])
    after = ImageFolderDataModule(str(flat), image_size=4)
    for split in SPLITS:
        assert found[split] == {number for number in names_of(after, split) if number < 60}


def test_fractions_share_one_cache(flat, monkeypatch):
    data = ImageFolderDataModule(str(flat), image_size=4)
    everything = data.cached.pixels
    monkeypatch.setattr(datamodules.pixel_cache, "decode_all", lambda *_: pytest.fail("decoded again"))
    other = ImageFolderDataModule(str(flat), image_size=4, val_fraction=0, test_fraction=0.5)
    assert sizes(other) != sizes(data)
    assert sizes(other)[1] == 0
    assert torch.equal(torch.cat([other.dataset(split).pixels for split in SPLITS]), everything)


def test_fingerprint_tells_sources_sizes_crops_and_fractions_apart(flat, classes):
    modules = [
        ImageFolderDataModule(str(flat), image_size=4),
        ImageFolderDataModule(str(flat), image_size=5),
        ImageFolderDataModule(str(flat), image_size=4, crop=6),
        ImageFolderDataModule(str(flat), image_size=4, val_fraction=0.3),
        ImageFolderDataModule(str(classes), image_size=4),
        ImageFolderDataModule(str(classes), image_size=4, labels=False),
    ]
    assert len({data.fingerprint for data in modules}) == len(modules)
    assert ImageFolderDataModule(str(flat), image_size=4, batch_size=3).fingerprint == modules[0].fingerprint


def test_sub_folders_are_classes_in_the_order_of_their_names(classes):
    data = ImageFolderDataModule(str(classes), image_size=4)
    assert (data.classes, data.num_classes) == (["ants ü", "cats", "dogs"], 3)
    for split in SPLITS:
        dataset = data.dataset(split)
        drawn = dataset.pixels[:, 0, 0, 0].long() // 20  # 0 for dogs, 1 for cats, 2 for ants
        assert torch.equal(dataset.labels, 2 - drawn)


def test_labels_can_be_left_out(classes):
    data = ImageFolderDataModule(str(classes), image_size=4, labels=False)
    assert (data.classes, data.num_classes) == ([], 0)


def test_a_zip_and_a_folder_are_the_same_set(classes, tmp_path):
    with zipfile.ZipFile(tmp_path / "animals.zip", "w") as archive:
        for path in sorted(classes.rglob("*.png")):
            archive.write(path, path.relative_to(classes))
    folder, archived = (ImageFolderDataModule(str(root), image_size=4) for root in (classes, archive.filename))
    assert archived.classes == folder.classes
    for split in SPLITS:
        assert torch.equal(archived.dataset(split).pixels, folder.dataset(split).pixels)
        assert torch.equal(archived.dataset(split).labels, folder.dataset(split).labels)


def test_a_folder_around_all_is_no_class(classes, tmp_path):
    shutil.copytree(classes, tmp_path / "around" / "photos" / "animals")
    assert ImageFolderDataModule(str(tmp_path / "around")).classes == ImageFolderDataModule(str(classes)).classes


def test_one_sub_folder_is_no_class(tmp_path):
    root = write_images(tmp_path, [f"cats/{number}.png" for number in range(20)])
    assert ImageFolderDataModule(str(root)).num_classes == 0


def test_images_beside_sub_folders_mean_no_classes_with_a_warning(classes):
    write_images(classes, ["stray.png"])
    with pytest.warns(UserWarning, match=r"no classes, for 1 of its 61 images lie in no sub-folder"):
        assert ImageFolderDataModule(str(classes)).num_classes == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageFolderDataModule(str(classes), labels=False)


def test_folders_named_after_splits_are_no_classes(tmp_path):
    root = write_images(tmp_path / "x", [f"{split}/{number}.png" for split in ("Train", "val") for number in range(20)])
    with pytest.raises(ValueError, match=r"named after splits \(Train, val\).* Set root to one of them"):
        ImageFolderDataModule(str(root))
    assert sum(sizes(ImageFolderDataModule(str(root), image_size=4, labels=False))) == 40


def test_images_of_all_sizes_modes_and_formats_make_one_set(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    formats = (
        ("RGB", "jpg"),
        ("L", "png"),
        ("RGBA", "webp"),
        ("P", "gif"),
        ("RGB", "bmp"),
        ("1", "png"),
        ("I;16", "png"),
    )
    for number in range(35):
        mode, suffix = formats[number % len(formats)]
        width, height = random.integers(3, 80, 2).tolist()
        Image.new(mode, (width, height), 1).save(tmp_path / f"Bild ü {number}.{suffix.upper()}")
    data = ImageFolderDataModule(str(tmp_path), image_size=16)
    assert sum(sizes(data)) == 35
    images, _ = next(iter(ImageFolderDataModule(str(tmp_path), image_size=16, batch_size=8).train_dataloader()))
    assert images.shape == (8, 3, 16, 16)


def test_images_smaller_than_the_crop_are_named_or_skipped(flat):
    Image.new("RGB", (5, 5)).save(flat / "tiny.png")
    with pytest.raises(
        ValueError, match=r"tiny\.png \(image \d+ of 61\) is an image of 5 x 5 pixels, smaller than the crop"
    ):
        ImageFolderDataModule(str(flat), image_size=4, crop=6).prepare_data()
    with pytest.warns(UserWarning, match=r"(?s)Skipped 1 of 61 images:.*tiny\.png is an image of 5 x 5"):
        assert sum(sizes(ImageFolderDataModule(str(flat), image_size=4, crop=6, on_error="skip"))) == 60


def test_labels_stay_with_their_images_where_others_are_skipped(classes):
    for name in ("dogs/3.png", "cats/0.png", "cats/19.png"):
        (classes / name).write_bytes(b"<html>")
    with pytest.warns(UserWarning, match="Skipped 3 of 60"):
        data = ImageFolderDataModule(str(classes), image_size=4, on_error="skip")
        data.setup()
    for split in SPLITS:
        dataset = data.dataset(split)
        assert torch.equal(dataset.labels, 2 - dataset.pixels[:, 0, 0, 0].long() // 20)
    assert sum(sizes(data)) == 57


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"val_fraction": -0.1}, "val_fraction is -0.1, but must be at least 0 and less than 1"),
        ({"test_fraction": 1}, "test_fraction is 1, but must be"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave no training image"),
        ({"image_size": 0}, "image_size is 0"),
        ({"crop": 0}, "crop is 0"),
        ({"on_error": "ignore"}, "on_error is 'ignore', but must be 'raise' or 'skip'"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_arguments_are_checked_at_construction(flat, argument, said):
    with pytest.raises(ValueError, match=said):
        ImageFolderDataModule(str(flat), **argument)


def test_a_root_without_images_is_named_at_construction(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent is missing"):
        ImageFolderDataModule(str(tmp_path / "absent"))
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"holds no image: no file ends in \.jpg"):
        ImageFolderDataModule(str(tmp_path))


def test_a_split_that_stays_empty_is_an_error_with_the_cure(tmp_path):
    root = write_images(tmp_path, ["a.png", "b.png", "c.png"])
    with pytest.raises(ValueError, match=r"Of the 3 images of .* none falls to the .* split .*or to 0 to do without"):
        ImageFolderDataModule(str(root), val_fraction=0.001).prepare_data()
    assert sizes(ImageFolderDataModule(str(root), val_fraction=0, test_fraction=0)) == (3, 0, 0)


def test_the_cache_lies_beside_the_images_or_where_it_is_told(flat, tmp_path):
    ImageFolderDataModule(str(flat), image_size=4).prepare_data()
    assert len(list((flat / ".gan_lightning_cache").glob("folder-4px-*"))) == 1
    ImageFolderDataModule(str(flat), image_size=5, cache_dir=str(tmp_path / "mine")).prepare_data()
    assert len(list((tmp_path / "mine").glob("folder-5px-*"))) == 1
    assert ImageFolderDataModule(str(flat), image_size=4).listing.names == sorted(
        ImageFolderDataModule(str(flat), image_size=4).source.files, key=place_of, reverse=True
    )


def test_the_cache_of_an_archive_lies_beside_it(flat, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in flat.glob("*.png"):
            archive.write(path, path.name)
    ImageFolderDataModule(str(tmp_path / "x.zip"), image_size=4).prepare_data()
    assert list((tmp_path / ".gan_lightning_cache").glob("folder-4px-*"))


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
def test_the_cache_of_a_read_only_folder_lies_with_the_user(flat, tmp_path, monkeypatch, variable):
    (flat / ".gan_lightning_cache").write_text("no folder can be made here")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "user"))
    expected = tmp_path / "user" / ("gan_lightning" if variable == "XDG_CACHE_HOME" else ".cache/gan_lightning")
    with pytest.warns(UserWarning, match=rf"The cache of decoded images lies in {expected}"):
        ImageFolderDataModule(str(flat), image_size=4).prepare_data()
    assert list(expected.glob("folder-4px-*"))


def test_check_counts_without_making_the_cache(flat):
    check = ImageFolderDataModule(str(flat)).check()
    assert check.ok
    assert "60 image files" in str(check)
    assert "not made yet" in str(check)
    assert not (flat / ".gan_lightning_cache").exists()


def test_a_deep_check_finds_every_damaged_image(flat):
    (flat / "3.png").write_bytes(b"")
    (flat / "9.png").write_bytes(b"<html>")
    data = ImageFolderDataModule(str(flat))
    assert data.check().ok
    check = data.check(deep=True)
    assert not check.ok
    assert len(check.damaged) == 2
    assert "3.png is empty" in str(check)
    assert "9.png is a web page" in str(check)


def test_check_reports_what_cannot_be_read(flat):
    data = ImageFolderDataModule(str(flat))
    _ = data.listing
    (flat / "3.png").unlink()
    assert "3.png" in data.check(deep=True).missing[0]


def test_mirrored_training_images_are_drawn_and_evaluation_images_are_not(tmp_path):
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4] = 255  # white on the left
    for number in range(40):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    data = ImageFolderDataModule(str(tmp_path), image_size=8, batch_size=30, flip=True)
    images, _ = next(iter(data.train_dataloader()))
    assert 5 < sum(images[:, 0, 0, 0] < 0) < 25
    for loader in (data.val_dataloader(), data.test_dataloader()):
        assert all((batch[:, 0, 0, 0] > 0).all() for batch, _ in loader)
