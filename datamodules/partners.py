"""Images in two folders or archives that belong together in pairs, by their names."""

import warnings
from collections.abc import Iterator
from contextlib import suppress

from PIL import ExifTags

from datamodules.decode import Decoder
from datamodules.folder import ImageFolderDataModule
from datamodules.formats import DAMAGE, DimImageWarning, open_image
from datamodules.sources import FileStamp, ImageSource

LYING = range(5, 9)
"""Orientations of EXIF that exchange width and height."""


class PartneredSource(ImageSource):
    """Image files, each of which can be used only where the file of the same name in another source can.

    Its fingerprint names both sources, so that what was decoded beside other partners is decoded, and checked, again.

    Args:
        own: Where the files are.
        partners: Where those of the same names are.
        decoder: Makes the pixels of a partner.
    """

    def __init__(self, own: ImageSource, partners: ImageSource, decoder: Decoder) -> None:
        super().__init__(own.path)
        self.own = own
        self.partners = partners
        self.decoder = decoder
        self.fingerprint = f"{own.fingerprint} {partners.fingerprint}"

    def list_files(self) -> Iterator[tuple[str, FileStamp]]:
        """Yield the files."""
        return self.own.list_files()

    def read(self, name: str) -> bytes:
        """Content of a file.

        Raises:
            OSError: It, or its partner, could not be read.
            ValueError: It is damaged, or its partner is, or the two differ in proportions; the message goes on from its
                name.
        """
        content = self.own.read(name)
        where = self.partners.path / name
        try:
            partner = self.partners.read(name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DimImageWarning)  # the partner's own side gives it
                self.decoder(partner)
        except ValueError as error:
            raise ValueError(f"cannot be used, for its partner {where} {error}") from error
        try:
            sizes = upright_size(content), upright_size(partner)
        except DAMAGE:  # of the file itself, which its decoder explains
            return content
        if not are_alike(*sizes):
            own, other = ("{} x {}".format(*size) for size in sizes)
            raise ValueError(
                f"is an image of {own} pixels, but its partner {where} is one of {other}: they differ in proportions "
                "(width : height), and would be cut differently. Cut or pad one of the two"
            )
        return content


def upright_size(content: bytes) -> tuple[int, int]:
    """Width and height of an image, turned as its camera was held, without decoding it.

    Raises:
        Exception: One of :data:`datamodules.formats.DAMAGE`.
    """
    with open_image(content) as opened:
        width, height = opened.size
        is_lying = False
        if opened.format != "PNG" or "exif" in opened.info:  # else Pillow decodes a PNG, to look behind its pixels
            with suppress(*DAMAGE):
                is_lying = opened.getexif().get(ExifTags.Base.Orientation) in LYING
    return (height, width) if is_lying else (width, height)


def are_alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes, (width, height), have the same proportions, but for a pixel of rounding.

    Example:
        >>> are_alike((640, 427), (1280, 853)), are_alike((32, 32), (48, 96))
        (True, False)
    """
    (width, height), (wide, high) = one, other
    return abs(width * high - wide * height) <= max(one + other)


def join_partners(targets: ImageFolderDataModule, sources: ImageFolderDataModule) -> None:
    """Let each image of two data sets be used only together with that of the same name in the other.

    Raises:
        ValueError: There are images without a partner.
    """
    ours, theirs = targets.source, sources.source
    lonely = [ours.path / name for name in sorted(ours.files.keys() - theirs.files.keys())]
    lonely += [theirs.path / name for name in sorted(theirs.files.keys() - ours.files.keys())]
    if lonely:
        raise ValueError(
            f"{len(theirs.files):,} sources and {len(ours.files):,} targets are no pairs: {len(lonely):,} have no "
            f"partner of the same name in the other folder, the first is {lonely[0]}. Add the partners or remove the "
            "images, or take UnpairedImageDataModule, which needs none."
        )
    targets.source = PartneredSource(ours, theirs, targets.decoder)
    sources.source = PartneredSource(theirs, ours, sources.decoder)
