import hashlib
import io
import shutil
from types import SimpleNamespace
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

import datamodules.celeba
import datamodules.celeba_files
from datamodules.celeba import CROPS, CelebADataModule, split_by_number
from datamodules.celeba_tables import ATTRIBUTES, read_attributes, read_partition

SPLITS = ("train", "val", "test")
FOLDER = "img_align_celeba"


def drawn(root, **kwargs):
    return CelebADataModule(str(root), **{"image_size": 16, "batch_size": 8, **kwargs})


def sizes(data):
    return tuple(len(data.dataset(split)) for split in SPLITS)


def rewrite(path, change):
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"crop": 128}, r"crop is 128, but must be one of 178 \(mimicry.*108 \(DCGAN\)"),
        ({"attributes": ["Smilin"]}, r"no attribute 'Smilin'\. Did you mean Smiling.*5_o_Clock_Shadow, .*, Young"),
        ({"attributes": ["Xyz"]}, r"no attribute 'Xyz'\. Choose from: 5_o_Clock"),
        ({"attributes": ["Male", "Young", "Male"]}, "the same one twice"),
        ({"image_size": 0}, "image_size is 0"),
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


def test_shape_and_classes_are_known_before_any_file_is_there(tmp_path):
    data = drawn(tmp_path / "absent", image_size=64, attributes=["Male", "Young", "Bald"])
    assert data.image_shape == (3, 64, 64)
    assert data.num_classes == 8
    assert drawn(tmp_path).num_classes == 0
    assert not (tmp_path / "absent").exists()


def test_there_are_40_attributes():
    assert len(set(ATTRIBUTES)) == 40
    assert sorted(ATTRIBUTES, key=str.lower) == sorted(ATTRIBUTES)


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


@pytest.mark.parametrize(
    "place", ["celeba", "CelebA", "celeba-dataset", ""], ids=["torchvision", "CelebA", "kaggle's name", "root"]
)
def test_the_set_is_found_in_its_own_folder_below_root(drawn_celeba, tmp_path, place):
    root = drawn_celeba()
    shutil.copytree(root, tmp_path / "data" / place, dirs_exist_ok=True)
    assert sizes(drawn(tmp_path / "data", attributes=["Male"])) == (24, 3, 3)


def test_the_folders_of_the_official_download_are_known(drawn_celeba):
    root = drawn_celeba()
    for folder, name in (("Img", FOLDER), ("Anno", "list_attr_celeba.txt"), ("Eval", "list_eval_partition.txt")):
        (root / folder).mkdir()
        (root / name).rename(root / folder / name)
    assert sizes(drawn(root, attributes=["Male"])) == (24, 3, 3)


def test_the_folder_or_the_zip_of_the_images_can_be_root_itself(drawn_celeba):
    root = drawn_celeba()
    assert sizes(drawn(root / FOLDER, attributes=["Male"])) == (24, 3, 3)
    archive = drawn_celeba("zip", "zipped") / "img_align_celeba.zip"
    with pytest.warns(UserWarning, match="split by a hash"):
        assert sum(sizes(drawn(archive))) == 30


def test_an_empty_folder_does_not_hide_the_zip(drawn_celeba):
    root = drawn_celeba("zip")
    (root / FOLDER).mkdir()
    with pytest.warns(UserWarning, match="split by a hash"):
        assert sum(sizes(drawn(root))) == 30


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
    arguments = ({}, {"crop": 108}, {"image_size": 17}, {"attributes": ["Male"]}, {"attributes": ["Young"]})
    assert len({drawn(root, **argument).fingerprint for argument in arguments}) == len(arguments)
    assert drawn(root, batch_size=3, flip=True).fingerprint == drawn(root).fingerprint


def test_attributes_without_their_table_are_an_error_that_names_it(drawn_celeba):
    data = drawn(drawn_celeba("zip"), attributes=["Male"])
    with (
        pytest.warns(UserWarning, match="split by a hash"),
        pytest.raises(FileNotFoundError, match=r"list_attr_celeba\.txt \(or \.csv\) is not in .*mmlab"),
    ):
        data.prepare_data()


def test_no_images_are_an_error_that_says_what_to_fetch(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no images of CelebA: .*Fetch img_align_celeba\.zip.*kaggle"):
        drawn(tmp_path).prepare_data()
    check = drawn(tmp_path).check()
    assert not check.ok
    assert "holds no images of CelebA" in check.missing[0]


def test_missing_images_are_counted_and_named_or_left_out(drawn_celeba):
    root = drawn_celeba()
    for number in (3, 7, 30):
        (root / FOLDER / f"{number:06}.jpg").unlink()
    said = r"000003 is in .*list_eval_partition\.txt, but not in .*, and so are 2 more\. .*set on_error to skip"
    with pytest.raises(ValueError, match=said):
        drawn(root).prepare_data()
    assert "000003 is in" in drawn(root).check().missing[0]
    with pytest.warns(UserWarning, match=r"and so are 2 more\. What there is is taken"):
        assert sizes(drawn(root, on_error="skip")) == (22, 3, 2)


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
        pytest.raises(ValueError, match=r"average\.jpg has no number for a name"),
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


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("list_attr_celeba.txt", lambda text: "", "is empty"),
        ("list_attr_celeba.txt", lambda text: f"<!DOCTYPE html>{text}", "is a web page"),
        (
            "list_attr_celeba.txt",
            lambda text: text[: text.index("000020")],
            "holds 19 images, but its first line says '30'",
        ),
        ("list_attr_celeba.txt", lambda text: text.replace(" Male", ""), "has no column Male"),
        ("list_attr_celeba.txt", lambda text: text.replace(" Bald", ""), "line 3, has 41 columns, but must have 40"),
        (
            "list_attr_celeba.txt",
            lambda text: text.replace(" 1", " 7"),
            "line .*, has the value '7', but must have one of",
        ),
        (
            "list_attr_celeba.txt",
            lambda text: text.replace("000002.jpg", "000001.jpg"),
            "line 4, names 000001.jpg a sec",
        ),
        ("list_attr_celeba.txt", lambda text: text.replace("000002.jpg", "x.jpg"), "has no line for 000002 and 0 more"),
        ("list_eval_partition.txt", lambda text: text.replace(" 2", " 3"), "line 28, has the value '3', but must have"),
        ("list_eval_partition.txt", lambda text: text.replace(" 2", ""), "line 28, has 1 columns, but must have 2"),
        ("list_eval_partition.txt", lambda text: text.replace("000002.jpg", "x.jpg"), "x is in .*000002.jpg is not in"),
        ("list_eval_partition.txt", lambda text: text[:52], r"is not in .*list_eval_partition"),
    ],
)
def test_a_damaged_table_is_an_error_that_names_the_line(drawn_celeba, name, change, said):
    root = drawn_celeba()
    rewrite(root / name, change)
    with pytest.raises(ValueError, match=said):
        drawn(root, attributes=["Male"]).prepare_data()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("list_attr_celeba.csv", lambda text: text.replace(",Bald", ""), "line 2, has 41 columns, but must have 40"),
        (
            "list_attr_celeba.csv",
            lambda text: text.replace(",1", ",yes"),
            "has the value 'yes', but must have one of -1, 1",
        ),
        ("list_eval_partition.csv", lambda text: text.replace(",2", ",2,"), "line 29, has 3 columns, but must have 2"),
        ("list_eval_partition.csv", lambda text: f"{text}000031.jpg,0\n", "000031 is in .*but not in"),
    ],
)
def test_a_damaged_csv_is_an_error_that_names_the_line(drawn_celeba, name, change, said):
    root = drawn_celeba("kaggle")
    rewrite(root / name, change)
    with pytest.raises(ValueError, match=said):
        drawn(root, attributes=["Male"]).prepare_data()


def test_line_ends_of_windows_and_a_byte_order_mark_are_no_matter(drawn_celeba):
    root = drawn_celeba("kaggle")
    for table, read in (
        (root / "list_eval_partition.csv", read_partition),
        (root / "list_attr_celeba.csv", lambda path: read_attributes(path, ["Male", "Young"])),
    ):
        assert b"\r\n" in table.read_bytes()
        expected = read(table)
        table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\r\n", b"\n"))
        assert read(table) == expected


def test_a_table_that_is_no_text_is_named(drawn_celeba):
    root = drawn_celeba()
    (root / "list_eval_partition.txt").write_bytes(b"PK\3\4\xff\xfe")
    with pytest.raises(ValueError, match=r"list_eval_partition\.txt is not a text file"):
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
    monkeypatch.setattr("datamodules.cache.decode_all", lambda *_: pytest.fail("decoded again"))
    ranks = [drawn(root) for _ in range(2)]
    for data in ranks:
        data.setup("fit")
    assert torch.equal(ranks[0].dataset("train").pixels, ranks[1].dataset("train").pixels)


@pytest.fixture
def drive(drawn_celeba, monkeypatch):
    """Serves a drawn set as Google Drive does; `served` maps the addresses' ends to what is sent."""
    root = drawn_celeba("official", "published")
    zipped = drawn_celeba("zip", "zipped") / "img_align_celeba.zip"
    contents = {path.name: path.read_bytes() for path in (zipped, *root.glob("*.txt"))}
    published = {name: (f"id-{name}", hashlib.md5(content).hexdigest()) for name, content in contents.items()}
    monkeypatch.setattr(datamodules.celeba_files, "PUBLISHED", published)
    served = {f"id-{name}": content for name, content in contents.items()}

    def urlopen(address, timeout):
        sent = served[address.rpartition("=")[2]]
        if isinstance(sent, Exception):
            raise sent
        return io.BytesIO(sent)

    monkeypatch.setattr(datamodules.celeba_files, "urlopen", urlopen)
    return served


def test_download_brings_what_is_read(drive, tmp_path):
    data = drawn(tmp_path / "new", download=True, attributes=["Male"])
    data.prepare_data()
    assert sizes(data) == (24, 3, 3)
    names = {path.name for path in (tmp_path / "new" / "celeba").iterdir()}
    assert names == {"img_align_celeba.zip", "list_attr_celeba.txt", "list_eval_partition.txt"}


def test_nothing_is_downloaded_that_is_there_or_not_asked_for(drive, drawn_celeba, tmp_path):
    drive.clear()
    drawn(drawn_celeba("kaggle"), download=True).prepare_data()
    with pytest.raises(FileNotFoundError):
        drawn(tmp_path / "empty").prepare_data()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (
            b"<!DOCTYPE html>Too many users have viewed or downloaded this file recently",
            "sent a web page instead, as it",
        ),
        (b"PK half an archive", "18 bytes came, with md5 .* instead of"),
        (b"", "0 bytes came"),
        (URLError("Name or service not known"), "Name or service not known"),
        (HTTPError("x", 403, "Forbidden", None, None), "Forbidden"),
    ],
    ids=["quota", "truncated", "empty", "offline", "forbidden"],
)
def test_a_failed_download_is_one_message_that_says_what_to_do_and_loses_nothing(drive, tmp_path, sent, said):
    drive["id-img_align_celeba.zip"] = sent
    data = drawn(tmp_path / "new", download=True)
    message = (
        rf"(?s)img_align_celeba\.zip could not be downloaded: .*{said}.*Google Drive.* limits.*Fetch "
        r"img_align_celeba\.zip, list_eval_partition\.txt .* by hand.*put the files into .*new/celeba.*Nothing.*is lost"
    )
    with pytest.raises(ConnectionError, match=message):
        data.prepare_data()
    names = {path.name for path in (tmp_path / "new" / "celeba").iterdir()}
    assert names == {"list_attr_celeba.txt", "list_eval_partition.txt"}


def test_flips_and_order_do_not_depend_on_the_number_of_processes(drawn_celeba):
    def batches(rank, world_size):
        data = drawn(drawn_celeba(name=f"{world_size}-{rank}"), batch_size=12 // world_size, flip=True)
        data.trainer = SimpleNamespace(
            lightning_module=None,
            global_rank=rank,
            world_size=world_size,
            overfit_batches=0.0,
            fit_loop=SimpleNamespace(
                epoch_loop=SimpleNamespace(batch_progress=SimpleNamespace(total=SimpleNamespace(processed=0)))
            ),
        )
        return [images for images, _ in data.train_dataloader()]

    whole = batches(0, 1)
    shared = list(zip(batches(0, 2), batches(1, 2), strict=True))
    for one, parts in zip(whole, shared, strict=True):
        assert torch.equal(one, torch.stack(parts, dim=1).flatten(0, 1))
