import io
import os

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from datamodules.decode import Decoder, decode_all
from datamodules.sources import FolderSource


def encoded(image, kind="PNG", **kwargs):
    file = io.BytesIO()
    image.save(file, kind, **kwargs)
    return file.getvalue()


def noise(width, height, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def colour_of(content):
    """The one colour of an image."""
    pixels = Decoder(4)(content)
    assert (pixels == pixels[:, :1, :1]).all()
    return tuple(pixels[:, 0, 0].tolist())


def assert_close(pixels, expected):
    """They differ nowhere by more than 1, and in few places: a rounding, not a shift."""
    difference = abs(pixels.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.1


@pytest.mark.parametrize("crop", [178, 160, 148, 140, 108])
@pytest.mark.parametrize("size", [28, 64, 128, 200])
def test_crop_and_resize_are_those_of_torchvision_to_one_part_in_255(drawn_faces, crop, size):
    content = drawn_faces.encode_face(crop)
    reference = transforms.Compose([transforms.CenterCrop(crop), transforms.Resize(size)])
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(reference(image.convert("RGB"))).transpose(2, 0, 1)
    assert_close(Decoder(size, crop)(content), expected)


@pytest.mark.parametrize("size", [(60, 41), (41, 60), (45, 40), (40, 43), (7, 7)])
def test_the_largest_square_is_cut_as_torchvision_does(size):
    image = noise(*size)
    reference = transforms.Compose([transforms.CenterCrop(min(size)), transforms.Resize(16)])
    expected = np.asarray(reference(image)).transpose(2, 0, 1)
    assert_close(Decoder(16)(encoded(image)), expected)


def test_an_image_of_the_size_that_is_asked_for_is_kept_as_it_is():
    image = noise(12, 12)
    assert np.array_equal(Decoder(12)(encoded(image)), np.asarray(image).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "expected"),
    [
        ("RGB", (10, 20, 30), "PNG", (10, 20, 30)),
        ("RGB", (10, 20, 30), "BMP", (10, 20, 30)),
        ("RGB", (10, 20, 30), "GIF", (10, 20, 30)),
        ("L", 70, "PNG", (70, 70, 70)),
        ("1", 1, "PNG", (255, 255, 255)),
        ("I;16", 0x4A99, "PNG", (0x4A, 0x4A, 0x4A)),
        ("RGBA", (10, 20, 30, 255), "PNG", (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), "PNG", (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), "WEBP", (204, 204, 204)),
        ("LA", (0, 102), "PNG", (153, 153, 153)),
        ("CMYK", (0, 0, 0, 0), "JPEG", (255, 255, 255)),
    ],
)
def test_every_mode_becomes_rgb_and_transparency_white(mode, colour, kind, expected):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert colour_of(encoded(Image.new(mode, (9, 7), colour), kind, **options)) == expected


def test_a_palette_becomes_its_colours_and_its_transparent_entry_white():
    image = Image.new("P", (8, 8), 1)
    image.putpalette([9, 9, 9, 10, 20, 30])
    assert colour_of(encoded(image)) == (10, 20, 30)
    assert colour_of(encoded(image, transparency=1)) == (255, 255, 255)
    assert colour_of(encoded(image, "GIF", transparency=1)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("mode", "color", "grey"),
    [
        ("RGB", (255, 0, 0), 76),
        ("RGB", (10, 20, 30), 18),
        ("L", 70, 70),
        ("I;16", 0x4A99, 74),
        ("RGBA", (0, 0, 0, 0), 255),
    ],
)
def test_grey_of_one_channel_is_made_of_every_mode(mode, color, grey):
    pixels = Decoder(4, channels=1)(encoded(Image.new(mode, (9, 7), color)))
    assert pixels.shape == (1, 4, 4)
    assert np.unique(pixels).tolist() == [grey]


def test_grey_is_that_of_torchvision():
    image = noise(40, 43)
    reference = transforms.Compose([transforms.Grayscale(), transforms.CenterCrop(36), transforms.Resize(20)])
    assert_close(Decoder(20, 36, channels=1)(encoded(image)), np.asarray(reference(image))[None])


@pytest.mark.parametrize(
    ("size", "crop", "cut"),
    [
        ((32, 16), None, (40, 20)),
        ((16, 32), None, (30, 60)),
        ((30, 45), None, (40, 60)),
        ((32, 16), 30, (30, 15)),
        ((16, 32), 30, (15, 30)),
        ((24, 24), None, (40, 40)),
        ((1, 50), None, (1, 60)),
    ],
)
def test_the_largest_part_of_the_proportions_of_the_result_is_cut_from_the_centre(size, crop, cut):
    image = noise(60, 40)
    height, width = cut
    reference = transforms.Compose([transforms.CenterCrop(cut), transforms.Resize(size)])
    assert_close(Decoder(size, crop)(encoded(image)), np.asarray(reference(image)).transpose(2, 0, 1))
    assert abs(height / width - size[0] / size[1]) <= 0.5 / min(cut)


def test_proportions_are_kept():
    image = Image.new("L", (100, 60))
    image.paste(255, (40, 20, 60, 40))  # a square
    for size in ((60, 40), (40, 60), (50, 50)):
        bright = Decoder(size)(encoded(image))[0] > 127
        assert abs(int(bright.any(0).sum()) - int(bright.any(1).sum())) <= 1


def test_a_size_of_two_equal_sides_is_that_of_one():
    assert Decoder((8, 8)) == Decoder([8, 8]) == Decoder(np.array([8, 8])) == Decoder(np.int64(8)) == Decoder(8)


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert colour_of(content) == (255, 0, 0), kind


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_the_camera_was_held(orientation):
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = noise(16, 16)
    stored = upright.transpose(turned[orientation]) if orientation in turned else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(Decoder(16)(encoded(stored, exif=exif)), Decoder(16)(encoded(upright)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "^is empty$"),
        (b" <!DOCTYPE html><html>Sign in</html>", r"^is a web page \(b'<!DOCTYPE html><html"),
        (b"Wrong quota\n" * 9, r"^is not an image: its 108 bytes begin with b'Wrong qu'"),
        (encoded(noise(64, 64), "JPEG")[:900], "^cannot be decoded: .*truncated"),
        (encoded(noise(64, 64), "PNG")[:900], "^cannot be decoded: "),
        (encoded(noise(64, 64), "GIF")[:900], "^cannot be decoded: "),
        (encoded(noise(64, 64), "WEBP")[:900], "^(cannot be decoded|is not an image): "),
        (encoded(noise(64, 64), "BMP")[:900], "^cannot be decoded: "),
        (encoded(Image.new("F", (8, 8), 0.5), "TIFF"), "^cannot be decoded: its pixels are floats of unknown range"),
    ],
    ids=["empty", "web page", "text", "jpeg", "png", "gif", "webp", "bmp", "floats"],
)
def test_a_file_that_is_no_intact_image_is_described(content, said):
    with pytest.raises(ValueError, match=said):
        Decoder(8)(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_damage_anywhere_raises_nothing_but_a_value_error(kind, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # a damaged size may be large
    content = encoded(noise(24, 24), kind)
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        for place in random.integers(0, min(len(content), 200), 3):
            damaged[place] = random.integers(256)
        try:
            assert Decoder(8)(bytes(damaged)).shape == (3, 8, 8)
        except ValueError as error:
            assert str(error).startswith(("cannot be decoded", "is not an image"))


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"cannot be decoded: Image size .* exceeds limit"):
        Decoder(8)(encoded(noise(20, 20)))


def test_truncated_images_are_refused_by_pillow_everywhere():
    from PIL import ImageFile

    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        (Decoder(8, crop=50), "is an image of 64 x 40 pixels, smaller than the crop of 50"),
        (Decoder(8, crop=30, source_size=(178, 218)), "is an image of 64 x 40 pixels, but must be of 178 x 218"),
    ],
)
def test_an_image_of_the_wrong_size_is_described(decoder, said):
    with pytest.raises(ValueError, match=said):
        decoder(encoded(noise(64, 40)))


@pytest.mark.parametrize(
    "size", [0, -1, 8.0, "8", True, None, [8], [8, 8, 8], [0, 8], [8, -1], [8.0, 8], ["8", 8], "88", b"88"]
)
def test_the_size_is_checked_at_construction(size):
    with pytest.raises(ValueError) as raised:
        Decoder(size)
    assert str(raised.value) == (
        f"image_size is {size!r}, but must be an integer of at least 1, such as 64, or a pair [height, width] of them, "
        "such as [64, 48]."
    )


@pytest.mark.parametrize("crop", [0, -3, 4.0, "4", True, [4, 4]])
def test_the_crop_is_checked_at_construction(crop):
    with pytest.raises(ValueError, match=r"^crop is .*, but must be (an integer of )?at least 1\.$"):
        Decoder(8, crop)


@pytest.mark.parametrize("channels", [0, 2, 4, 1.0, "1", True, None])
def test_the_channels_are_checked_at_construction(channels):
    with pytest.raises(ValueError, match=rf"^channels is {channels!r}, but must be 3 \(RGB\) or 1 \(grey\)\.$"):
        Decoder(8, channels=channels)


@pytest.fixture
def many(tmp_path):
    """1,000 tiny images, two of them damaged."""
    for number in range(1_000):
        Image.new("RGB", (4, 4), (number % 256, number // 256, 0)).save(tmp_path / f"{number:03}.png")
    (tmp_path / "123.png").write_bytes(b"")
    (tmp_path / "500.png").write_bytes(b"<html>")
    return FolderSource(tmp_path)


@pytest.mark.parametrize("cores", [1, 2])
def test_processes_decode_in_order_what_one_decodes(many, monkeypatch, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores), raising=False)
    before = torch.get_rng_state()
    results = list(decode_all(many, list(many.files), Decoder(4)))
    assert torch.equal(torch.get_rng_state(), before)
    assert [number for number, result in enumerate(results) if result.pixels is None] == [123, 500]
    kept = [result.pixels[:2, 0, 0].tolist() for result in results if result.pixels is not None]
    numbers = [low + 256 * high for low, high in kept]
    assert numbers == [number for number in range(1_000) if number not in (123, 500)]


@pytest.mark.parametrize("cores", [1, 2])
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(many, monkeypatch, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores), raising=False)
    names = list(many.files)
    (many.path / "250.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"250\.png"):
        list(decode_all(many, names, Decoder(4)))
