"""Which images can be made and judged, and what is said of all others."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gan_lightning.networks import (
    ConcatLabels,
    DCGANDiscriminator,
    DCGANGenerator,
    LabelPlanes,
    MLPDiscriminator,
    MLPGenerator,
    PacGAN,
    ResNetDiscriminator,
    ResNetGenerator,
)
from gan_lightning.networks.shapes import halvings, joined, read_shape, stem, with_planes

Size = tuple[int, int]
MAKERS = {
    "mlp": lambda shape: MLPGenerator(shape, 5, (4,)),
    "dcgan": lambda shape: DCGANGenerator(shape, 5, 2),
    "resnet": lambda shape: ResNetGenerator(shape, 5, 2),
}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
every_convolutional_maker = pytest.mark.parametrize(
    "make", [MAKERS["dcgan"], MAKERS["resnet"]], ids=["dcgan", "resnet"]
)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((8, 8), [(8, 8), (4, 4)]),
        ((28, 28), [(28, 28), (14, 14), (7, 7), (3, 3)]),
        ((32, 32), [(32, 32), (16, 16), (8, 8), (4, 4)]),
        ((96, 96), [(96, 96), (48, 48), (24, 24), (12, 12), (6, 6), (3, 3)]),
        ((64, 48), [(64, 48), (32, 24), (16, 12), (8, 6), (4, 3)]),
        ((28, 56), [(28, 56), (14, 28), (7, 14), (3, 7)]),
        ((40, 24), [(40, 24), (20, 12), (10, 6), (5, 3)]),
        ((218, 178), [(218, 178), (109, 89), (54, 44), (27, 22), (13, 11), (6, 5), (3, 2)]),
        ((8, 100), [(8, 100), (4, 50)]),
    ],
)
def test_halvings_table(size: Size, expected: list[Size]) -> None:
    assert halvings((3, *size)) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((8, 8), ((4, 4), 1)),
        ((14, 14), ((7, 7), 1)),
        ((16, 16), ((4, 4), 2)),
        ((28, 28), ((7, 7), 2)),
        ((30, 30), ((15, 15), 1)),
        ((32, 32), ((4, 4), 3)),
        ((36, 36), ((9, 9), 2)),
        ((48, 48), ((6, 6), 3)),
        ((64, 64), ((4, 4), 4)),
        ((96, 96), ((6, 6), 4)),
        ((128, 128), ((4, 4), 5)),
        ((256, 256), ((4, 4), 6)),
        ((64, 48), ((8, 6), 3)),
        ((28, 56), ((7, 14), 2)),
        ((40, 24), ((10, 6), 2)),
        ((8, 50), ((4, 25), 1)),
        ((224, 176), ((14, 11), 4)),
    ],
)
def test_stem_table(size: Size, expected: tuple[Size, int]) -> None:
    assert stem((3, *size)) == expected


@pytest.mark.parametrize("base", [4, 5, 6, 7])
@pytest.mark.parametrize("doublings", range(1, 8))
def test_squares_of_four_to_seven_times_a_power_of_two_start_from_that(base: int, doublings: int) -> None:
    side = base * 2**doublings
    assert stem((1, side, side)) == ((base, base), doublings)  # as in version 0.1, whose checkpoints load


def reached(base: int, doublings: int) -> int:
    return base * 2**doublings


LEGAL = {
    (reached(rows, d), reached(columns, d))
    for d in range(1, 5)
    for rows in range(4, 30)
    for columns in range(4, 30)
    if min(rows, columns) <= 15
}
"""What some number of doublings reaches from a stem of 4 to 15 pixels, whichever its longer side; complete to 58x58."""


def test_stem_reaches_exactly_what_doublings_reach() -> None:
    for height in range(1, 59):
        for width in range(1, 59):
            if (height, width) in LEGAL:
                (rows, columns), doublings = stem((1, height, width))
                assert (reached(rows, doublings), reached(columns, doublings)) == (height, width)
                assert doublings >= 1
                assert 4 <= min(rows, columns) <= 15
            else:
                with pytest.raises(ValueError, match=f"cannot make {height}x{width} images"):
                    stem((1, height, width))


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (31, 31), (33, 33), (31, 50), (50, 31), (34, 34), (5, 49), (35, 9)])
def test_no_legal_size_is_nearer_than_the_one_that_is_told(size: Size) -> None:
    def distance(other: Size) -> int:
        return abs(other[0] - size[0]) + abs(other[1] - size[1])

    with pytest.raises(ValueError, match="The nearest size is") as caught:
        stem((1, *size))
    told = re.search(r"nearest size is (\d+)x(\d+): resize the images to it\.$", str(caught.value))
    assert told
    nearest = int(told[1]), int(told[2])
    assert nearest in LEGAL
    assert distance(nearest) == min(distance(other) for other in LEGAL)
    assert size[0] != size[1] or nearest[0] == nearest[1]  # a square for a square


def test_the_refusal_of_a_size_names_it_the_rule_and_the_shape() -> None:
    with pytest.raises(ValueError, match="cannot make") as caught:
        stem((28, 28, 1))
    assert str(caught.value) == (
        "Residual networks cannot make 28x1 images, the height and width of image_shape=(28, 28, 1) (C, H, W): height "
        "and width must be at least 8, and multiples of 2 where the shorter of them is at most 30, of 4 where it is at "
        "most 60, of 8 up to 120, of 16 up to 240, and so on. The nearest size is 28x8: resize the images to it, or "
        "give image_shape=(1, 28, 28) if you meant (H, W, C)."
    )


@every_convolutional_maker
def test_a_shape_in_the_order_of_numpy_is_an_error_that_tells_it_in_the_order_of_torch(make: Any) -> None:
    with pytest.raises(ValueError, match=r"or give image_shape=\(3, 64, 48\) if you meant \(H, W, C\)\.$"):
        make((64, 48, 3))
    with pytest.raises(ValueError, match=r"resize the images to it\.$"):
        make((3, 48, 4))


NO_SHAPES = [
    (28, 28),
    (1, 1, 28, 28),
    (),
    28,
    None,
    "128",
    "1,28,28",
    (1, 28.0, 28.0),
    (1.0, 28, 28),
    ("1", 28, 28),
    (1, None, 28),
    (0, 28, 28),
    (1, 0, 28),
    (1, 28, 0),
    (-1, 28, 28),
    (1, -28, 28),
    (np.float32(1), 28, 28),
    (True, 28, 28),
    {3, 16, 24},
    {3: 0, 16: 0, 24: 0},
    np.array([3.0, 16.0, 24.0]),
    np.array(28),
    iter((3, 16, 24)),
]


@every_maker
@pytest.mark.parametrize("shape", NO_SHAPES, ids=[type(shape).__name__ for shape in NO_SHAPES])
def test_what_is_no_shape_is_an_error_that_tells_it_and_the_legal_ones(make: Any, shape: Any) -> None:
    expected = "image_shape must be (C, H, W), three integers of at least 1"
    with pytest.raises(ValueError, match=rf"^{re.escape(expected)}, such as .*; got {re.escape(repr(shape))}\.$"):
        make(shape)


@pytest.mark.parametrize("network", [DCGANDiscriminator, ResNetDiscriminator])
@pytest.mark.parametrize("shape", NO_SHAPES, ids=[type(shape).__name__ for shape in NO_SHAPES])
def test_discriminators_refuse_the_same_shapes(network: Any, shape: Any) -> None:
    with pytest.raises(ValueError, match=r"image_shape must be \(C, H, W\), three integers of at least 1, such as"):
        network(shape)


def test_discriminators_take_channels_of_a_thousand_classes_too() -> None:
    network = LabelPlanes(DCGANDiscriminator(with_planes((3, 8, 8), 1000), 2), 1000)
    assert network(torch.zeros(2, 3, 8, 8), torch.tensor([0, 999])).logits.shape == (2,)


@every_maker
@pytest.mark.parametrize("kind", [np.int64, np.uint8, int])
def test_integers_of_numpy_are_the_same_shape_and_are_kept_as_pythons(make: Any, kind: Any) -> None:
    network = make([kind(side) for side in (3, 16, 24)])
    assert network.image_shape == (3, 16, 24)
    assert {type(side) for side in network.image_shape} == {int}
    assert network(torch.zeros(2, 5)).shape == (2, 3, 16, 24)


def test_shapes_of_tensors_and_arrays_are_shapes() -> None:
    assert read_shape(torch.zeros(3, 16, 24).shape) == (3, 16, 24)
    assert read_shape(np.array([3, 16, 24])) == (3, 16, 24)


DISCRIMINATORS = {
    "dcgan": (DCGANDiscriminator((1, 16, 8), 2), (1, 16, 8)),
    "resnet": (ResNetDiscriminator((1, 16, 8), 2), (1, 16, 8)),
    "planes": (LabelPlanes(ResNetDiscriminator((3, 16, 8), 2), 2), (3, 16, 8)),
    "pack": (PacGAN(DCGANDiscriminator((2, 16, 8), 2)), (2, 16, 8)),
}


@pytest.mark.parametrize(("network", "built_for"), DISCRIMINATORS.values(), ids=DISCRIMINATORS)
@pytest.mark.parametrize("size", [(8, 16), (16, 16), (32, 16), (8, 8), (17, 8)])
def test_a_discriminator_refuses_images_of_another_size(network: Any, built_for: Any, size: Size) -> None:
    labels = torch.tensor([0, 1])
    assert len(network(torch.zeros(2, 1, 16, 8), labels).logits) in (1, 2)
    told = f"was built for images of shape {built_for}, got {(built_for[0], *size)}"
    with pytest.raises(ValueError, match=rf"{re.escape(told)}.*image_size of the GAN.*image_shape of the data"):
        network(torch.zeros(2, 1, *size), labels)


@pytest.mark.parametrize("network", [DCGANDiscriminator, ResNetDiscriminator])
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (8, 8), (1, 8, 8), (2, 1, 64)])
def test_a_discriminator_refuses_other_channels_and_dimensions(network: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"images of shape (1, 8, 8), got {shape[1:]}")):
        network((1, 8, 8), 2)(torch.zeros(shape))


def test_a_discriminator_of_flat_images_refuses_other_numbers_of_pixels() -> None:
    message = r"MLPDiscriminator was built for images of 64 features, got 256, of shape \(1, 16, 16\)"
    with pytest.raises(ValueError, match=message):
        MLPDiscriminator(64, (4,))(torch.zeros(2, 1, 16, 16))
    with pytest.raises(ValueError, match="was built for images of 66 features, got 258"):
        ConcatLabels(MLPDiscriminator(66, (4,)), 3, 2)(torch.zeros(2, 1, 16, 16), torch.tensor([0, 1]))


@every_maker
@pytest.mark.parametrize("shape", [(2, 6), (5,), (2, 1, 5), (2, 5, 1, 1)], ids=str)
def test_a_generator_refuses_latents_of_another_shape(make: Any, shape: tuple[int, ...]) -> None:
    told = rf"Generator was built for latents of shape \(N, 5\), got {re.escape(str(shape))}: .*sample_latent"
    with pytest.raises(ValueError, match=told):
        make((1, 8, 8))(torch.zeros(shape))


@pytest.mark.parametrize(
    "network",
    [DCGANDiscriminator((1, 16, 8), 2), ResNetDiscriminator((1, 16, 8), 2), MLPDiscriminator(128, (4,))],
    ids=lambda network: type(network).__name__,
)
def test_the_check_of_shapes_neither_breaks_a_compiled_graph_nor_is_lost_in_it(network: nn.Module) -> None:
    torch.compiler.reset()
    images = torch.zeros(2, 1, 16, 8)
    with torch.no_grad():
        expected = network.eval()(images).logits
        assert torch.compile(network, backend="eager", fullgraph=True)(images).logits.equal(expected)
        with pytest.raises(ValueError, match="was built for"):
            torch.compile(network, backend="eager")(torch.zeros(2, 1, 16, 16))


def test_what_labels_add() -> None:
    assert with_planes((1, 28, 14), 10) == (11, 28, 14)
    assert joined(latent_dim=100, embedding_dim=50) == 150
    assert with_planes((1, 28, 14), np.int64(10)) == (11, 28, 14)  # such as labels.max() + 1
    with pytest.raises(ValueError, match="embedding_dim must be an integer, at least 1, got -60"):
        joined(latent_dim=100, embedding_dim=-60)


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True], ids=repr)
def test_what_is_no_number_of_classes_is_an_error_that_tells_it_and_what_to_do(value: Any) -> None:
    message = rf"num_classes must be an integer, at least 1, got {re.escape(repr(value))}: .*unconditional GAN\.$"
    for build in (lambda: with_planes((1, 8, 8), value), lambda: LabelPlanes(nn.Identity(), value)):
        with pytest.raises(ValueError, match=message):
            build()
    with pytest.raises(ValueError, match=message):
        ConcatLabels(nn.Identity(), value, 2)
