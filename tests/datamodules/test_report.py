import pytest

from datamodules.report import DataCheck, count_images


@pytest.mark.parametrize(
    ("findings", "ok", "verdict"),
    [
        ({"present": ("x",)}, True, "ok"),
        ({"notes": ("x",)}, True, "ok"),
        ({"missing": ("x",)}, False, "incomplete"),
        ({"damaged": ("x",)}, False, "damaged"),
        ({"missing": ("x",), "damaged": ("y",)}, False, "incomplete and damaged"),
    ],
)
def test_verdict_follows_from_what_was_found(findings, ok, verdict):
    check = DataCheck("drawn", **findings)
    assert check.ok is ok
    assert str(check).splitlines()[0] == f"drawn: {verdict}"


def test_every_finding_has_a_line():
    check = DataCheck("drawn", ("a", "b"), ("c",), ("d",), ("e",))
    assert [line.split() for line in str(check).splitlines()[1:]] == [
        ["there", "a"],
        ["there", "b"],
        ["missing", "c"],
        ["damaged", "d"],
        ["note", "e"],
    ]


def test_a_file_name_that_is_no_text_can_be_printed():
    check = DataCheck("drawn", damaged=("\udcff.png is empty, ü too",))
    assert str(check).encode() == "drawn: damaged\n  damaged  \\udcff.png is empty, ü too".encode()


def test_images_are_counted_in_words():
    assert [count_images(count) for count in (0, 1, 2, 5_000)] == ["0 images", "1 image", "2 images", "5,000 images"]
