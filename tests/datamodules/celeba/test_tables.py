import os

import pytest

from datamodules.celeba import CelebADataModule
from datamodules.celeba.tables import ATTRIBUTES, read_attributes, read_partition


def prepare(root, attributes=()):
    CelebADataModule(str(root), image_size=16, attributes=attributes).prepare_data()


def rewrite(path, change):
    path.write_text(change(path.read_text()))


def test_there_are_40_attributes():
    assert len(set(ATTRIBUTES)) == 40
    assert sorted(ATTRIBUTES, key=str.lower) == sorted(ATTRIBUTES)


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
        (
            "list_attr_celeba.txt",
            lambda text: text.replace("000002.jpg", "x.jpg"),
            r"lacks 1 of the images, 000002 among them\. Get",
        ),
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
        prepare(root, attributes=["Male"])


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
        prepare(root, attributes=["Male"])


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
        prepare(root)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "is a named pipe, not a regular file"),
        (lambda path: path.symlink_to("absent.txt"), r"is a link to absent\.txt, which is not there"),
        (lambda path: path.mkdir(), "is a folder, not a regular file"),
    ],
    ids=["pipe", "link", "folder"],
)
@pytest.mark.parametrize("name", ["list_eval_partition.txt", "list_attr_celeba.txt"])
def test_a_table_that_is_no_file_is_named(drawn_celeba, make, said, name):
    root = drawn_celeba()
    (root / name).unlink()
    make(root / name)
    with pytest.raises(ValueError, match=rf"^{root}/{name} {said}\. Get the file again\.$"):
        prepare(root, attributes=["Male"])
    check = CelebADataModule(str(root), attributes=["Male"]).check()
    assert len(check.damaged) == 1
    assert name in check.damaged[0]
