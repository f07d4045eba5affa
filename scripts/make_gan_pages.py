"""Write docs/gans: a page for each GAN, from its docstrings, configurations, results and samples.

python scripts/make_gan_pages.py                         # the pages
python scripts/make_gan_pages.py --runs runs/benchmark   # the pictures, too, of runs of benchmarks/mnist.py
python scripts/make_gan_pages.py --check                 # whether the pages are up to date; status 1 if not
"""

import argparse
import importlib
import inspect
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.images import tile, to_uint8, write_pixels

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "gans"
RESULTS = ROOT / "benchmarks" / "results" / "mnist"
COLUMNS, ROWS = 20, 4


def catalogue() -> dict[str, type[AdversarialModule]]:
    """The classes by the names of their files."""
    kinds = [getattr(gan_lightning, name) for name in gan_lightning.__all__]
    return {kind.__module__.rpartition(".")[2]: kind for kind in kinds}


def results_of(kind: type) -> list[dict[str, Any]]:
    """The experiments of benchmarks/mnist.py with a GAN, the best first."""
    found = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    return sorted((result for result in found if result["gan"] == kind.__name__), key=score)


def score(result: dict[str, Any]) -> float:
    """The mean over the seeds."""
    return float(statistics.mean(run["score"] for run in result["runs"].values()))


def told(result: dict[str, Any]) -> str:
    """What came of an experiment, in a sentence, with its command and picture."""
    runs = list(result["runs"].values())
    deviation = f" ± {statistics.stdev(run['score'] for run in runs):.1f}" if len(runs) > 1 else ""
    correct = [100 * run["accuracy"] for run in runs if run.get("accuracy") is not None]
    what = "digit of their category, by the best assignment" if result["gan"] == "InfoGAN" else "digit asked for"
    accuracy = f"; {statistics.mean(correct):.1f} % of the samples show the {what}" if correct else ""
    seeds, commits = ", ".join(result["runs"]), ", ".join(sorted({run["commit"] for run in runs}))
    text = f"`fid_mnist` {score(result):.1f}{deviation}{accuracy} (seeds {seeds}, commit {commits})."
    picture = PAGES / f"{result['name']}.png"
    shown = f"\n\n![Samples of {result['name']}, seed 0]({picture.name})" if picture.exists() else ""
    return f"### {result['name']}\n\n{text}\n\n```\n{result['command']}\n```{shown}\n"


def page(name: str, kind: type[AdversarialModule]) -> str:
    """The page of a GAN."""
    module = inspect.getdoc(importlib.import_module(kind.__module__)) or ""
    what, equation, use = module.split("\n\n")
    files = [f"configs/model/{name}.yaml", *(f"configs/experiment/mnist_{name}.yaml",)]
    configs = [f"`{file}`:\n\n```yaml\n{(ROOT / file).read_text()}```\n" for file in files if (ROOT / file).exists()]
    results = [told(result) for result in results_of(kind)]
    protocol = "How all were trained and judged: [results.md](../results.md). Samples are the first, not chosen."
    parts = [
        f"# {kind.__name__}\n\n{what}\n\n```\n{equation.strip()}\n```\n\n{use}\n",
        f"## The class\n\n```\n{inspect.getdoc(kind)}\n```\n",
        "## Recipes\n\n" + "\n".join(configs),
        *(["## Results on MNIST\n\n" + protocol + "\n\n" + "\n".join(results)] if results else []),
    ]
    return "<!-- Written by scripts/make_gan_pages.py -->\n" + "\n".join(parts)


def index() -> str:
    """The table of all pages."""
    lines = ["| GAN | what it is | fid_mnist |", "| --- | --- | --- |"]
    for name, kind in sorted(catalogue().items()):
        what = (inspect.getdoc(importlib.import_module(kind.__module__)) or "").split("\n")[0]
        best = results_of(kind)
        lines.append(f"| [{kind.__name__}]({name}.md) | {what} | {f'{score(best[0]):.1f}' if best else '-'} |")
    return "<!-- Written by scripts/make_gan_pages.py -->\n# The GANs\n\n" + "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """All that is written, by path."""
    written = {PAGES / f"{name}.md": page(name, kind) for name, kind in catalogue().items()}
    return {PAGES / "README.md": index(), **written}


def draw(runs: Path) -> None:
    """Pictures of the first samples of seed 0 of each experiment; a conditional GAN is asked for the digits in turn."""
    for path in sorted(RESULTS.glob("*.json")):
        checkpoint = runs / f"{path.stem}-0" / "checkpoints" / "last.ckpt"
        if checkpoint.exists():
            gan = gan_lightning.load(checkpoint)
            labels = range(gan.num_classes) if gan.num_classes else None
            pixels = to_uint8(gan.sample(COLUMNS * ROWS, labels=labels, seed=0))
            write_pixels(tile(pixels, COLUMNS), PAGES / f"{path.stem}.png")


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", help="where benchmarks/mnist.py keeps its runs, for pictures")
    parser.add_argument("--check", action="store_true", help="write nothing, and tell which pages are not up to date")
    arguments = parser.parse_args()
    if arguments.check:
        stale = [path.name for path, text in pages().items() if not path.exists() or path.read_text() != text]
        print(f"Not up to date: {', '.join(stale) or 'none'}.")
        sys.exit(bool(stale))
    PAGES.mkdir(exist_ok=True)
    if arguments.runs:
        draw(Path(arguments.runs))
    for path, text in pages().items():
        path.write_text(text)
    print(f"Wrote {len(pages())} pages to {PAGES}.")


if __name__ == "__main__":
    main()
