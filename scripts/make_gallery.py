"""Make docs/gallery.png: the first samples of every picture in docs/gans, which scripts/make_gan_pages.py makes."""

from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

import gan_lightning
from gan_lightning.images import tile, to_uint8

COLUMNS, ROWS, MARGIN, LABEL = 20, 2, 8, 130
DOCS = Path(__file__).parents[1] / "docs"
OUT = DOCS / "gallery.png"


def sample_pixels(checkpoint: Path) -> Tensor:
    """Samples of a checkpoint, (COLUMNS * ROWS, C, H, W) uint8; those of a conditional GAN are the classes in turn."""
    gan = gan_lightning.load(checkpoint)
    labels = range(gan.num_classes) if gan.num_classes else None
    return to_uint8(gan.sample(COLUMNS * ROWS, labels=labels, seed=0))


def draw_sheet(pixels: dict[str, Tensor], path: Path) -> None:
    """Write a picture of labelled strips: uint8 images (N, C, H, W), all of one size, by their names."""
    join(
        {
            name: Image.fromarray(tile(images, COLUMNS).permute(1, 2, 0).squeeze(-1).numpy())
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
    pictures = {path.stem.removeprefix("mnist_"): Image.open(path) for path in sorted((DOCS / "gans").glob("*.png"))}
    join({name: picture.crop((0, 0, picture.width, picture.height // 2)) for name, picture in pictures.items()}, OUT)


if __name__ == "__main__":
    main()
