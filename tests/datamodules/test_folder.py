import os
import re
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
        ImageFolderDataModule(str(flat), image_size=4, channels=1),
        ImageFolderDataModule(str(flat), image_size=[5, 4]),
        ImageFolderDataModule(str(flat), image_size=[4, 5]),
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
    with pytest.warns(UserWarning, match=r"no classes: not every image lies in a sub-folder \(1 of 61 outside\)"):
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


@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        *(("val_fraction", value, "must be a finite number") for value in ("0.1", None, True, float("nan"))),
        *(("labels", value, "must be True or False") for value in ("false", 1, None)),
        *(("image_size", value, r"a pair \[height, width\]") for value in ("64", 64.0, [64], [64, 0], (8, 8, 8))),
        *(("channels", value, r"must be 3 \(RGB\) or 1 \(grey\)") for value in (2, "1", True)),
        ("crop", 6.0, "must be an integer of at least 1"),
    ],
)
def test_arguments_of_another_type_are_refused(flat, argument, value, said):
    with pytest.raises(ValueError, match=rf"^{argument} is .*, but must be .*{said}|^{argument} is .*, but {said}"):
        ImageFolderDataModule(str(flat), **{argument: value})


@pytest.mark.parametrize(
    ("arguments", "shape", "key"),
    [
        ({"image_size": [6, 4]}, (3, 6, 4), "folder-6x4px-"),
        ({"image_size": (4, 6), "channels": 1}, (1, 4, 6), "folder-4x6px-"),
        ({"image_size": 5, "channels": 1}, (1, 5, 5), "folder-5px-"),
    ],
)
def test_height_width_and_channels_are_those_of_the_arguments(flat, arguments, shape, key):
    data = ImageFolderDataModule(str(flat), batch_size=8, **arguments)
    assert data.image_shape == shape
    assert next(iter(data.train_dataloader()))[0].shape == (8, *shape)
    assert data.fingerprint.startswith(key)
    assert data.folder.name.startswith(key)


def test_a_grey_set_is_the_grey_of_the_colored_one(flat):
    grey, colored = (ImageFolderDataModule(str(flat), image_size=4, channels=channels) for channels in (1, 3))
    expected = np.rint(np.arange(60) * 0.299)
    assert grey.cached.pixels[:, 0, 0, 0].sort().values.tolist() == expected.tolist()
    assert grey.listing.names == colored.listing.names


def pipe(path):
    os.mkfifo(path)


def link(path):
    path.symlink_to("absent.png")


def loop(path):
    path.symlink_to(path.name)


def folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (pipe, "is a named pipe, not a regular file"),
        (link, r"is a link to absent\.png, which is not there"),
        (loop, "is a link that leads back to itself, not a file"),
        (folder, "is a folder, not a regular file"),
    ],
)
def test_what_is_called_like_an_image_and_is_no_file_is_named_or_left_out(flat, make, said):
    make(flat / "odd.png")
    with pytest.raises(ValueError, match=rf"^{flat}/odd\.png {said}\. .*remove .* or set on_error to skip"):
        ImageFolderDataModule(str(flat), image_size=4).prepare_data()
    for deep in (False, True):
        check = ImageFolderDataModule(str(flat), image_size=4).check(deep)
        assert len(check.damaged) == 1
        assert re.fullmatch(rf"{flat}/odd\.png {said}", check.damaged[0])
    with pytest.warns(UserWarning, match=rf"odd\.png {said}\. The other images are used\."):
        assert sum(sizes(ImageFolderDataModule(str(flat), image_size=4, on_error="skip"))) == 60


def test_odd_places_are_counted_and_make_no_classes(classes):
    for name in ("odd.png", "odd2.png", "cats/odd.png"):
        os.mkfifo(classes / name)
    data = ImageFolderDataModule(str(classes), image_size=4)
    assert data.num_classes == 3
    with pytest.raises(
        ValueError, match=r"cats/odd\.png is a named pipe, not a regular file, the first of 3 that cannot be read\."
    ):
        data.prepare_data()


def test_a_folder_of_odd_places_alone_has_no_image(tmp_path):
    os.mkfifo(tmp_path / "odd.png")
    with pytest.raises(
        FileNotFoundError, match=r"holds no image \(.*odd\.png is a named pipe, not a regular file\): no"
    ):
        ImageFolderDataModule(str(tmp_path))


def test_postscript_in_a_jpg_is_damaged_and_never_run(flat, monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("run"))
    (flat / "evil.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    said = r"evil\.jpg .*begins like a file of the format EPS, but must be BMP, .* or WebP: convert it"
    with pytest.raises(ValueError, match=rf"{said}\. Replace it, or set on_error to skip"):
        ImageFolderDataModule(str(flat), image_size=4).prepare_data()
    (damaged,) = ImageFolderDataModule(str(flat), image_size=4).check(deep=True).damaged
    assert re.search(said, damaged)


def test_a_check_notes_dim_images_from_the_pixels_or_from_the_cache(flat):
    Image.fromarray(np.full((7, 9), 255, np.uint16)).save(flat / "7.png")
    data = ImageFolderDataModule(str(flat), image_size=4)
    said = (
        f"{flat}/7.png uses less than 1/16 of the range of values that it declares: scaled by that range, it comes out"
    )
    assert not [note for note in data.check().notes if note.startswith(said)]
    check = data.check(deep=True)
    assert check.ok
    assert len([note for note in check.notes if note.startswith(said)]) == 1
    with pytest.warns(UserWarning, match="comes out nearly black"):
        data.prepare_data()
    assert len([note for note in data.check().notes if note.startswith(said)]) == 1


def test_a_cache_that_is_cut_while_it_is_read_is_an_error_and_is_built_anew(flat):
    data = ImageFolderDataModule(str(flat), image_size=4, batch_size=4)
    batches = iter(data.train_dataloader())
    next(batches)
    os.truncate(data.folder / "pixels", 48)
    with pytest.raises(ValueError, match=r"pixels has 48 bytes, but must have 2,880: it was cut .*Delete the folder"):
        next(batches)
    assert sum(sizes(ImageFolderDataModule(str(flat), image_size=4))) == 60


@pytest.mark.parametrize("name", ["a[1]*", "[!a]?", "bilder ü 画", "**", "a{b}%s"])
def test_a_path_of_any_characters_is_taken_as_it_is(tmp_path, name):
    root = write_images(tmp_path / name, [f"{name} {number}.png" for number in range(40)])
    partial = root / ".gan_lightning_cache" / "old.partial"
    partial.mkdir(parents=True)
    data = ImageFolderDataModule(str(root), image_size=4)
    assert sum(sizes(data)) == 40
    assert not partial.exists()
    assert data.check(deep=True).ok


def test_one_image_is_enough_for_training_alone(tmp_path):
    root = write_images(tmp_path, ["a.png"])
    with pytest.raises(ValueError, match=r"holds 1 image, but none falls to the .* split .* or to 0 to do without"):
        ImageFolderDataModule(str(root), image_size=4).setup("fit")
    data = ImageFolderDataModule(str(root), image_size=4, val_fraction=0, test_fraction=0, batch_size=2)
    data.setup("fit")
    with pytest.raises(ValueError, match=r"holds 1 image, less than one batch of 2: .* Set batch_size to at most 1\."):
        data.train_dataloader()
    assert (
        len(ImageFolderDataModule(str(root), 4, val_fraction=0, test_fraction=0, batch_size=1).train_dataloader()) == 1
    )


@pytest.mark.parametrize(("stage", "split"), [("validate", "val"), ("test", "test"), ("predict", "test")])
def test_a_split_that_training_does_without_is_an_error_where_it_is_asked_for(flat, stage, split):
    data = ImageFolderDataModule(str(flat), image_size=4, val_fraction=0, test_fraction=0)
    data.setup("fit")
    data.setup()
    with pytest.raises(ValueError, match=rf"^The {split} split of folder is empty\. .*set {split}_fraction higher"):
        data.setup(stage)


def test_a_split_whose_every_image_is_skipped_is_an_error_at_setup(flat):
    for name in (data := ImageFolderDataModule(str(flat), image_size=4, on_error="skip")).listing.names:
        if place_of(name) >= 0.2:
            (flat / name).write_bytes(b"")
    data = ImageFolderDataModule(str(flat), image_size=4, on_error="skip")
    with (
        pytest.warns(UserWarning, match="Skipped"),
        pytest.raises(ValueError, match=r"^The train split of folder is empty\. Add images"),
    ):
        data.setup("fit")


def test_a_root_without_images_is_named_at_construction(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent is missing"):
        ImageFolderDataModule(str(tmp_path / "absent"))
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"holds no image: no file ends in \.jpg"):
        ImageFolderDataModule(str(tmp_path))


def test_a_split_that_stays_empty_is_an_error_with_the_cure(tmp_path):
    root = write_images(tmp_path, ["a.png", "b.png", "c.png"])
    with pytest.raises(ValueError, match=r"holds 3 images, but none falls to the .* split .*or to 0 to do without"):
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
