import pytest

from datamodules.report import DataCheck


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
