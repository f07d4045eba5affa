"""Write a generator that comes with the package, and its model card, from a run of benchmarks/mnist.py.

    python benchmarks/mnist.py --root data --only mnist_dcgan
    python scripts/export_pretrained.py --name dcgan-mnist --experiment mnist_dcgan --root data
    python scripts/export_pretrained.py --name acgan-mnist --root data    # judge the file that there is anew

The card, docs/pretrained/<name>.md, tells what the file holds: its metrics are those of the file itself, whose weights
are rounded to 16 bits, against the test images.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, Trainer

import gan_lightning
from datamodules import MNISTDataModule
from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import Evaluation
from gan_lightning.images import tile, to_uint8, write_pixels
from gan_lightning.metrics import FeatureExtractor
from gan_lightning.pretrained import FOLDER, read_card, save_generator

ROOT = Path(__file__).parents[1]
CARDS = ROOT / "docs" / "pretrained"
COLUMNS, ROWS = 10, 4


def judged(
    path: Path, data: LightningDataModule, features: FeatureExtractor | None = None, split: str = "test"
) -> dict[str, Any]:
    """The value of the metric and its protocol, of a checkpoint or a file, on the images of "test" or "validate"."""
    evaluation = Evaluation(features)
    options: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(accelerator="cpu", callbacks=[evaluation], default_root_dir=folder, **options)
        getattr(trainer, split)(gan_lightning.load(path), data, verbose=False)
    if evaluation.report is None:
        raise RuntimeError(f"{path} was not evaluated.")
    return {"value": round(evaluation.report.value, 2), **evaluation.report.protocol()}


def export(name: str, experiment: str, seed: int, runs: str, root: str) -> dict[str, Any]:
    """Ship the generator of a run of benchmarks/mnist.py."""
    result = json.loads((ROOT / "benchmarks" / "results" / "mnist" / f"{experiment}.json").read_text())
    gan = gan_lightning.load(Path(runs) / f"{experiment}-{seed}" / "checkpoints" / "last.ckpt")
    card = {
        "data": "MNIST, 55,000 training images",
        "command": result["command"],
        "seed": seed,
        "commit": result["runs"][str(seed)]["commit"],
    }
    return ship(name, gan, card, MNISTDataModule(root))


def ship(
    name: str,
    gan: AdversarialModule,
    card: dict[str, Any],
    data: LightningDataModule,
    features: FeatureExtractor | None = None,
) -> dict[str, Any]:
    """Write the file, judge it, and write it again with its card, and the card as Markdown."""
    path = FOLDER / f"{name}.safetensors"
    card |= {
        "parameters": sum(parameter.numel() for parameter in gan.generator.parameters()),
        "weights": "16 bits, of the moving average",
    }
    save_generator(gan, path, card)
    card["metrics"] = [judged(path, data, features)]
    save_generator(gan, path, card)
    write_card(name, card)
    return card


def write_card(name: str, card: dict[str, Any]) -> None:
    """The model card as Markdown, with samples that nobody chose."""
    gan = gan_lightning.load(name)
    labels = range(gan.num_classes) if gan.num_classes else None
    CARDS.mkdir(exist_ok=True)
    write_pixels(tile(to_uint8(gan.sample(COLUMNS * ROWS, labels=labels, seed=0)), COLUMNS), CARDS / f"{name}.png")
    rows = [f"| {key} | {value} |" for key, value in card.items() if key != "metrics"]
    metrics = [", ".join(f"{key} {value}" for key, value in metric.items()) for metric in card["metrics"]]
    size = f"| file | {(FOLDER / f'{name}.safetensors').stat().st_size / 2**10:.0f} KiB of safetensors |"
    text = f"""# {name}

Class {type(gan).__name__}: `gan_lightning.load("{name}").sample(16)`, or `gan-lightning generate --ckpt_path {name}`.

| | |
| --- | --- |
{chr(10).join([*rows, size, *(f"| metric | {metric} |" for metric in metrics)])}

![The first samples of seed 0]({name}.png)
"""
    (CARDS / f"{name}.md").write_text(text)


def main() -> None:
    """Export one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="of the generator")
    parser.add_argument("--experiment", help="of benchmarks/mnist.py; left out, the file that there is is judged anew")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", default="runs/benchmark", help="where benchmarks/mnist.py keeps its runs")
    parser.add_argument("--root", default="data", help="folder of MNIST, as torchvision lays it out")
    arguments = parser.parse_args()
    name, root = arguments.name, arguments.root
    if arguments.experiment:
        card = export(name, arguments.experiment, arguments.seed, arguments.runs, root)
    else:
        card = ship(name, gan_lightning.load(name), read_card(FOLDER / f"{name}.safetensors"), MNISTDataModule(root))
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
