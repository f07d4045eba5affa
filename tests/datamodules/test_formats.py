import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from datamodules.decode import Decoder
from datamodules.formats import DimImageWarning


def encoded(image, kind="PNG", **kwargs):
    file = io.BytesIO()
    image.save(file, kind, **kwargs)
    return file.getvalue()


def test_16_bits_of_grey_and_of_colour_are_cut_alike():
    grey, color = wide_png(0, [0x4A99]), wide_png(2, [0x4A99] * 3)
    assert shades_of(grey) == shades_of(color) == (0x4A,) * 4


@pytest.mark.parametrize(
    ("image", "kind", "values"),
    [
        ((0, 128, 32_768, 65_535), "PNG", (0, 0, 128, 255)),
        ((0, 4_095), "PNG", (0, 16)),
        ((0, 128, 32_768, 65_535), "TIFF", (0, 0, 128, 255)),
        ((0, 32_896, 65_535), "PPM", (0, 128, 255)),
    ],
)
def test_grey_of_16_bits_is_scaled_by_their_range(image, kind, values):
    assert shades_of(encoded(row(image, np.uint16), kind)) == values


def row(values, kind):
    """An image of one pixel a value."""
    return Image.fromarray(np.array([values], kind))


def shades_of(content):
    """The shades of an image of one row, at its own size."""
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DimImageWarning)
        pixels = Decoder((height, width))(content)
    assert (pixels == pixels[0]).all()
    return tuple(pixels[0, 0].tolist())


MAX_VALUE, TYPED_MAX_VALUE, PHOTOMETRIC = 281, 341, 262


@pytest.mark.parametrize(
    ("values", "kind", "tags", "shades"),
    [
        ((0, 128, 255), np.uint16, {MAX_VALUE: 255}, (0, 128, 255)),
        ((0, 2_048, 4_095), np.uint16, {MAX_VALUE: 4_095}, (0, 128, 255)),
        ((0, 2_048, 4_095), ">u2", {MAX_VALUE: 4_095}, (0, 128, 255)),
        ((0, 13_107, 65_535), np.uint16, {PHOTOMETRIC: 0}, (255, 204, 0)),
        ((0, 2**30, 2**31 - 1), np.int32, {}, (0, 128, 255)),
        ((0, 2_048, 4_095), np.int32, {TYPED_MAX_VALUE: 4_095}, (0, 128, 255)),
        ((0, 2_048, 4_095), np.int32, {MAX_VALUE: 4_095}, (0, 128, 255)),
        ((0, 2_048, 4_095), np.uint16, {MAX_VALUE: 9, TYPED_MAX_VALUE: 4_095}, (0, 128, 255)),
        ((0, 255), np.int32, {}, (0, 0)),
    ],
)
def test_grey_of_a_tiff_is_scaled_by_its_own_range(values, kind, tags, shades):
    assert shades_of(encoded(row(values, kind), "TIFF", tiffinfo=tags)) == shades


def tiff(values, bits, sample_format=1):
    """A TIFF of one row of any number of bits, which Pillow does not write."""
    content = int("".join(f"{value % 2**bits:0{bits}b}" for value in values), 2).to_bytes(
        len(values) * bits // 8, "big"
    )
    tags = {256: len(values), 257: 1, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(content)}
    entries = [struct.pack(">HHII", tag, 4, 1, value) for tag, value in sorted({**tags, 339: sample_format}.items())]
    directory = struct.pack(">H", len(entries)) + b"".join(entries) + bytes(4)
    return b"MM\0*" + struct.pack(">I", 8 + len(content)) + content + directory


@pytest.mark.parametrize(
    ("values", "bits", "sample_format", "shades"),
    [
        ((0, 128, 255), 8, 1, (0, 128, 255)),
        ((0, 64, 127), 8, 2, (0, 129, 255)),
        ((0, 32_896, 65_535), 16, 1, (0, 128, 255)),
        ((0, 16_384, 32_767), 16, 2, (0, 128, 255)),
    ],
)
def test_the_bits_and_the_sign_of_a_tiff_make_its_range(values, bits, sample_format, shades):
    assert shades_of(tiff(values, bits, sample_format)) == shades


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tiff((-1, 5), 8, 2), r"it holds negative values \(-1\), which are no shade between black and white\."),
        (tiff((-300, 5), 16, 2), r"it holds negative values \(-300\)"),
        (encoded(row((0, -70_000), np.int32), "TIFF"), r"it holds negative values \(-70,000\)"),
        (
            encoded(row((0, 5_000), np.uint16), "TIFF", tiffinfo={MAX_VALUE: 4_095}),
            r"it holds values up to 5,000, but declares none above 4,095\.",
        ),
        (encoded(row((0, 0.5), np.float32), "TIFF"), r"its pixels are floats of unknown range\."),
        (encoded(row((0, 0.5), np.float32), "PPM"), r"its pixels are floats of unknown range\."),
    ],
)
def test_values_whose_range_is_unknown_or_not_kept_to_are_refused_with_the_cure(content, said):
    with pytest.raises(ValueError, match=rf"^cannot be decoded: {said}.* Save it as unsigned integers"):
        Decoder(4)(content)


def wide_png(color_type, samples):
    """A PNG of 4 x 4 pixels of 16 bits a channel, all of the same values."""

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    line = b"\0" + struct.pack(f">{len(samples)}H", *samples) * 4
    header = struct.pack(">IIBBBBB", 4, 4, 16, color_type, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(line * 4)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize(
    ("content", "is_dim"),
    [
        (encoded(row((0, 4_095), np.uint16)), True),
        (encoded(row((0, 4_096), np.uint16)), False),
        (encoded(row((0, 0), np.uint16)), False),  # black in any range
        (encoded(row((0, 255), np.int32), "TIFF"), True),
        (encoded(row((0, 255), np.uint16), "TIFF", tiffinfo={MAX_VALUE: 4_096}), True),
        (encoded(row((0, 255), np.uint16), "TIFF", tiffinfo={MAX_VALUE: 4_080}), False),
        (encoded(row((0, 5), np.uint8)), False),
        (wide_png(2, (4_095, 0, 9)), True),
        (wide_png(2, (4_096, 0, 9)), False),
        (wide_png(6, (255, 0, 9, 65_535)), True),
        (wide_png(4, (255, 65_535)), True),
        (wide_png(4, (65_535, 255)), False),
        (b"P6 1 1 65535\n" + bytes((1, 0, 0, 0, 0, 0)), True),
        (b"P6 1 1 255\n" + bytes((1, 0, 0)), False),
        (b"P5 1 1 4095\n" + bytes((0, 200)), True),
        (b"P5 1 1 4095\n" + bytes((15, 200)), False),
    ],
)
def test_an_image_that_uses_less_than_a_sixteenth_of_its_range_is_decoded_with_a_warning(content, is_dim):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Decoder(4)(content)
    said = "uses less than 1/16 of the range of values that it declares"
    assert [str(warning.message) for warning in caught] == [said] * is_dim


def test_a_shade_of_16_bits_that_is_transparent_becomes_white():
    content = encoded(row((60_000, 30_000), np.uint16), transparency=30_000)
    assert shades_of(content) == (233, 255)


FOREIGN = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "TGA": None,
    "ICO": None,
    "PCX": None,
    "SGI": None,
    "PSD": b"8BPS\0\1" + bytes(40),
    "AVIF": b"\0\0\0\x1cftypavif" + bytes(40),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_of_another_format_is_never_opened_whatever_it_is_called(kind, monkeypatch):
    content = FOREIGN[kind] or encoded(Image.new("RGB", (32, 32)), kind)
    Image.init()
    monkeypatch.setitem(Image.OPEN, kind, (lambda *_: pytest.fail("opened"), Image.OPEN[kind][1]))
    with pytest.raises(
        ValueError,
        match=r"^(begins like a file of the format [A-Z]+, but |is not an image: .* it )must be BMP, GIF, JPEG",
    ):
        Decoder(4)(content)


def test_a_file_of_another_format_is_named_where_its_beginning_tells():
    with pytest.raises(ValueError) as raised:
        Decoder(4)(FOREIGN["EPS"])
    said = "begins like a file of the format EPS, but must be BMP, GIF, JPEG, PNG, PPM, TIFF or WebP: convert it"
    assert str(raised.value) == said


def test_a_jpeg_of_several_pictures_is_read():
    first, second = (Image.new("L", (9, 9), shade) for shade in (200, 100))
    assert Decoder(1)(encoded(first, "MPO", save_all=True, append_images=[second])).tolist() == [[[200]]] * 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_metadata_that_cannot_be_read_turns_nothing(kind):
    image = Image.new("RGB", (9, 5), "white")
    assert Decoder((5, 9))(encoded(image, kind, exif=b"Exif\0\0no such thing")).shape == (3, 5, 9)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_a_file_that_is_cut_is_damaged_also_where_its_metadata_is(kind):
    content = encoded(Image.effect_noise((64, 64), 50).convert("RGB"), kind, exif=b"Exif\0\0no such thing")
    with pytest.raises(ValueError, match=r"^cannot be decoded: "):
        Decoder(4)(content[: len(content) // 2])
