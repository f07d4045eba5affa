"""Draw pairs of images for Pix2Pix and CycleGAN: edges of drawn faces and the faces, and faces by day and by night.

    python -m scripts.draw_pairs data/drawn --images 1000

Writes ``edges``, ``faces`` (pairs by name), ``day`` and ``night`` (of other faces: no pairs) below the folder.
The drawings are those of the tests (tests/datamodules/drawn_faces.py), cut to their central square.
"""

import argparse
import runpy
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

DRAWING = Path(__file__).parents[1] / "tests" / "datamodules" / "drawn_faces.py"
SIDE = 128
THRESHOLD = 48
"""Of the gradient, of 255, from which there is an edge."""


def edges(face: Image.Image) -> Image.Image:
    """Black lines on white, where neighbours differ."""
    grey = face.convert("L").filter(ImageFilter.GaussianBlur(1.5)).filter(ImageFilter.FIND_EDGES)
    lines = ImageOps.autocontrast(ImageOps.crop(grey, 2)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return lines.point([255 if value < THRESHOLD else 0 for value in range(256)]).convert("RGB")


def by_night(face: Image.Image) -> Image.Image:
    """Dark and blue, with noise as of a camera at its limit."""
    light = np.asarray(face, np.float32) / 255
    grey = light.mean(2, keepdims=True)
    dark = (0.35 * light + 0.65 * grey) ** 1.4 * np.array([0.35, 0.45, 0.75], np.float32)
    return Image.fromarray((255 * dark).clip(0, 255).astype(np.uint8))


def draw(folder: Path, count: int) -> None:
    """Draw so many images of each kind, those that are not there."""
    face_of = runpy.run_path(str(DRAWING))["draw_face"]
    kinds = {"edges": (edges, 0), "faces": (None, 0), "day": (None, 1), "night": (by_night, 2)}
    for kind, (change, offset) in kinds.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            path = folder / kind / f"{index:05d}.png"
            if not path.exists():
                face = ImageOps.fit(face_of(offset * count + index), (SIDE, SIDE), Image.Resampling.LANCZOS)
                (change(face) if change else face).save(path)


def main() -> None:
    """Parse the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1_000, help="of each kind")
    arguments = parser.parse_args()
    draw(arguments.folder, arguments.images)
    print(f"There are {arguments.images} images of each kind below {arguments.folder}.")


if __name__ == "__main__":
    main()
