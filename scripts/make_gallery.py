"""Make docs/gallery.png: the first samples of every picture in docs/gans, which scripts/make_gan_pages.py makes.

    python -m scripts.make_gallery
    python -m scripts.make_gallery --runs runs/benchmark/faces --seed 1 --columns 10 --out docs/drawn_faces.png

The second draws samples of the runs of one seed in a folder, one row each.
"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

import gan_lightning
from gan_lightning.images import tile, to_uint8

COLUMNS, ROWS, MARGIN, LABEL = 20, 2, 8, 130
LAST = Path("checkpoints", "last.ckpt")
DOCS = Path(__file__).parents[1] / "docs"
OUT = DOCS / "gallery.png"


def sample_pixels(checkpoint: Path, count: int = COLUMNS * ROWS) -> Tensor:
    """Samples of a checkpoint, (count, C, H, W) uint8; those of a conditional GAN are the classes in turn."""
    gan = gan_lightning.load(checkpoint)
    labels = range(gan.num_classes) if gan.num_classes else None
    return to_uint8(gan.sample(count, labels=labels, seed=0))


def draw_sheet(pixels: dict[str, Tensor], path: Path, columns: int = COLUMNS) -> None:
    """Write a picture of labelled strips: uint8 images (N, C, H, W), all of one size, by their names."""
    join(
        {
            name: Image.fromarray(tile(images, columns).permute(1, 2, 0).squeeze(-1).numpy())
            for name, images in pixels.items()
        },
        path,
    )


def join(strips: dict[str, Image.Image], path: Path) -> None:
    """Write strips of one size below each other, with their names."""
    width, height = next(iter(strips.values())).size
    sheet = Image.new("RGB", (LABEL + width, len(strips) * (height + MARGIN)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (name, strip) in enumerate(strips.items()):
        top = row * (height + MARGIN)
        draw.text((4, top + height // 2 - 6), name, fill="black")
        sheet.paste(strip, (LABEL, top))
    sheet.save(path, optimize=True)
    print(f"Wrote {path}: {', '.join(strips)}.")


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="draw samples of the runs of this folder")
    parser.add_argument("--seed", type=int, default=0, help="of the runs")
    parser.add_argument("--columns", type=int, default=COLUMNS, help="of such samples")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    if arguments.runs:
        runs = [run for run in sorted(arguments.runs.glob(f"mnist_*-{arguments.seed}")) if (run / LAST).exists()]
        pixels = {_short(run.name.rpartition("-")[0]): sample_pixels(run / LAST, arguments.columns) for run in runs}
        draw_sheet(pixels, arguments.out, arguments.columns)
        return
    pictures = {_short(path.stem): Image.open(path) for path in sorted((DOCS / "gans").glob("*.png"))}
    halves = {name: picture.crop((0, 0, picture.width, picture.height // 2)) for name, picture in pictures.items()}
    join(halves, arguments.out)


def _short(experiment: str) -> str:
    return experiment.removeprefix("mnist_")


if __name__ == "__main__":
    main()
