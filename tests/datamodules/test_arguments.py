"""That every data set checks each of its numbers and switches, whatever is given from Python."""

import inspect

import numpy as np
import pytest
import torch

import datamodules
from datamodules.arguments import describe_size, read_count, read_flag, read_number, read_positive, read_size

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


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_an_argument_that_is_not_legal_is_one_message_that_names_it_and_what_is(kind, name, value):
    with pytest.raises(ValueError, match=rf"^{name} is .*, but .+\.$"):
        kind(**{name: value})


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
