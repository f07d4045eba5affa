from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lightning.images import tile, to_float, to_rgb, to_uint8, write_bytes, write_png

EVERY_PIXEL = torch.arange(256, dtype=torch.uint8)


def test_all_256_values_survive_the_round_trip():
    assert to_uint8(to_float(EVERY_PIXEL)).equal(EVERY_PIXEL)


def test_floats_span_minus_one_to_one_in_equal_steps():
    floats = to_float(EVERY_PIXEL)
    assert floats.dtype == torch.float32
    assert floats[0] == -1
    assert floats[-1] == 1
    torch.testing.assert_close(floats.diff(), torch.full((255,), 2 / 255))


def test_values_outside_the_range_are_clamped_and_do_not_wrap():
    outside = torch.tensor([-1e9, -1.01, -1.0, 1.0, 1.01, 3.0, 1e9])
    assert to_uint8(outside).tolist() == [0, 0, 0, 255, 255, 255, 255]
    assert to_uint8(torch.tensor([float("-inf"), float("inf")])).tolist() == [0, 255]


def test_quantisation_rounds_at_the_middle_between_two_pixels():
    middles = (torch.arange(255) + 0.5) / 127.5 - 1
    assert to_uint8(middles - 1e-4).equal(EVERY_PIXEL[:-1])
    assert to_uint8(middles + 1e-4).equal(EVERY_PIXEL[1:])


def test_quantisation_error_is_at_most_half_a_step():
    floats = torch.linspace(-1, 1, 10_001)
    assert (to_float(to_uint8(floats)) - floats).abs().max().item() <= 1 / 255 + 1e-6


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_white_is_white_and_black_is_black_in_every_precision(dtype):
    assert to_uint8(torch.tensor([-1, 1], dtype=dtype)).tolist() == [0, 255]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precisions_are_rounded_as_their_exact_values_in_32_bits(dtype):
    floats = torch.linspace(-1, 1, 1001).to(dtype)
    assert to_uint8(floats).equal(to_uint8(floats.float()))


def test_quantisation_keeps_shape_and_its_input():
    images = torch.full((2, 3, 4, 5), 1.5)
    assert to_uint8(images).shape == (2, 3, 4, 5)
    assert (images == 1.5).all()


def test_grey_becomes_three_equal_channels_and_rgb_passes_through():
    grey, rgb = torch.randn(2, 1, 4, 5), torch.randn(2, 3, 4, 5)
    assert to_rgb(grey).shape == (2, 3, 4, 5)
    assert all(to_rgb(grey)[:, k].equal(grey[:, 0]) for k in range(3))
    assert to_rgb(rgb) is rgb


def numbered(count, channels=1, height=3, width=4):
    """Image k is filled with k + 1; its channels differ by 50."""
    values = 1 + torch.arange(count).view(-1, 1, 1, 1) + 50 * torch.arange(channels).view(1, -1, 1, 1)
    return values.expand(count, channels, height, width).to(torch.uint8)


@pytest.mark.parametrize(
    ("count", "columns", "rows_and_columns"),
    [
        (1, None, (1, 1)),
        (4, None, (2, 2)),
        (5, None, (2, 3)),
        (7, None, (3, 3)),
        (64, None, (8, 8)),
        (7, 2, (4, 2)),
        (3, 5, (1, 5)),
        (6, 6, (1, 6)),
        (3, 1, (3, 1)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_stand_row_by_row_two_black_pixels_apart(count, columns, rows_and_columns, channels):
    images, (rows, across) = numbered(count, channels), rows_and_columns
    expected = np.zeros((channels, rows * 5 - 2, across * 6 - 2), dtype=np.uint8)
    for k, image in enumerate(images):
        top, left = 5 * (k // across), 6 * (k % across)
        expected[:, top : top + 3, left : left + 4] = image.numpy()
    assert np.array_equal(tile(images, columns).numpy(), expected)


def test_gaps_and_empty_places_of_float_images_are_black_in_floats():
    sheet = tile(torch.ones(3, 1, 2, 2))
    assert sheet.dtype == torch.float32
    assert sheet.shape == (1, 6, 6)
    assert set(sheet.unique().tolist()) == {-1.0, 1.0}
    assert (sheet == 1).sum() == 3 * 4
    assert to_uint8(sheet).min() == 0


@pytest.mark.parametrize("columns", [0, -1])
def test_impossible_number_of_columns_is_an_error_that_names_it(columns):
    with pytest.raises(ValueError, match=f"one column, .* {columns} columns"):
        tile(numbered(4), columns)


def test_a_sheet_of_no_images_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="image"):
        tile(numbered(0))


def test_grey_png_holds_the_tiled_pixels(tmp_path):
    images = to_float(numbered(5))
    write_png(images, tmp_path / "grey.png", columns=2)
    with Image.open(tmp_path / "grey.png") as picture:
        assert picture.format == "PNG"
        assert picture.mode == "L"
        assert np.array_equal(np.array(picture), tile(numbered(5), 2)[0].numpy())


def test_rgb_png_holds_the_channels_in_order(tmp_path):
    write_png(to_float(numbered(3, channels=3)), tmp_path / "rgb.png")
    with Image.open(tmp_path / "rgb.png") as picture:
        assert picture.mode == "RGB"
        assert picture.getpixel((0, 0)) == (1, 51, 101)
        assert picture.getpixel((6, 0)) == (2, 52, 102)
        assert picture.getpixel((4, 0)) == (0, 0, 0)
        assert np.array_equal(np.array(picture), tile(numbered(3, 3)).permute(1, 2, 0).numpy())


def test_png_of_images_out_of_range_and_with_graph(tmp_path):
    write_png(torch.full((1, 1, 2, 2), 9.0, requires_grad=True), tmp_path / "white.png")
    with Image.open(tmp_path / "white.png") as picture:
        assert np.array(picture).tolist() == [[255, 255], [255, 255]]


def test_folder_is_made_and_nothing_else_is_left_in_it(tmp_path):
    path = tmp_path / "new" / "folder" / "sheet.png"
    write_png(torch.zeros(1, 1, 2, 2), path)
    assert list(path.parent.iterdir()) == [path]


def test_existing_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    write_bytes(b"a longer old content", path)
    write_bytes(b"new", path)
    assert path.read_bytes() == b"new"


def half_written(self, content):
    with self.open("wb") as file:
        file.write(content[: len(content) // 2])
    raise OSError("No space left on device")


def interrupted(self, content):
    self.touch()
    raise KeyboardInterrupt


def not_replaced(self, target):
    raise PermissionError("Permission denied")


@pytest.mark.parametrize(
    ("method", "failure", "error"),
    [
        ("write_bytes", half_written, OSError),
        ("write_bytes", interrupted, KeyboardInterrupt),
        ("replace", not_replaced, PermissionError),
    ],
)
@pytest.mark.parametrize("old", [None, b"old"])
def test_failing_write_leaves_nothing_half_written_and_keeps_what_was_there(
    tmp_path, monkeypatch, method, failure, error, old
):
    path = tmp_path / "sheet.png"
    if old is not None:
        path.write_bytes(old)
    with monkeypatch.context() as patch:
        patch.setattr(Path, method, failure)
        with pytest.raises(error):
            write_png(torch.zeros(4, 1, 8, 8), path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == ({} if old is None else {path.name: old})


def test_file_is_never_seen_half_written(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    write_bytes(b"old", path)
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda part, target: seen.append(path.read_bytes()) or replace(part, target))
    write_bytes(b"new", path)
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"
