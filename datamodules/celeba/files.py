"""Where the files of CelebA lie: the layouts that they are published in, and their download."""

import hashlib
import os
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.request import urlopen

from torchvision.datasets import CelebA

from datamodules.celeba.tables import read_table
from datamodules.regular_files import permitted
from datamodules.sources import is_image_name

BASES = ("", "celeba", "CelebA", "celeba-dataset", "celeba_dataset")
IMAGES = tuple(
    f"{folder}{images}"
    for images in ("img_align_celeba/img_align_celeba", "img_align_celeba", "img_align_celeba.zip")  # the first: Kaggle
    for folder in ("", "Img/")
)
ARCHIVE = "img_align_celeba.zip"
ATTRIBUTES_TABLE = "list_attr_celeba.txt"
IDENTITY_TABLE = "identity_CelebA.txt"
PARTITION_TABLE = "list_eval_partition.txt"
PUBLISHED = {name: (file_id, md5) for file_id, md5, name in CelebA.file_list}
"""Google Drive's name for each official file, and the file's checksum."""
DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="
BY_HAND = (
    f"Fetch {ARCHIVE}, {PARTITION_TABLE} and, for labels, {ATTRIBUTES_TABLE} by hand, from "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, or the set as Kaggle has it "
    "(https://www.kaggle.com/datasets/jessicali9530/celeba-dataset)"
)


def find_images(root: Path) -> Path:
    """Find the folder or archive of the aligned images: official, Kaggle's, torchvision's, or `root` itself.

    Returns:
        Its path; where there is none, that of what has its name and is neither a folder nor a file.

    Raises:
        FileNotFoundError: There is no such thing.
    """
    candidates = [*(root / base / images for base in BASES for images in IMAGES), root]
    with permitted(root):
        whole = (path for path in candidates if path.is_file() or _holds_images(path))
        odd = (path for path in candidates if os.path.lexists(path) and not path.is_dir())
        if found := next(whole, None) or next(odd, None):
            return found
    raise FileNotFoundError(
        f"{root} holds no images of CelebA: neither it nor its folders {', '.join(BASES[1:])} have one of "
        f"{', '.join(IMAGES)}, and no image lies in it. {BY_HAND}, and put the files there as they are; nothing needs "
        "extracting."
    )


def find_table(root: Path, name: str) -> Path | None:
    """Find a metadata file by its official name, or Kaggle's .csv of it; else what has its name and is no file."""
    folders = [root / base / part for base in BASES for part in ("", "Anno", "Eval")]
    names = (name, f"{Path(name).stem}.csv")
    candidates = [folder / name for folder in (*folders, root.parent) for name in names]
    with permitted(root):
        whole = (path for path in candidates if path.is_file())
        return next(whole, None) or next(filter(os.path.lexists, candidates), None)


def describe_table(path: Path) -> str:
    """Name a metadata file, its size, and whether it is the published one."""
    content = read_table(path)
    line = f"{path}: {len(content) / 1e6:.1f} MB"
    if path.name not in PUBLISHED:
        return f"{line}, no checksum is known"
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    published = PUBLISHED[path.name][1]
    return f"{line}, md5 {md5}, {'as published' if md5 == published else f'not the published {published}'}"


def download(root: Path) -> None:
    """Download the files that are not there, each of which appears whole or not at all.

    Raises:
        ConnectionError: A download failed; what was there, and what came before, is kept.
    """
    folder = root / "celeba"
    for name in missing_files(root):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with urlopen(DRIVE + PUBLISHED[name][0], timeout=60) as response:
                receive(response, folder / name, PUBLISHED[name][1])
        except (OSError, HTTPException, ValueError) as error:
            raise ConnectionError(
                f"CelebA's {name} could not be downloaded: {error}.\nGoogle Drive, where it lies, limits how often a "
                f"file is downloaded. Try again tomorrow, or: {BY_HAND}, and put the files into {folder} as they are; "
                "nothing needs extracting. Nothing that was there, or was downloaded before, is lost."
            ) from error


def missing_files(root: Path) -> Iterator[str]:
    """Yield the official names of the files that are not there, in whatever layout."""
    for name in (PARTITION_TABLE, ATTRIBUTES_TABLE):  # the small ones first
        if find_table(root, name) is None:
            yield name
    try:
        find_images(root)
    except FileNotFoundError:
        yield ARCHIVE


def receive(response: BinaryIO, path: Path, md5: str) -> None:
    """Write what a server sends, and give it its name if its checksum is the expected one.

    Raises:
        ValueError: It is not the expected file; nothing is left of it.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with partial.open("wb") as file:
            while block := response.read(2**20):
                if not file.tell() and block.lstrip()[:1] == b"<":
                    raise ValueError("the server sent a web page instead, as it does when its quota is exceeded")
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != md5:
            raise ValueError(f"{partial.stat().st_size:,} bytes came, with md5 {digest.hexdigest()} instead of {md5}")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _holds_images(path: Path) -> bool:
    return path.is_dir() and any(is_image_name(entry.name) for entry in os.scandir(path))
