import shutil
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from datamodules.celeba import CelebADataModule
from datamodules.celeba.datamodule import CROPS, split_by_number
from datamodules.celeba.tables import ATTRIBUTES

SPLITS = ("train", "val", "test")
FOLDER = "img_align_celeba"


def drawn(root, **kwargs):
    return CelebADataModule(str(root), **{"image_size": 16, "batch_size": 8, **kwargs})


def sizes(data):
    return tuple(len(data.dataset(split)) for split in SPLITS)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"crop": 128}, r"crop is 128, but must be one of 178 \(mimicry.*108 \(DCGAN\)"),
        ({"attributes": ["Smilin"]}, r"no attribute 'Smilin'\. Did you mean Smiling.*5_o_Clock_Shadow, .*, Young"),
        ({"attributes": [20]}, r"no attribute 20\. Choose from: 5_o_Clock"),
        ({"attributes": ["Xyz"]}, r"no attribute 'Xyz'\. Choose from: 5_o_Clock"),
        ({"attributes": ["Male", "Young", "Male"]}, "the same one twice"),
        ({"crop": 178.0}, "crop is 178.0, but must be one of 178"),
        ({"crop": True}, "crop is True, but must be one of 178 .*, or None for the whole image"),
        ({"image_size": 0}, "image_size is 0"),
        ({"image_size": [64]}, r"image_size is \[64\], but must be .* a pair \[height, width\]"),
        ({"download": "yes"}, "download is 'yes', but must be True or False"),
        ({"on_error": "warn"}, "on_error is 'warn'"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_arguments_are_checked_at_construction(argument, said):
    with pytest.raises(ValueError, match=said):
        CelebADataModule(**argument)


def test_one_attribute_must_be_a_list_too():
    with pytest.raises(TypeError, match=r"attributes is 'Male', but must be a list: \[Male\]"):
        CelebADataModule(attributes="Male")
    with pytest.raises(TypeError, match=r"attributes is None, but must be a list: \[Male\]"):
        CelebADataModule(attributes=None)


def test_shape_and_classes_are_known_before_any_file_is_there(tmp_path):
    data = drawn(tmp_path / "absent", image_size=64, attributes=["Male", "Young", "Bald"])
    assert data.image_shape == (3, 64, 64)
    assert data.num_classes == 8
    assert drawn(tmp_path).num_classes == 0
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("layout", ["official", "kaggle"])
def test_both_published_layouts_are_the_same_set(drawn_celeba, drawn_faces, layout):
    attributes = ["Smiling", "Male", "Young"]
    data = drawn(drawn_celeba(layout), attributes=attributes)
    assert sizes(data) == (24, 3, 3)
    found = torch.cat([data.dataset(split).labels for split in SPLITS])
    columns = [ATTRIBUTES.index(attribute) for attribute in attributes]
    signs = [drawn_faces.draw_attributes(number)[columns] for number in range(30)]
    assert found.tolist() == [int((sign > 0) @ [1, 2, 4]) for sign in signs]
    assert data.num_classes == 8


@pytest.mark.parametrize("layout", ["official", "kaggle", "folder", "zip"])
def test_every_layout_has_the_same_pixels(drawn_celeba, drawn_faces, layout):
    data = drawn(drawn_celeba(layout))
    if layout in ("folder", "zip"):
        with pytest.warns(UserWarning, match="split by a hash"):
            data.setup()
    found = {image.numpy().tobytes() for split in SPLITS for image in data.dataset(split).pixels}
    assert found == {data.decoder(drawn_faces.encode_face(number)).tobytes() for number in range(30)}


@pytest.mark.parametrize("crop", CROPS)
def test_pixels_are_those_of_torchvision(drawn_celeba, crop):
    root = drawn_celeba()
    pixels = drawn(root, crop=crop, image_size=20).dataset("train").pixels
    reference = transforms.Compose([transforms.CenterCrop(crop), transforms.Resize(20)])
    for number, found in enumerate(pixels[:5], start=1):
        with Image.open(root / FOLDER / f"{number:06}.jpg") as image:
            expected = torch.from_numpy(np.asarray(reference(image), np.int16))
        assert abs(found.permute(1, 2, 0) - expected).max() <= 1


def test_a_bare_full_set_has_the_official_splits():
    split_of = split_by_number([f"{number:06}" for number in range(1, 202_600)], None)
    assert np.bincount(list(split_of.values())).tolist() == [162_770, 19_867, 19_962]
    assert [split_of[stem] for stem in ("162770", "162771", "182637", "182638")] == [0, 1, 1, 2]


def test_a_bare_set_that_lacks_one_image_is_split_by_a_hash_with_a_warning(tmp_path):
    stems = [f"{number:06}" for number in range(1, 202_599)]
    with pytest.warns(UserWarning, match=r"holds 202,598 of CelebA's 202,599 .*no list_eval_partition"):
        split_of = split_by_number(stems, tmp_path)
    fractions = np.bincount(list(split_of.values())) / len(stems)
    assert np.allclose(fractions, (0.8, 0.1, 0.1), atol=0.003)
    with pytest.warns(UserWarning, match="split by a hash"):
        assert split_by_number(stems[:50], tmp_path) == {stem: split_of[stem] for stem in stems[:50]}


def test_attribute_j_is_bit_j_of_the_label(drawn_celeba):
    root = drawn_celeba()
    both = drawn(root, attributes=["Bald", "Smiling"]).dataset("train").labels
    bald = drawn(root, attributes=["Bald"]).dataset("train").labels
    smiling = drawn(root, attributes=["Smiling"]).dataset("train").labels
    assert torch.equal(both, bald + 2 * smiling)
    assert both.dtype == torch.int64
    assert set(bald.tolist()) == {0, 1}


def test_attributes_share_one_cache(drawn_celeba):
    root = drawn_celeba()
    for attributes in ([], ["Male"], ["Young", "Male"]):
        drawn(root, attributes=attributes).prepare_data()
    assert len(list((root / ".gan_lightning_cache").glob("celeba-*"))) == 1


def test_fingerprint_tells_crops_sizes_and_attributes_apart(drawn_celeba):
    root = drawn_celeba()
    arguments = (
        {},
        {"crop": 108},
        {"image_size": 17},
        {"image_size": [16, 12]},
        {"attributes": ["Male"]},
        {"attributes": ["Young"]},
    )
    assert len({drawn(root, **argument).fingerprint for argument in arguments}) == len(arguments)
    assert drawn(root, batch_size=3, flip=True).fingerprint == drawn(root).fingerprint


def test_attributes_without_their_table_are_an_error_that_names_it(drawn_celeba):
    data = drawn(drawn_celeba("zip"), attributes=["Male"])
    with (
        pytest.warns(UserWarning, match="split by a hash"),
        pytest.raises(FileNotFoundError, match=r"list_attr_celeba\.txt \(or \.csv\) is not in .*mmlab"),
    ):
        data.prepare_data()


def test_missing_images_are_counted_and_named_or_left_out(drawn_celeba):
    root = drawn_celeba()
    for number in (3, 7, 30):
        (root / FOLDER / f"{number:06}.jpg").unlink()
    said = r"000003 is in .*list_eval_partition\.txt, but not in .*, the first of 3 such\. .*set on_error to skip"
    with pytest.raises(ValueError, match=said):
        drawn(root).prepare_data()
    assert "000003 is in" in drawn(root).check().missing[0]
    with pytest.warns(UserWarning, match=r"the first of 3 such\. The other images are used"):
        assert sizes(drawn(root, on_error="skip")) == (22, 3, 2)


@pytest.mark.parametrize(("part", "split"), list(enumerate(SPLITS)))
@pytest.mark.parametrize("layout", ["official", "kaggle"])
def test_a_table_without_the_images_of_a_split_is_an_error(drawn_celeba, layout, part, split):
    root = drawn_celeba(layout)
    (table,) = root.glob("list_eval_partition.*")
    ends = (f" {part}", f",{part}")
    other = (part + 1) % 3
    lines = [line[:-1] + str(other) if line.endswith(ends) else line for line in table.read_text().splitlines()]
    table.write_text("\n".join(lines))
    said = rf"holds 30 images, but none of the {split} split\. {table} says .*: {part} is {split}\. Get that file"
    with pytest.raises(ValueError, match=said):
        drawn(root).setup("fit")
    assert not drawn(root).check().ok


def test_images_of_a_split_that_are_missing_are_an_error_also_where_they_are_skipped(drawn_celeba):
    root = drawn_celeba()
    for number in (25, 26, 27):
        (root / FOLDER / f"{number:06}.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"holds 27 images, but none of the val split\. 000025 is in .*, the first of 3 such\. "
    ):
        drawn(root, on_error="skip").setup("fit")


def test_a_bare_set_too_small_to_be_split_is_an_error(drawn_celeba):
    root = drawn_celeba("folder")
    for path in list((root / FOLDER).iterdir())[1:]:
        path.unlink()
    with (
        pytest.warns(UserWarning, match="split by a hash"),
        pytest.raises(
            ValueError,
            match=r"holds 1 image, but none of the .* split\. Add images, or list_eval_partition\.txt, which",
        ),
    ):
        drawn(root).setup("fit")


def test_a_size_may_be_a_pair_and_the_crop_the_whole_image(drawn_celeba):
    root = drawn_celeba()
    for crop, cut in ((178, (178, 134)), (108, (108, 81)), (None, (218, 164))):
        data = drawn(root, image_size=[32, 24], crop=crop)
        assert data.image_shape == (3, 32, 24)
        reference = transforms.Compose([transforms.CenterCrop(cut), transforms.Resize((32, 24))])
        with Image.open(root / FOLDER / "000001.jpg") as image:
            expected = torch.from_numpy(np.asarray(reference(image), np.int16))
        assert abs(data.dataset("train").pixels[0].permute(1, 2, 0) - expected).max() <= 1


@pytest.mark.parametrize("layout", ["folder", "official"])
def test_a_broken_link_among_the_images_is_named_or_left_out(drawn_celeba, layout):
    root = drawn_celeba(layout)
    (root / FOLDER / "000005.jpg").unlink()
    (root / FOLDER / "000005.jpg").symlink_to("elsewhere.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(
            ValueError, match=r"000005\.jpg is a link to elsewhere\.jpg, which is not there\. .*on_error"
        ):
            drawn(root).prepare_data()
        assert any("000005.jpg is a link" in line for line in drawn(root).check().damaged)
        assert sum(sizes(drawn(root, on_error="skip"))) == 29


def test_images_that_no_list_names_are_an_error_or_left_out(drawn_celeba):
    root = drawn_celeba()
    shutil.copy(root / FOLDER / "000001.jpg", root / FOLDER / "average.jpg")
    with pytest.raises(ValueError, match=r"average\.jpg is not in .*list_eval_partition\.txt\. .*set on_error"):
        drawn(root).prepare_data()
    assert not drawn(root).check().ok
    with pytest.warns(UserWarning, match=r"average\.jpg is not in"):
        assert sizes(drawn(root, on_error="skip")) == (24, 3, 3)


def test_a_bare_image_without_a_number_is_an_error(drawn_celeba):
    root = drawn_celeba("folder")
    shutil.copy(root / FOLDER / "000001.jpg", root / FOLDER / "average.jpg")
    with (
        pytest.warns(UserWarning, match="split by a hash"),
        pytest.raises(ValueError, match=r"average\.jpg is named by no number"),
    ):
        drawn(root).prepare_data()


def test_files_that_are_no_images_are_no_matter(drawn_celeba):
    root = drawn_celeba()
    for name in ("Thumbs.db", ".DS_Store", "readme.txt", "._000001.jpg"):
        (root / FOLDER / name).write_bytes(b"")
    assert sizes(drawn(root)) == (24, 3, 3)


def test_an_image_that_is_there_twice_is_an_error(drawn_celeba):
    root = drawn_celeba()
    shutil.copy(root / FOLDER / "000001.jpg", root / FOLDER / "000001.png")
    with pytest.raises(ValueError, match=r"holds 000001 twice: 000001\.jpg and 000001\.png"):
        drawn(root).prepare_data()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"<html>quota</html>", "is a web page"),
        (b"\xff\xd8\xff\xe0 and no more", "(is not an image|cannot be decoded)"),
    ],
)
def test_a_damaged_image_is_named_or_skipped(drawn_celeba, content, said):
    root = drawn_celeba()
    (root / FOLDER / "000005.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=rf"000005\.jpg \(image 4 of 30\) {said}.*set on_error to skip"):
        drawn(root).prepare_data()
    assert drawn(root).check().ok
    assert "000005.jpg" in drawn(root).check(deep=True).damaged[0]
    with pytest.warns(UserWarning, match=rf"(?s)Skipped 1 of 30 images:.*000005\.jpg {said}"):
        assert sizes(drawn(root, on_error="skip")) == (23, 3, 3)


def test_images_of_another_size_are_refused(drawn_celeba):
    root = drawn_celeba()
    Image.new("RGB", (1024, 1024)).save(root / FOLDER / "000002.jpg")
    with pytest.raises(ValueError, match=r"000002\.jpg .* is an image of 1024 x 1024 pixels, but must be of 178 x 218"):
        drawn(root).prepare_data()


def test_check_names_the_files_with_their_checksums(drawn_celeba):
    root = drawn_celeba()
    text = str(drawn(root, attributes=["Male"]).check())
    for part in (
        "30 image files",
        "train: 24 images",
        "val: 3",
        "test: 3",
        "not the published d32c9cbf",
        "no identity",
    ):
        assert part in text
    assert drawn(root).check(deep=True).ok


def test_two_splits_share_the_warnings_of_one_build(drawn_celeba, recwarn):
    root = drawn_celeba()
    (root / FOLDER / "000005.jpg").write_bytes(b"")
    drawn(root, on_error="skip").setup()
    assert len([warning for warning in recwarn if "Skipped" in str(warning.message)]) == 1


def test_several_ranks_build_the_cache_once(drawn_celeba, monkeypatch):
    root = drawn_celeba()
    drawn(root).prepare_data()  # Lightning: on one process
    monkeypatch.setattr("datamodules.pixel_cache.decode_all", lambda *_: pytest.fail("decoded again"))
    ranks = [drawn(root) for _ in range(2)]
    for data in ranks:
        data.setup("fit")
    assert torch.equal(ranks[0].dataset("train").pixels, ranks[1].dataset("train").pixels)


def test_flips_and_order_do_not_depend_on_the_number_of_processes(drawn_celeba, attach):
    def batches(rank, world_size):
        data = drawn(drawn_celeba(name=f"{world_size}-{rank}"), batch_size=12 // world_size, flip=True)
        attach(data, rank=rank, world_size=world_size)
        return [images for images, _ in data.train_dataloader()]

    whole = batches(0, 1)
    shared = list(zip(batches(0, 2), batches(1, 2), strict=True))
    for one, parts in zip(whole, shared, strict=True):
        assert torch.equal(one, torch.stack(parts, dim=1).flatten(0, 1))
