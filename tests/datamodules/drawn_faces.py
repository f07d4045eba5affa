"""Draws face-like pictures in the layouts of CelebA. No picture of a person is in them."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from datamodules.celeba.tables import ATTRIBUTES

SIZE = (178, 218)
DRAWN = ("Bald", "Blond_Hair", "Eyeglasses", "Mustache", "Pale_Skin", "Smiling", "Wearing_Hat")
"""The attributes that are to be seen; the others are drawn by lot and mean nothing."""


def draw_attributes(seed):
    """Signs of the 40 attributes of a face, -1 or 1."""
    return np.random.default_rng([seed, 1]).choice([-1, 1], len(ATTRIBUTES))


def draw_face(seed):
    """A face-like picture of 178 x 218 pixels, with the attributes that `draw_attributes` says."""
    random = np.random.default_rng(seed)
    signs = dict(zip(ATTRIBUTES, draw_attributes(seed), strict=True))
    image = background(random)
    draw = ImageDraw.Draw(image)
    tone = random.integers(150, 215) + 30 * (signs["Pale_Skin"] > 0)
    skin = (int(tone), int(tone * 0.8), int(tone * 0.68))
    hair = (215, 185, 110) if signs["Blond_Hair"] > 0 else tuple(random.integers(20, 90, 3).tolist())
    x, y = 89 + random.integers(-5, 6), 115 + random.integers(-5, 6)
    if signs["Bald"] < 0:
        draw.ellipse((x - 66, y - 88, x + 66, y + 62), fill=hair)
    draw.rectangle((x - 24, y + 50, x + 24, 218), fill=skin)
    draw.ellipse((x - 50, y - 70, x + 50, y + 76), fill=skin)
    for side in (-1, 1):
        eye = x + 20 * side
        draw.ellipse((eye - 10, y - 13, eye + 10, y - 1), fill="white")
        draw.ellipse((eye - 4, y - 12, eye + 4, y - 3), fill=(40, 30, 20))
        draw.line((eye - 12, y - 20, eye + 12, y - 22), fill=hair, width=3)
        if signs["Eyeglasses"] > 0:
            draw.ellipse((eye - 17, y - 22, eye + 17, y + 8), outline="black", width=3)
    draw.line((x, y - 2, x - 5, y + 20, x + 4, y + 21), fill=tuple(int(0.7 * value) for value in skin), width=3)
    if signs["Mustache"] > 0:
        draw.rectangle((x - 18, y + 26, x + 18, y + 33), fill=hair)
    if signs["Smiling"] > 0:
        draw.chord((x - 24, y + 22, x + 24, y + 56), 10, 170, fill="white", outline=(150, 40, 50))
    else:
        draw.line((x - 18, y + 43, x + 18, y + 43), fill=(150, 40, 50), width=5)
    if signs["Wearing_Hat"] > 0:
        draw.rectangle((x - 62, y - 98, x + 62, y - 52), fill=tuple(random.integers(0, 256, 3).tolist()))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2)), np.float32)
    grain = random.normal(0, 4, (*soft.shape[:2], 1)).astype(np.float32)
    return Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8))


def background(random):
    """A soft texture."""
    noise = random.integers(60, 200, (9, 7, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)


def encode_face(seed, quality=82):
    """The picture as JPEG: about 7 KB, as CelebA's own."""
    file = io.BytesIO()
    draw_face(seed).save(file, "JPEG", quality=quality)
    return file.getvalue()


def draw_partition(count):
    """Number of the split of each image, in about the official proportions, none empty from 10 images on."""
    ends = (count - 2 * max(count // 10, 1), count - max(count // 10, 1))
    return [sum(index >= end for end in ends) for index in range(count)]


def write_celeba(root, count, layout="official"):
    """Write faces and tables.

    Args:
        root: Folder, made if absent.
        count: Number of images.
        layout: "official" (folder and text files), "kaggle" (doubled folder and CSV files), "folder" or "zip" (images
            alone).
    """
    root = Path(root)
    names = [f"{number:06}.jpg" for number in range(1, count + 1)]
    folder = root / ("img_align_celeba/img_align_celeba" if layout == "kaggle" else "img_align_celeba")
    (root if layout == "zip" else folder).mkdir(parents=True)
    contents = ((name, encode_face(number)) for number, name in enumerate(names))
    if layout == "zip":
        with zipfile.ZipFile(root / "img_align_celeba.zip", "w") as archive:
            for name, content in contents:
                archive.writestr(f"img_align_celeba/{name}", content)
    else:
        for name, content in contents:
            (folder / name).write_bytes(content)
    rows = [(name, *draw_attributes(number).tolist()) for number, name in enumerate(names)]
    parts = list(zip(names, draw_partition(count), strict=True))
    if layout == "official":
        write_text(root, rows, parts)
    elif layout == "kaggle":
        write_csv(root / "list_attr_celeba.csv", [("image_id", *ATTRIBUTES), *rows])
        write_csv(root / "list_eval_partition.csv", [("image_id", "partition"), *parts])
    return root


def write_text(root, rows, parts):
    """The official tables: the first with the count and the names on top, the second without."""
    lines = [str(len(rows)), " ".join(ATTRIBUTES) + " "]
    lines += [f"{name} " + " ".join(f"{sign:2d}" for sign in signs) for name, *signs in rows]
    (root / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    (root / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name, part in parts))


def write_csv(path, rows):
    """Kaggle's tables, with the line ends of Windows."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
