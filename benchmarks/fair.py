"""Every GAN, each with its recipe, on several data sets under one protocol each, with more than one number.

    python -m benchmarks.fair --root data                        # what is missing, of all; go on where it stopped
    python -m benchmarks.fair --data faces --only mnist_dcgan    # some of it
    python -m benchmarks.fair --data faces --again               # judge the runs of finished results anew
    python -m benchmarks.fair --accelerator gpu                  # on a GPU; each result says where it was made
    python -m benchmarks.fair --table                            # print what there is

The recipes are those of configs/experiment for MNIST. On MNIST, and on Fashion-MNIST where its files are below the
root, the protocol is that of benchmarks/mnist.py, whose runs are gone on with: 5,000 updates of G. Faces are 5,000
drawings (tests/datamodules/drawn_faces.py) at 64 px, with 1,000 updates of G, a fifth, and ProGAN's phases are a fifth
as long, too; conditional GANs get hair and hats as classes, and the conditional ResNet, whose networks are written out
for MNIST, is left out.

Judged is the moving average of the last checkpoint, by 10,000 samples against the test images: the Fréchet distance of
the data set, precision and recall (Kynkäänniemi et al., 2019, arXiv:1904.06991) and coverage (Naeem et al., 2020,
arXiv:2002.09797). Minutes are of the processor, of a run that was made there in one go. A result is one JSON file below
benchmarks/results/fair.
"""

import argparse
import itertools
import json
import runpy
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import torch
import yaml

import gan_lightning
from benchmarks.mnist import HERE, ROOT, TUNED, command_line, device, git_commit, spread
from gan_lightning.arguments import arguments_of

RESULTS = HERE / "results" / "fair"
DRAWING = ROOT / "tests" / "datamodules" / "drawn_faces.py"
FACES = 5_000
METRICS = ("precision", "recall", "coverage")
DATA: dict[str, tuple[str, list[str]]] = {
    "mnist": ("mnist", []),
    "fashion_mnist": ("fashion_mnist", []),
    "faces": ("celeba", ["--data.image_size=64", "--data.flip=false", "--trainer.max_steps=1000"]),
}
"""Configuration of each data set, and options after the protocol."""
LEFT_OUT = {("faces", "mnist_conditional_resnet")}


def options(data: str, name: str, root: str) -> list[str]:
    """What follows ``gan-lightning fit``."""
    config, own = DATA[data]
    recipe = ROOT / "configs" / "experiment" / f"{name}.yaml"
    model = yaml.safe_load(recipe.read_text())["model"]
    names = arguments_of(getattr(gan_lightning, model["class_path"], object))
    values = model.get("init_args", {})
    if data == "faces" and ("num_classes" in names or "num_classes" in str(values)):
        own = [*own, "--data.attributes=[Blond_Hair, Wearing_Hat]"]
    if data == "faces" and "images_per_phase" in values:
        own = [*own, f"--model.images_per_phase={values['images_per_phase'] // 5}"]
    files = [ROOT / "configs" / "data" / f"{config}.yaml", recipe, HERE / "mnist.yaml"]
    return [*(word for file in files for word in ("--config", str(file))), f"--data.root={root}", *own]


def run(data: str, name: str, seed: int, root: str, runs: str, accelerator: str) -> dict[str, Any]:
    """Train (go on, if there is a checkpoint) and judge on the test images."""
    folder = runs if data == "mnist" else f"{runs}/{data}"
    is_new = not Path(folder, f"{name}-{seed}", "checkpoints", "last.ckpt").exists()
    places = [f"--trainer.default_root_dir={folder}", f"--run_name={name}-{seed}", "--ckpt_path=last"]
    own = [f"--seed_everything={seed}", f"--trainer.accelerator={accelerator}", "--trainer.devices=1"]
    common = [*options(data, name, root), *own, *places]
    begun = time.process_time()
    command_line(["fit", *common])
    minutes = (time.process_time() - begun) / 60
    cli = command_line(["test", *common])
    report = cli.evaluation.report
    if report is None:
        raise RuntimeError(f"{name} was not evaluated on {data}.")
    return {
        "data": data,
        "name": name,
        "gan": type(cli.model).__name__,
        "seed": seed,
        "metric": report.metric.partition("/")[2],
        "fid": report.value,
        **{metric: report.others[metric] for metric in METRICS},
        "minutes": round(minutes, 1) if is_new and accelerator == "cpu" else None,
        "protocol": report.protocol(),
        "commit": git_commit(),
        "device": device(accelerator),
    }


def draw_faces(root: Path) -> None:
    """Draw them, unless they are there."""
    if not (root / "list_eval_partition.txt").exists():  # written last
        shutil.rmtree(root, ignore_errors=True)
        runpy.run_path(str(DRAWING))["write_celeba"](root, FACES)


def results(data: str) -> dict[str, list[dict[str, Any]]]:
    """Those of each recipe, the best first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(RESULTS.glob(f"{data}-*.json")):
        result = json.loads(path.read_text())
        found.setdefault(result["name"], []).append(result)
    return dict(sorted(found.items(), key=lambda item: statistics.mean(each["fid"] for each in item[1])))


def table(data: str) -> str:
    """The results as Markdown."""
    found = results(data)
    metric = next(iter(found.values()))[0]["metric"]
    titles = [data, "GAN", metric, *METRICS, "CPU minutes", "seeds"]
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for name, runs in found.items():
        cells = [spread([each["fid"] for each in runs])]
        cells += [spread([each[key] for each in runs], 2) for key in METRICS]
        minutes = [each["minutes"] for each in runs if each["minutes"] is not None]
        cells += [spread(minutes) if minutes else "-", str(len(runs))]
        lines.append(f"| {name} | {runs[0]['gan']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=[*DATA], choices=[*DATA])
    parser.add_argument("--only", nargs="+", default=TUNED, choices=TUNED, metavar="RECIPE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--root", default="data", help="folder of MNIST and Fashion-MNIST")
    parser.add_argument("--runs", default="runs/benchmark", help="where runs and faces are kept")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--again", action="store_true", help="judge finished runs anew, whose minutes stay")
    parser.add_argument("--table", action="store_true", help="print the results there are")
    arguments = parser.parse_args()
    if arguments.table:
        print("\n\n".join(table(data) for data in arguments.data if results(data)))
        return
    torch.set_num_threads(arguments.threads)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for data in arguments.data:
        if data == "fashion_mnist" and not Path(arguments.root, "FashionMNIST").is_dir():
            print(f"There is no Fashion-MNIST below {arguments.root}: left out.")
            continue
        faces = Path(arguments.runs, "drawn_faces")
        if data == "faces":
            draw_faces(faces)
        for seed, name in itertools.product(arguments.seeds, arguments.only):
            path = RESULTS / f"{data}-{name}-{seed}.json"
            if path.exists() is arguments.again and (data, name) not in LEFT_OUT:
                root = str(faces) if data == "faces" else arguments.root
                minutes = {"minutes": json.loads(path.read_text())["minutes"]} if arguments.again else {}
                result = run(data, name, seed, root, arguments.runs, arguments.accelerator) | minutes
                path.write_text(json.dumps(result, indent=1) + "\n")
                print(path.name, result["fid"], flush=True)


if __name__ == "__main__":
    main()
