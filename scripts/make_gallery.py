"""Make docs/gallery.png: samples of every run of benchmarks/mnist.py, unchosen, from the same latents' seed.

python scripts/make_gallery.py --runs runs/benchmark
"""

import argparse
from pathlib import Path

import torch
from PIL import Image, ImageDraw

import gan_lightning
from gan_lightning.images import tile, to_uint8

COLUMNS, ROWS, MARGIN, LABEL = 20, 2, 8, 130
OUT = Path(__file__).parents[1] / "docs" / "gallery.png"


def strip(checkpoint: Path) -> Image.Image:
    """Samples of a checkpoint, in a few rows; those of a conditional GAN are the classes in turn."""
    gan = gan_lightning.load(checkpoint)
    labels = range(gan.num_classes) if gan.num_classes else None
    images = gan.sample(COLUMNS * ROWS, labels=labels, seed=0)
    return Image.fromarray(tile(to_uint8(images), COLUMNS).permute(1, 2, 0).squeeze(-1).numpy())


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="runs/benchmark", help="where benchmarks/mnist.py keeps its runs")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    checkpoints = sorted(Path(arguments.runs).glob("*/checkpoints/last.ckpt"))
    strips = {path.parents[1].name: strip(path) for path in checkpoints}
    width, height = next(iter(strips.values())).size
    sheet = Image.new("L", (LABEL + width, len(strips) * (height + MARGIN)), 255)
    draw = ImageDraw.Draw(sheet)
    for row, (name, image) in enumerate(strips.items()):
        top = row * (height + MARGIN)
        draw.text((4, top + height // 2 - 6), name, fill=0)
        sheet.paste(image.convert("L"), (LABEL, top))
    sheet.save(OUT, optimize=True)
    print(f"Wrote {OUT}: {', '.join(strips)}.")


if __name__ == "__main__":
    main()
