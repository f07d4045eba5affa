"""Make docs/gallery.png: samples of every run of benchmarks/mnist.py, unchosen, from the same latents' seed.

python scripts/make_gallery.py --runs runs/benchmark
"""

import argparse
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

import gan_lightning
from gan_lightning.images import tile, to_uint8

COLUMNS, ROWS, MARGIN, LABEL = 20, 2, 8, 130
OUT = Path(__file__).parents[1] / "docs" / "gallery.png"


def sample_pixels(checkpoint: Path) -> Tensor:
    """Samples of a checkpoint, (COLUMNS * ROWS, C, H, W) uint8; those of a conditional GAN are the classes in turn."""
    gan = gan_lightning.load(checkpoint)
    labels = range(gan.num_classes) if gan.num_classes else None
    return to_uint8(gan.sample(COLUMNS * ROWS, labels=labels, seed=0))


def draw_sheet(pixels: dict[str, Tensor], path: Path) -> None:
    """Write a picture of labelled strips: uint8 images (N, C, H, W), all of one size, by their names."""
    strips = {name: tile(images, COLUMNS).permute(1, 2, 0).squeeze(-1).numpy() for name, images in pixels.items()}
    height, width = next(iter(strips.values())).shape[:2]
    sheet = Image.new("RGB", (LABEL + width, len(strips) * (height + MARGIN)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (name, strip) in enumerate(strips.items()):
        top = row * (height + MARGIN)
        draw.text((4, top + height // 2 - 6), name, fill="black")
        sheet.paste(Image.fromarray(strip), (LABEL, top))
    sheet.save(path, optimize=True)
    print(f"Wrote {path}: {', '.join(strips)}.")


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="runs/benchmark", help="where benchmarks/mnist.py keeps its runs")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    checkpoints = sorted(Path(arguments.runs).glob("*/checkpoints/last.ckpt"))
    draw_sheet({path.parents[1].name: sample_pixels(path) for path in checkpoints}, OUT)


if __name__ == "__main__":
    main()
