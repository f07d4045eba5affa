"""That every data set checks each of its numbers and switches, whatever is given from Python."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

import datamodules
from datamodules.arguments import (
    describe_size,
    read_count,
    read_flag,
    read_number,
    read_path,
    read_positive,
    read_shape,
    read_size,
)
from datamodules.pairs import TranslationDataModule

INTEGERS = {
    "batch_size",
    "eval_batch_size",
    "num_workers",
    "val_size",
    "num_train",
    "num_val",
    "num_test",
    "seed",
    "side",
    "eval_size",
}
NUMBERS = {"mean", "std", "radius", "extent", "val_fraction", "test_fraction"}
FLAGS = {"download", "flip", "labels"}
NO_NUMBERS = ["1", None, True, [1], float("nan"), float("inf")]


def arguments_of(kind):
    """Names of the arguments of a class and of its ancestors."""
    return {name for ancestor in kind.__mro__ for name in inspect.signature(ancestor.__init__).parameters}


SETS = [getattr(datamodules, name) for name in datamodules.__all__]
CASES = [
    (kind, name, value)
    for kind in SETS
    if not inspect.isabstract(kind) and kind is not datamodules.ImageFolderDataModule
    for names, values in (
        (INTEGERS | {"num_modes", "image_size"}, [-1, 2.5, 64.0, "64", None, True, [64]]),
        (NUMBERS, NO_NUMBERS),
        (FLAGS, ["true", 1, None]),
    )
    for name in sorted(names & arguments_of(kind))
    for value in values
    if not (issubclass(kind, datamodules.points.PointDataModule) and name == "flip")
]


def domains(folder):
    """The arguments that data of two domains have no defaults for: folders with an image."""
    (folder / "1.png").touch()
    return {"sources": str(folder), "targets": str(folder)}


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_an_argument_that_is_not_legal_is_one_message_that_names_it_and_what_is(kind, name, value, tmp_path):
    others = domains(tmp_path) if issubclass(kind, TranslationDataModule) else {}
    with pytest.raises(ValueError, match=rf"^{name} is .*, but .+\.$"):
        kind(**{**others, name: value})


@pytest.mark.parametrize("number", [3, np.int64(3), np.uint8(3), torch.tensor(3)])
def test_integers_of_every_kind_become_pythons(number):
    assert type(read_count("x", number)) is int
    assert read_count("x", number) == 3
    assert read_size([number, number]) == read_size(number) == (3, 3)
    assert type(read_size(number)[0]) is int


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "x is 0, but must be from 1 to 9."),
        (10, "x is 10, but must be from 1 to 9."),
        (2.0, "x is 2.0, but must be an integer from 1 to 9."),
        ("2", "x is '2', but must be an integer from 1 to 9."),
        (np.bool_(True), "x is np.True_, but must be an integer from 1 to 9."),
    ],
)
def test_a_count_names_its_value_and_its_range(value, said):
    with pytest.raises(ValueError) as raised:
        read_count("x", value, most=9)
    assert str(raised.value) == said


def test_what_is_legal_is_returned_as_pythons():
    assert (read_flag("x", np.bool_(False)), type(read_flag("x", np.bool_(False)))) == (False, bool)
    assert (read_number("x", np.float32(0.5)), read_positive("x", 2)) == (0.5, 2.0)
    assert type(read_number("x", np.float32(0.5))) is float
    assert (describe_size(64, 64), describe_size(64, 48)) == ("64", "64x48")


@pytest.mark.parametrize("value", [0, -1.5])
def test_a_number_above_0_is_above_0(value):
    with pytest.raises(ValueError, match=rf"^x is {value}, but must be above 0\.$"):
        read_positive("x", value)


@pytest.mark.parametrize("value", [None, 3, "", b"data", ["data"], True])
def test_what_is_no_path_is_refused(value):
    with pytest.raises(ValueError) as raised:
        read_path("x", value)
    assert str(raised.value) == f"x is {value!r}, but must be a path, such as 'data', or '.' for the current folder."


def test_a_path_is_taken_from_the_users_folder_and_no_other(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert (read_path("x", "~/data"), read_path("x", Path("a~b"))) == (Path("/home/me/data"), Path("a~b"))
    with pytest.raises(ValueError, match=r"^x is '~nobody-at-all/data', but no user is called so\."):
        read_path("x", "~nobody-at-all/data")


PATHS = [
    (kind, name)
    for kind in SETS
    for name in ("root", "cache_dir")
    if not inspect.isabstract(kind) and name in arguments_of(kind)
]


@pytest.mark.parametrize(("kind", "name"), PATHS)
def test_every_path_of_a_data_set_is_checked(kind, name, tmp_path):
    others = {"root": str(tmp_path)} if name == "cache_dir" else {}
    if kind is datamodules.ImageFolderDataModule:
        (tmp_path / "1.png").touch()
    if issubclass(kind, TranslationDataModule):
        others = domains(tmp_path)
    with pytest.raises(ValueError, match=rf"^{name} is '', but must be a path"):
        kind(**{**others, name: ""})


@pytest.mark.parametrize("shape", [(3, 8, 6), [3, 8, 6], np.array([3, 8, 6]), torch.Size([3, 8, 6])])
def test_a_shape_is_three_integers(shape):
    assert (read_shape(shape), type(read_shape(shape))) == ((3, 8, 6), tuple)


@pytest.mark.parametrize("shape", [(3, 8), (3, 8, 8, 8), (3, 0, 8), (3, 8.0, 8), (True, 8, 8), None, 3, "388", b"388"])
def test_a_shape_of_anything_else_is_refused(shape):
    with pytest.raises(ValueError) as raised:
        read_shape(shape)
    assert str(raised.value) == (
        f"image_shape is {shape!r}, but must be three integers of at least 1, (channels, height, width), such as "
        "(3, 64, 64)."
    )
