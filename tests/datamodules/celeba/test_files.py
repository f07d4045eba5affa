import hashlib
import io
import os
import shutil
from urllib.error import HTTPError, URLError

import pytest

import datamodules.celeba.files
from datamodules.celeba import CelebADataModule

SPLITS = ("train", "val", "test")
FOLDER = "img_align_celeba"


def drawn(root, **kwargs):
    return CelebADataModule(str(root), **{"image_size": 16, "batch_size": 8, **kwargs})


def sizes(data):
    return tuple(len(data.dataset(split)) for split in SPLITS)


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


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "is a named pipe, not a regular file"),
        (lambda path: path.symlink_to("absent"), "is a link to absent, which is not there"),
        (lambda path: path.symlink_to(path), "is a link that leads back to itself, not a file"),
    ],
)
@pytest.mark.parametrize("name", [FOLDER, "Img/img_align_celeba.zip", ""])
def test_what_has_the_name_of_the_images_and_is_none_is_named(tmp_path, name, make, said):
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    with pytest.raises(ValueError, match=rf"^{path} {said}\. Set root to a folder, or"):
        drawn(tmp_path / "data").prepare_data()


def test_no_images_are_an_error_that_says_what_to_fetch(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no images of CelebA: .*Fetch img_align_celeba\.zip.*kaggle"):
        drawn(tmp_path).prepare_data()
    check = drawn(tmp_path).check()
    assert not check.ok
    assert "holds no images of CelebA" in check.missing[0]


@pytest.fixture
def drive(drawn_celeba, monkeypatch):
    """Serves a drawn set as Google Drive does; `served` maps the addresses' ends to what is sent."""
    root = drawn_celeba("official", "published")
    zipped = drawn_celeba("zip", "zipped") / "img_align_celeba.zip"
    contents = {path.name: path.read_bytes() for path in (zipped, *root.glob("*.txt"))}
    published = {name: (f"id-{name}", hashlib.md5(content).hexdigest()) for name, content in contents.items()}
    monkeypatch.setattr(datamodules.celeba.files, "PUBLISHED", published)
    served = {f"id-{name}": content for name, content in contents.items()}

    def urlopen(address, timeout):
        sent = served[address.rpartition("=")[2]]
        if isinstance(sent, Exception):
            raise sent
        return io.BytesIO(sent)

    monkeypatch.setattr(datamodules.celeba.files, "urlopen", urlopen)
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
